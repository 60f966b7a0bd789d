package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"platform/lab/cluster"
	"platform/lab/process"
	"platform/lab/site"
)

// lifePoll is how often a system's namespace is looked at.
const lifePoll = time.Second

// life ties the data of a system that the lab runs to its namespace on the
// control plane: on a real cluster they are in its volumes, and go with it. What
// stops the lab itself leaves both.
type life struct {
	site      *site.Site
	namespace string
	// reset makes the system as empty as a new one.
	reset func(context.Context) error
}

// follow resets the system whenever its namespace has gone, until ctx ends.
func (l life) follow(ctx context.Context) error {
	client, err := cluster.Client(l.site, site.Clusters[0])
	if err != nil {
		return err
	}
	for {
		if err := l.look(ctx, client); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lifePoll):
		}
	}
}

// look compares the namespace with the one that the data belong to, which is
// kept by its UID: it may have gone and come while nobody looked.
func (l life) look(ctx context.Context, client kubernetes.Interface) error {
	now := ""
	namespace, err := client.CoreV1().Namespaces().Get(ctx, l.namespace, metav1.GetOptions{})
	switch {
	case err == nil:
		now = string(namespace.UID)
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("looking at namespace %s: %w", l.namespace, err)
	}
	file := l.site.Path("lives", l.namespace)
	kept, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if string(kept) == now {
		return nil
	}
	if len(kept) > 0 {
		if err := l.reset(ctx); err != nil {
			return fmt.Errorf("emptying %s, whose namespace is gone: %w", l.namespace, err)
		}
	}
	return os.WriteFile(file, []byte(now), 0o600)
}

// replaceable is a handler that another takes the place of.
type replaceable struct{ current atomic.Pointer[http.Handler] }

func (r *replaceable) set(h http.Handler) { r.current.Store(&h) }

func (r *replaceable) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	(*r.current.Load()).ServeHTTP(w, req)
}

// emptyVault starts Vault anew without its data: sealed, and uninitialised.
func (s *servers) emptyVault(ctx context.Context) error {
	lab := s.project.site
	if err := process.Stop(lab, "vault"); err != nil {
		return err
	}
	if err := os.RemoveAll(lab.Path("data", "vault")); err != nil {
		return err
	}
	return startVault(ctx, s.project)
}
