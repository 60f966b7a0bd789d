package ingress

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func answer(handler http.Handler, host string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = host
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestHosts(t *testing.T) {
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	handler := New(map[string]http.Handler{
		"argocd.platform.test": Played("Argo CD"), "*.dev.platform.test": says("wild"), "one.dev.platform.test": says("one"),
	})
	for host, want := range map[string]string{
		"argocd.platform.test":     "503 Argo CD is played: there is no server behind it in this lab",
		"two.dev.platform.test":    "200 wild",
		"Two.dev.platform.test.:8": "200 wild",
		"one.dev.platform.test":    "200 one",
		"a.two.dev.platform.test":  `404 the lab has no ingress for host "a.two.dev.platform.test"`,
		"dev.platform.test":        `404 the lab has no ingress for host "dev.platform.test"`,
		"":                         `404 the lab has no ingress for host ""`,
	} {
		if status, body := answer(handler, host); fmt.Sprint(status, " ", body) != want {
			t.Errorf("%s: %d %s, want %s", host, status, body, want)
		}
	}
}

// apiServer tells who called: the token and the number of client certificates.
func apiServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "echo" {
			echo(w)
			return
		}
		_, _ = fmt.Fprintf(w, "%s %q %d", r.URL, r.Header.Get("Authorization"), len(r.TLS.PeerCertificates))
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// echo changes the protocol and sends a line back.
func echo(w http.ResponseWriter) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	line, _ := buffered.ReadString('\n')
	_, _ = io.WriteString(conn, "echo "+line)
}

// writeKubeconfig makes one with an administrator's credentials in it.
func writeKubeconfig(t *testing.T, file string, server *httptest.Server) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["dev"] = &clientcmdapi.Cluster{
		Server:                   server.URL,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
	config.AuthInfos["dev"] = &clientcmdapi.AuthInfo{Token: "the-administrator"}
	config.Contexts["dev"] = &clientcmdapi.Context{Cluster: "dev", AuthInfo: "dev"}
	config.CurrentContext = "dev"
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
}

func TestClusterPassesTheCallersToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	front := httptest.NewServer(Cluster(file))
	defer front.Close()
	get := func(token string) (int, string) {
		r, err := http.NewRequest(http.MethodGet, front.URL+"/api/v1/pods?watch=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if status, body := get("x"); status != 503 || !strings.Contains(body, "does not run") {
		t.Errorf("before there is a cluster: %d %s", status, body)
	}

	api := apiServer(t)
	writeKubeconfig(t, file, api)
	if status, body := get("mine"); status != 200 || body != `/api/v1/pods?watch=1 "Bearer mine" 0` {
		t.Errorf("%d %s", status, body)
	}
	if status, body := get(""); status != 200 || body != `/api/v1/pods?watch=1 "" 0` {
		t.Errorf("without a token the caller must be nobody: %d %s", status, body)
	}

	// All of httptest have one certificate, which is not for localhost.
	broken := strings.Replace(read(t, file), api.URL, strings.Replace(api.URL, "127.0.0.1", "localhost", 1), 1)
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := get("mine"); status != 502 || !strings.Contains(body, "certificate") {
		t.Errorf("a server of another name than its certificate's: %d %s", status, body)
	}
	if err := os.WriteFile(file, []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _ := get("mine"); status != 503 {
		t.Errorf("a kubeconfig without a cluster: %d", status)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestClusterUpgrades(t *testing.T) {
	api := apiServer(t)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, file, api)
	front := httptest.NewUnstartedServer(New(map[string]http.Handler{"*.dev.platform.test": Cluster(file)}))
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()

	roots := front.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	conn, err := tls.Dial("tcp", front.Listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST /exec HTTP/1.1\r\nHost: team.dev.platform.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := reader.ReadString('\n'); err != nil || line != "echo hello\n" {
		t.Errorf("%q %v", line, err)
	}
}
