package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"platform/lab/process"
	"platform/lab/site"
)

func anyProgram(name string) (string, error) { return "/programs/" + name, nil }

// allSpecs are etcd's and one cluster's, by name.
func allSpecs(t *testing.T, s *site.Site, cluster string) map[string]process.Spec {
	t.Helper()
	etcd, err := Etcd(s, anyProgram)
	if err != nil {
		t.Fatal(err)
	}
	specs, err := Specs(s, anyProgram, cluster, Pods{Real: "false"})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]process.Spec{}
	for _, spec := range append(specs, etcd) {
		byName[spec.Name] = spec
	}
	return byName
}

// flag is the value of a flag, and whether it is there.
func flag(spec process.Spec, name string) (string, bool) {
	for _, arg := range spec.Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value, true
		}
		if arg == "--"+name {
			return "true", true
		}
	}
	return "", false
}

func TestServersListenOnLoopbackAtTheSitesPorts(t *testing.T) {
	s := newSite(t)
	specs := allSpecs(t, s, "dev")
	port := func(name string) string {
		t.Helper()
		p, err := s.Port(name)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(p)
	}
	for _, test := range []struct{ server, flag, want string }{
		{"etcd", "listen-client-urls", "https://127.0.0.1:" + port("etcd")},
		{"etcd", "listen-peer-urls", "https://127.0.0.1:" + port("etcd-peer")},
		{"etcd", "client-cert-auth", "true"},
		{"etcd", "peer-client-cert-auth", "true"},
		{"dev-kube-apiserver", "bind-address", "127.0.0.1"},
		{"dev-kube-apiserver", "secure-port", port("dev-apiserver")},
		{"dev-kube-apiserver", "etcd-servers", "https://127.0.0.1:" + port("etcd")},
		{"dev-kube-apiserver", "etcd-prefix", "/dev"},
		{"dev-kube-apiserver", "authorization-mode", "Node,RBAC"},
		{"dev-kube-controller-manager", "bind-address", "127.0.0.1"},
		{"dev-kube-controller-manager", "secure-port", port("dev-controller-manager")},
		{"dev-kube-scheduler", "bind-address", "127.0.0.1"},
		{"dev-kube-scheduler", "secure-port", port("dev-scheduler")},
		{"dev-kwok", "server-address", "127.0.0.1:" + port("dev-kwok")},
		{"dev-kwok", "node-ip", "127.0.0.1"},
		{"dev-kwok", "node-port", port("dev-kubelet")},
	} {
		if got, _ := flag(specs[test.server], test.flag); got != test.want {
			t.Errorf("%s: --%s=%s, want %s", test.server, test.flag, got, test.want)
		}
	}
	if len(specs) != 5 {
		t.Errorf("%d servers, each is to be checked here", len(specs))
	}
	for name, spec := range specs {
		for _, arg := range spec.Args {
			if strings.Contains(arg, "0.0.0.0") || strings.Contains(arg, "http://") || strings.Contains(arg, "insecure") {
				t.Errorf("%s has %s", name, arg)
			}
		}
	}
}

// Anonymous requests are refused only by a flag: a kube-apiserver lets them in.
func TestWhoCallsTheAPIServerIsKnown(t *testing.T) {
	server := allSpecs(t, newSite(t), "dev")["dev-kube-apiserver"]
	modes, _ := flag(server, "authorization-mode")
	if slices.Contains(strings.Split(modes, ","), "AlwaysAllow") {
		t.Errorf("everyone may do anything: %s", modes)
	}
	if ca, _ := flag(server, "client-ca-file"); ca == "" {
		t.Error("no client certificate is known")
	}
	if value, ok := flag(server, "anonymous-auth"); !ok || value != "false" {
		t.Errorf("--anonymous-auth=%s, want false", value)
	}
}

func TestSpecsStayTheSame(t *testing.T) {
	s := newSite(t)
	first, second := allSpecs(t, s, "dev"), allSpecs(t, s, "dev")
	for name := range first {
		if !slices.Equal(first[name].Args, second[name].Args) {
			t.Errorf("a restart changes the command of %s", name)
		}
	}
}

func TestOtherStagesAreAnotherCommand(t *testing.T) {
	s := newSite(t)
	config := func(realPods string) string {
		t.Helper()
		specs, err := Specs(s, anyProgram, "dev", Pods{Real: realPods})
		if err != nil {
			t.Fatal(err)
		}
		file, _ := flag(specs[len(specs)-1], "config")
		return file
	}
	if config("true") == config("false") {
		t.Error("KWOK would go on with its old stages")
	}
}

func TestClustersShareNothing(t *testing.T) {
	s := newSite(t)
	owner := map[string]string{}
	for _, cluster := range site.Clusters {
		for name, spec := range allSpecs(t, s, cluster) {
			if name == "etcd" {
				continue
			}
			value, _ := flag(spec, "secure-port")
			if value == "" {
				value, _ = flag(spec, "server-address")
			}
			if other, taken := owner[value]; taken || value == "" {
				t.Errorf("%s and %s are both at %q", name, other, value)
			}
			owner[value] = name
		}
	}
}

func TestAdministratorsKubeconfig(t *testing.T) {
	s := newSite(t)
	allSpecs(t, s, "dev")
	port, err := s.Port("dev-apiserver")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig("dev"))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("https://127.0.0.1:%d", port); config.Host != want || config.Insecure || len(config.CAData) == 0 {
		t.Errorf("server %s, insecure %v, CA of %d bytes; want %s, verified", config.Host, config.Insecure, len(config.CAData), want)
	}
}

func TestSpecsSayWhichProgramIsMissing(t *testing.T) {
	missing := func(name string) (string, error) { return "", errors.New(name + " is not built") }
	if _, err := Specs(newSite(t), missing, "dev", Pods{Real: "false"}); err == nil || err.Error() != "kube-apiserver is not built" {
		t.Errorf("error %v", err)
	}
	if _, err := Etcd(newSite(t), missing); err == nil || err.Error() != "etcd is not built" {
		t.Errorf("error %v", err)
	}
}
