package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	labcluster "platform/lab/cluster"
	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
	"platform/lab/process"
	"platform/lab/site"
	"platform/lab/tools"
)

// modules is the folder with the modules of the lab's programs.
var modules = filepath.Join("..", "..", "tools")

// TestMain ends what apiServer started.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(started) {
		stop()
	}
	os.Exit(code)
}

var started []func()

// apiServer starts a real API server, with the lab's own flags, for all tests,
// and gives its kubeconfig. Of the controllers only those run that the tests
// need, so that a test can play the others.
var apiServer = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kubernetes-plugin-test-")
	if err != nil {
		return "", err
	}
	started = append(started, func() { _ = os.RemoveAll(dir) })
	wanted := slices.DeleteFunc(slices.Clone(tools.Servers), func(t tools.Tool) bool {
		return t.Name != "etcd" && t.Name != "kubernetes"
	})
	if err := tools.Build(context.Background(), os.Stderr, modules, wanted); err != nil {
		return "", err
	}
	s, err := site.Open(dir, "platform.test", "", "")
	if err != nil {
		return "", err
	}
	const name = "dev"
	programs := func(program string) (string, error) {
		if program == "kwok" {
			return program, nil // is not started
		}
		return tools.Program(modules, program)
	}
	etcd, err := labcluster.Etcd(s, programs)
	if err != nil {
		return "", err
	}
	specs, err := labcluster.Specs(s, programs, name, labcluster.Pods{Real: "false"})
	if err != nil {
		return "", err
	}
	controllers := slices.IndexFunc(specs[1].Args, func(arg string) bool { return strings.HasPrefix(arg, "--controllers=") })
	if controllers < 0 {
		return "", errors.New("the lab's controller manager has no flag --controllers")
	}
	specs[1].Args[controllers] = "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller"
	for _, spec := range []process.Spec{etcd, specs[0], specs[1]} {
		if err := run(s, spec); err != nil {
			return "", err
		}
	}
	return s.Kubeconfig(name), nil
})

// run starts a server that ends with the test, and waits until it is ready.
func run(s *site.Site, spec process.Spec) error {
	var log bytes.Buffer
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir, cmd.Env, cmd.Stderr = s.Dir, append(os.Environ(), spec.Env...), &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	started = append(started, func() { _ = cmd.Process.Kill() })
	deadline := time.After(2 * time.Minute)
	for {
		err := spec.Ready(context.Background())
		if err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended: %w\n%s", spec.Name, err, log.String())
		case <-deadline:
			return fmt.Errorf("%s is not ready: %w", spec.Name, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// lab is a plugin in front of a real API server, and what stands between them.
type lab struct {
	*providertest.Engine
	t      *testing.T
	plugin *kubernetes
	client dynamic.Interface
	// namespace of the test's own.
	namespace string
	// fault may answer a request in the API server's place: then it says so.
	fault atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

var namespaces atomic.Int32

// newLab configures a plugin for an API server with a namespace of its own.
func newLab(t *testing.T, config provider.Values) *lab {
	t.Helper()
	kubeconfig, err := apiServer()
	if err != nil {
		t.Fatal(err)
	}
	direct, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	direct.WarningHandler = rest.NoWarnings{}
	l := &lab{t: t, plugin: newKubernetes(), namespace: fmt.Sprintf("test-%d", namespaces.Add(1))}
	if l.client, err = dynamic.NewForConfig(direct); err != nil {
		t.Fatal(err)
	}
	l.plugin.pace = pace{look: 20 * time.Millisecond, retry: 20 * time.Millisecond, settle: 200 * time.Millisecond}
	l.Engine = providertest.Configured(t, l.plugin, provider.Values{
		"kubeconfig": l.between(direct), "upsertExistingObjects": true,
	}.With(config))
	l.MustCreate("kubernetes:core/v1:Namespace", provider.Values{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": l.namespace},
	})
	return l
}

// between serves a proxy that can be at fault, and gives its kubeconfig.
func (l *lab) between(direct *rest.Config) string {
	transport, err := rest.TransportFor(direct)
	if err != nil {
		l.t.Fatal(err)
	}
	target, err := url.Parse(direct.Host)
	if err != nil {
		l.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { // the plugin hung up
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := l.fault.Load(); fault != nil && (*fault)(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	l.t.Cleanup(server.Close)
	return kubeconfigOf(server.URL)
}

func kubeconfigOf(address string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"lab",
"clusters":[{"name":"lab","cluster":{"server":%q}}],"users":[{"name":"lab","user":{}}],
"contexts":[{"name":"lab","context":{"cluster":"lab","user":"lab"}}]}`, address)
}

// failing answers 503 as long as fails says so of a request.
func (l *lab) failing(fails func(r *http.Request) bool) {
	fault := func(w http.ResponseWriter, r *http.Request) bool {
		if !fails(r) {
			return false
		}
		http.Error(w, "the API server is starting", http.StatusServiceUnavailable)
		return true
	}
	l.fault.Store(&fault)
}

// object is the beginning of an object in the test's namespace.
func (l *lab) object(apiVersion, kind, name string, more provider.Values) provider.Values {
	return provider.Values{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name, "namespace": l.namespace},
	}.With(more)
}

// annotated is an object with one annotation.
func annotated(object provider.Values, key, value string) provider.Values {
	meta := provider.Values(object["metadata"].(map[string]any)).With(provider.Values{"annotations": map[string]any{key: value}})
	return object.With(provider.Values{"metadata": map[string]any(meta)})
}
