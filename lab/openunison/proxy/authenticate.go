package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"k8s.io/client-go/transport"
)

const (
	// discoveryDelay is how long the issuer is left alone when it did not answer,
	// and discoveryTimeout how long it may take.
	discoveryDelay   = 10 * time.Second
	discoveryTimeout = 30 * time.Second

	// allAuthenticated is a group of everyone that is known.
	allAuthenticated = "system:authenticated"
	// credentialID is where the API server's audit log shows which token it was.
	// Who impersonates needs leave for it, too.
	credentialID = "authentication.kubernetes.io/credential-id"
)

// errUnauthenticated does not say why: callers are not to learn it.
var errUnauthenticated = errors.New("unauthorized")

// authenticator verifies the tokens of one issuer for one audience.
type authenticator struct {
	options  options
	client   *http.Client
	now      func() time.Time
	delay    time.Duration
	log      *slog.Logger
	verifier atomic.Pointer[oidc.IDTokenVerifier]
}

func newAuthenticator(o options, log *slog.Logger) (*authenticator, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, fmt.Errorf("reading the issuer's authorities: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", o.caFile)
		}
	}
	return &authenticator{
		options: o, now: time.Now, delay: discoveryDelay, log: log,
		client: &http.Client{
			Timeout:   discoveryTimeout,
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, IdleConnTimeout: time.Minute},
		},
	}, nil
}

// discover asks the issuer for its description until it answers: the proxy may
// start first. The issuer's keys are read when a token needs them, again for a key
// that is not known yet.
func (a *authenticator) discover(ctx context.Context) {
	ctx = oidc.ClientContext(ctx, a.client)
	for {
		provider, err := oidc.NewProvider(ctx, a.options.issuer)
		if err == nil {
			a.verifier.Store(provider.Verifier(&oidc.Config{
				ClientID: a.options.audience, SupportedSigningAlgs: []string{string(jose.RS256)}, Now: a.now,
			}))
			a.log.Info("the issuer is known", "issuer", a.options.issuer)
			return
		}
		a.log.Warn("the issuer does not answer yet", "issuer", a.options.issuer, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(a.delay):
		}
	}
}

// authenticate is whom the request's token names, and as what the API server is
// to be asked (pkg/proxy/handlers.go; AuthenticateToken, getUsername and getExtra
// of the API server's authenticator).
func (a *authenticator) authenticate(r *http.Request) (transport.ImpersonationConfig, error) {
	none := transport.ImpersonationConfig{}
	scheme, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return none, fmt.Errorf("%w: no bearer token", errUnauthenticated)
	}
	verifier := a.verifier.Load()
	if verifier == nil {
		return none, fmt.Errorf("%w: the issuer is not known yet", errUnauthenticated)
	}
	verified, err := verifier.Verify(r.Context(), token)
	if err != nil {
		return none, fmt.Errorf("%w: %w", errUnauthenticated, err)
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return none, fmt.Errorf("%w: %w", errUnauthenticated, err)
	}
	name, ok := claims[a.options.username].(string)
	if !ok {
		return none, fmt.Errorf("%w: no claim %s", errUnauthenticated, a.options.username)
	}
	as := transport.ImpersonationConfig{UserName: name, Groups: []string{allAuthenticated}}
	if id, _ := claims["jti"].(string); id != "" {
		as.Extra = map[string][]string{credentialID: {"JTI=" + id}}
	}
	return as, nil
}

// probes are what a kubelet asks (pkg/probe/probe.go).
func (a *authenticator) probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, http.StatusOK) })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if a.verifier.Load() == nil {
			answerProbe(w, http.StatusServiceUnavailable)
			return
		}
		answerProbe(w, http.StatusOK)
	})
	return mux
}

func answerProbe(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("{}\n"))
}
