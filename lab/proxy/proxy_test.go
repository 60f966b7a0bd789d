package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	table := Table{
		Domain: "platform.test",
		Hosts:  map[string]string{"gitlab.platform.test:443": "a", "*.dev.platform.test:443": "b"},
		Clusters: map[string]map[string]string{
			"dev":  {"kubernetes.default.svc:443": "c"},
			"prod": {"kubernetes.default.svc:443": "d"},
		},
	}
	for _, c := range []struct {
		cluster, host, port, address string
		known                        bool
	}{
		{"", "gitlab.platform.test", "443", "a", true},
		{"", "GitLab.platform.test.", "443", "a", true},
		{"dev", "gitlab.platform.test", "443", "a", true},
		{"", "gitlab.platform.test", "22", "", true},
		{"", "team.dev.platform.test", "443", "b", true},
		{"", "x.team.dev.platform.test", "443", "", true},
		{"", "dev.platform.test", "443", "", true},
		{"dev", "kubernetes.default.svc", "443", "c", true},
		{"prod", "kubernetes.default.svc.cluster.local", "443", "d", true},
		{"", "kubernetes.default.svc", "443", "", true},
		{"dev", "vault.vault.svc", "8200", "", true},
		{"dev", "proxy.golang.org", "443", "", false},
		{"", "notplatform.test", "443", "", false},
	} {
		address, known := table.Route(c.cluster, c.host, c.port)
		if address != c.address || known != c.known {
			t.Errorf("%q asks for %s:%s: %q %v, want %q %v", c.cluster, c.host, c.port, address, known, c.address, c.known)
		}
	}
}

// newProxy serves a proxy; its URL names cluster as the user.
func newProxy(t *testing.T, cluster string, p *Proxy) *url.URL {
	t.Helper()
	p.Log = slog.New(slog.DiscardHandler)
	if p.Upstream == nil {
		p.Upstream = func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if cluster != "" {
		u.User = url.User(cluster)
	}
	return u
}

func nothing(string, string, string) (string, bool) { return "", false }

// client trusts a test server's certificate, which is for example.com.
func client(proxy *url.URL, server *httptest.Server) *http.Client {
	roots := x509.NewCertPool()
	if server != nil && server.TLS != nil {
		roots.AddCert(server.Certificate())
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
	}}
}

func get(c *http.Client, url string) (int, string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestLeadsNamesByCluster(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "hello %s %q", r.Host, r.Header.Get("Proxy-Authorization"))
	})
	secure, plain := httptest.NewTLSServer(hello), httptest.NewServer(hello)
	defer secure.Close()
	defer plain.Close()
	table := Table{Domain: "platform.test", Clusters: map[string]map[string]string{"dev": {
		"example.com:443": secure.Listener.Addr().String(), "web.shop.svc:80": plain.Listener.Addr().String(),
	}}}

	inside := client(newProxy(t, "dev", &Proxy{Routes: table.Route}), secure)
	for url, want := range map[string]string{
		"https://example.com/x": `hello example.com ""`, "http://web.shop.svc/": `hello web.shop.svc ""`,
	} {
		if status, body, err := get(inside, url); err != nil || status != 200 || body != want {
			t.Errorf("%s: %d %q %v", url, status, body, err)
		}
	}

	other := client(newProxy(t, "prod", &Proxy{Routes: table.Route}), secure)
	if _, _, err := get(other, "https://web.shop.svc/"); err == nil || !strings.Contains(err.Error(), "nothing in the lab serves web.shop.svc:443 in cluster prod") {
		t.Errorf("a name of another cluster: %v", err)
	}
	if status, body, err := get(other, "http://web.shop.svc/"); err != nil || status != 502 || !strings.Contains(body, "nothing in the lab serves web.shop.svc:80") {
		t.Errorf("a name of another cluster: %d %q %v", status, body, err)
	}
}

func TestServerThatIsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	table := Table{Domain: "platform.test", Hosts: map[string]string{"vault.platform.test:443": l.Addr().String()}}
	c := client(newProxy(t, "", &Proxy{Routes: table.Route}), nil)
	if _, _, err := get(c, "https://vault.platform.test/"); err == nil || !strings.Contains(err.Error(), "the lab's server of vault.platform.test:443 does not answer") {
		t.Errorf("got %v", err)
	}
}

// TestOutside goes by a second proxy, which alone knows the names and a password.
func TestOutside(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "outside") })
	secure, plain := httptest.NewTLSServer(hello), httptest.NewServer(hello)
	defer secure.Close()
	defer plain.Close()
	var users []string
	upstream := newProxy(t, "", &Proxy{Routes: func(cluster, _, port string) (string, bool) {
		users = append(users, cluster)
		if port == "80" {
			return plain.Listener.Addr().String(), true
		}
		return secure.Listener.Addr().String(), true
	}})
	upstream.User = url.UserPassword("me", "secret")

	table := Table{Domain: "platform.test"}
	c := client(newProxy(t, "dev", &Proxy{Routes: table.Route, Upstream: http.ProxyURL(upstream)}), secure)
	for _, url := range []string{"https://example.com/", "http://example.com/"} {
		if status, body, err := get(c, url); err != nil || status != 200 || body != "outside" {
			t.Errorf("%s: %d %q %v", url, status, body, err)
		}
	}
	if strings.Join(users, " ") != "me me" {
		t.Errorf("the outer proxy saw the users %q: the lab's cluster must not leave the lab", users)
	}

	upstream.Scheme = "socks5"
	if _, _, err := get(c, "https://example.com/"); err == nil || !strings.Contains(err.Error(), `kind "socks5" is not supported`) {
		t.Errorf("an upstream of unknown kind: %v", err)
	}
}

func TestHalfClose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		all, _ := io.ReadAll(conn) // until the client has ended its half
		_, _ = fmt.Fprintf(conn, "got %s", all)
		_ = conn.Close()
	}()
	p := newProxy(t, "", &Proxy{Routes: func(string, string, string) (string, bool) { return l.Addr().String(), true }})
	conn, err := net.Dial("tcp", p.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// The first bytes right behind the request, as some clients send them.
	_, _ = io.WriteString(conn, "CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\n\r\nearly ")
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	_, _ = io.WriteString(conn, "late")
	_ = conn.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(reader); err != nil || string(answer) != "got early late" {
		t.Errorf("%q %v", answer, err)
	}
}

func TestNoProxyRequest(t *testing.T) {
	p := newProxy(t, "", &Proxy{Routes: nothing})
	if status, body, err := get(http.DefaultClient, "http://"+p.Host+"/"); err != nil || status != 400 || !strings.Contains(body, "this is a proxy") {
		t.Errorf("%d %q %v", status, body, err)
	}
}
