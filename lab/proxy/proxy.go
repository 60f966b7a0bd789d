// Package proxy is the HTTP proxy that gives the platform's host names a meaning
// on one machine. Programs find it by HTTPS_PROXY and HTTP_PROXY, so nothing of
// the machine itself (its resolver, /etc/hosts) is touched.
//
// Names that the lab serves lead to loopback addresses, names that only the lab
// could serve and does not are refused, and all others go to the outside, by
// way of the proxy that the machine itself has to use, if any.
//
// Names of services are the same in every cluster. A process that plays a pod
// tells its cluster by the user name of the proxy's URL:
// http://dev@127.0.0.1:3128.
package proxy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// dialTimeout is for connections to the outside, too.
const dialTimeout = 30 * time.Second

// Proxy answers CONNECT, and requests with an absolute http URL.
type Proxy struct {
	// Routes says who serves a name for someone in cluster, see Table.Route.
	Routes func(cluster, host, port string) (address string, known bool)
	// Upstream is the proxy to the outside for a request; a nil URL means none.
	// http.ProxyFromEnvironment fits where the environment is the machine's own.
	Upstream func(*http.Request) (*url.URL, error)
	Log      *slog.Logger

	once      sync.Once
	forwarder *httputil.ReverseProxy
}

// target is where a request goes.
type target struct {
	// name is "host:port" as the client gave it.
	name string
	// address is the loopback address in the lab; empty means the outside.
	address string
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, err := p.target(r)
	switch {
	case err != nil:
		p.refuse(w, r, err)
	case r.Method == http.MethodConnect:
		p.tunnel(w, r, t)
	default:
		p.forward(w, r, t)
	}
}

// errNotServed is the answer for names that are the lab's and served by nothing.
type errNotServed struct{ name, cluster string }

func (e errNotServed) Error() string {
	if e.cluster != "" {
		return fmt.Sprintf("nothing in the lab serves %s in cluster %s", e.name, e.cluster)
	}
	return "nothing in the lab serves " + e.name
}

// errForm is the answer for what is no request to a proxy.
var errForm = errors.New("this is a proxy: it takes CONNECT host:port and absolute http:// URLs")

func (p *Proxy) target(r *http.Request) (target, error) {
	name := r.Host
	if r.Method != http.MethodConnect {
		if r.URL.Scheme != "http" || r.URL.Host == "" {
			return target{}, errForm
		}
		name = r.URL.Host
		if r.URL.Port() == "" {
			name = net.JoinHostPort(r.URL.Hostname(), "80")
		}
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil || host == "" || port == "" {
		return target{}, errForm
	}
	cluster := clusterOf(r)
	address, known := p.Routes(cluster, host, port)
	if known && address == "" {
		return target{}, errNotServed{name, cluster}
	}
	return target{name: name, address: address}, nil
}

// clusterOf is the user name in the header Proxy-Authorization. There is no
// password to check: the name tells the view, it gives no right.
func clusterOf(r *http.Request) string {
	scheme, encoded, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	user, _, _ := strings.Cut(string(decoded), ":")
	return user
}

// forward sends on a request with an absolute URL.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, t target) {
	p.once.Do(p.makeForwarder)
	if t.address != "" {
		// Connections are kept by address: by name, two clusters would share them.
		r.URL.Host = t.address
	}
	p.forwarder.ServeHTTP(w, r)
}

func (p *Proxy) makeForwarder() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = p.Upstream
	transport.DisableCompression = true
	p.forwarder = &httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {},
		Transport:     transport,
		FlushInterval: -1,
		ErrorHandler:  p.refuse,
		ErrorLog:      slog.NewLogLogger(p.Log.Handler(), slog.LevelWarn),
	}
}

// refuse answers an error. To CONNECT it is the status line that tells it, since
// many clients, Go's among them, show nothing else.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadGateway
	if errors.Is(err, errForm) {
		status = http.StatusBadRequest
	}
	p.Log.Warn("refused", "method", r.Method, "host", r.Host, "error", err)
	text := strings.Join(strings.Fields(err.Error()), " ")
	if r.Method != http.MethodConnect {
		http.Error(w, text, status)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, text, status)
		return
	}
	_, _ = fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, text, len(text)+1, text)
	_ = client.Close()
}
