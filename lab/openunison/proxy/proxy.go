package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// flushInterval is for answers whose length is known; watches and logs pass at
// once (cmd/app/options/app.go).
const flushInterval = 50 * time.Millisecond

// proxy leads requests to the API server under the user that their token names.
type proxy struct {
	auth     *authenticator
	server   *url.URL
	upstream http.RoundTripper
	log      *slog.Logger
}

// newProxy uses config's credential, that of the proxy's own account, for the
// API server: its RBAC says whom the proxy may impersonate, and RBAC of the
// impersonated user what the request may do.
func newProxy(config *rest.Config, auth *authenticator, log *slog.Logger) (http.Handler, error) {
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	config = rest.CopyConfig(config)
	// Upgrades, as kubectl exec asks for, are of HTTP/1.1.
	config.NextProtos = []string{"http/1.1"}
	upstream, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("way to the API server: %w", err)
	}
	return &proxy{auth: auth, server: server, upstream: upstream, log: log}, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	as, err := p.auth.authenticate(r)
	switch {
	case err != nil:
		p.log.Warn("refused", "from", r.RemoteAddr, "path", r.URL.Path, "reason", err)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case as.UserName == "":
		http.Error(w, "Username claim not available in OIDC Issuer response", http.StatusForbidden)
	case impersonates(r.Header):
		p.log.Warn("refused", "from", r.RemoteAddr, "path", r.URL.Path, "user", as.UserName, "reason", "impersonation")
		http.Error(w, as.UserName+" is not allowed to impersonate", http.StatusForbidden)
	default:
		p.forward(as).ServeHTTP(w, r)
	}
}

// impersonates says whether a request asks to be taken for another user.
func impersonates(header http.Header) bool {
	for name := range header {
		if strings.HasPrefix(strings.ToLower(name), "impersonate-") {
			return true
		}
	}
	return false
}

// forward passes a request on as a user. The caller's own credential stays here:
// with one in the request, client-go would leave the proxy's out. The headers of
// impersonation are set last, after those that the caller named in Connection are
// gone.
func (p *proxy) forward(as transport.ImpersonationConfig) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.server)
			r.Out.Header.Del("Authorization")
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		Transport:     transport.NewImpersonatingRoundTripper(as, p.upstream),
		FlushInterval: flushInterval,
		ErrorLog:      slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			p.log.Error("request failed", "path", r.URL.Path, "error", err)
			w.WriteHeader(http.StatusInternalServerError)
		},
	}
}
