// Package clustertest gives tests a real API server, with the lab's own flags and
// without controllers.
package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"platform/lab/cluster"
	"platform/lab/process"
	"platform/lab/site"
	"platform/lab/tools"
)

// name is that of the cluster, one of the lab's.
const name = "dev"

// startTimeout is for a machine that is busy with other tests.
const startTimeout = 2 * time.Minute

// Server is an API server with its etcd.
type Server struct {
	// Admin is the administrator's way to it.
	Admin *rest.Config

	dir  string
	ends []func()
}

// Start waits until the server answers. It is built first if it never was, from
// modules, the path of lab/tools. It gets flags beside the lab's own.
func Start(modules string, flags ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "clustertest-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.start(modules, flags); err != nil {
		s.Stop()
		return nil, fmt.Errorf("starting an API server: %w", err)
	}
	return s, nil
}

// Stop ends the server and removes its data.
func (s *Server) Stop() {
	for _, end := range s.ends {
		end()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *Server) start(modules string, flags []string) error {
	var wanted []tools.Tool
	for _, tool := range tools.Servers {
		if tool.Name == "etcd" || tool.Name == "kubernetes" {
			wanted = append(wanted, tool)
		}
	}
	if err := tools.Build(context.Background(), os.Stderr, modules, wanted); err != nil {
		return err
	}
	lab, err := site.Open(s.dir, "platform.test", "", "")
	if err != nil {
		return err
	}
	programs := func(program string) (string, error) { return tools.Program(modules, program) }
	etcd, err := cluster.Etcd(lab, programs)
	if err != nil {
		return err
	}
	specs, err := cluster.Specs(lab, programs, name, cluster.Pods{Real: "false"})
	if err != nil {
		return err
	}
	apiserver := specs[0]
	apiserver.Args = append(apiserver.Args, flags...)
	for _, spec := range []process.Spec{etcd, apiserver} {
		if err := s.run(spec); err != nil {
			return err
		}
	}
	s.Admin, err = clientcmd.BuildConfigFromFlags("", lab.Kubeconfig(name))
	return err
}

// run starts a process that ends with the test, and waits until it is ready.
func (s *Server) run(spec process.Spec) error {
	var log bytes.Buffer
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir, cmd.Env, cmd.Stderr = s.dir, append(os.Environ(), spec.Env...), &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.ends = append([]func(){func() { _ = cmd.Process.Kill() }}, s.ends...)
	deadline := time.After(startTimeout)
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

// Client is the administrator's.
func (s *Server) Client() (*kubernetes.Clientset, error) { return kubernetes.NewForConfig(s.Admin) }

// Token is a new token of a ServiceAccount, which is made with its namespace if it
// is not there yet. Without audiences the token is for the API server itself.
func (s *Server) Token(ctx context.Context, namespace, account string, audiences ...string) (string, error) {
	client, err := s.Client()
	if err != nil {
		return "", err
	}
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", err
	}
	accounts := client.CoreV1().ServiceAccounts(namespace)
	_, err = accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", err
	}
	request, err := accounts.CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of %s/%s: %w", namespace, account, err)
	}
	return request.Status.Token, nil
}
