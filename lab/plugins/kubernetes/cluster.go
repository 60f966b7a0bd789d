package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// fieldManager is the name under which the plugin owns fields.
const fieldManager = "pulumi-kubernetes"

// cluster is a connection to a cluster, made when it is first used.
type cluster struct {
	kubeconfig, context string
	// upsert: an object that is there already is taken over.
	upsert bool

	once     sync.Once
	err      error
	client   dynamic.Interface
	mapper   *restmapper.DeferredDiscoveryRESTMapper
	writing  sync.Once
	temp     string
	writeErr error
	// mapping serialises discovery, which is not safe to reset while used.
	mapping sync.Mutex
}

func newCluster(kubeconfig, context string, upsert bool) *cluster {
	return &cluster{kubeconfig: kubeconfig, context: context, upsert: upsert}
}

func (c *cluster) connect() error {
	c.once.Do(func() {
		config, err := c.restConfig()
		if err != nil {
			c.err = err
			return
		}
		if c.client, c.err = dynamic.NewForConfig(config); c.err != nil {
			return
		}
		d, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			c.err = err
			return
		}
		c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))
	})
	return c.err
}

// restConfig reads the kubeconfig, which is a path or the text itself.
func (c *cluster) restConfig() (*rest.Config, error) {
	path, err := c.file()
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, &clientcmd.ConfigOverrides{CurrentContext: c.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 50, 120
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// file is the kubeconfig as a file: its path, or its text in a file of this
// process alone.
func (c *cluster) file() (string, error) {
	if !c.isText() {
		path := c.path()
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("the cluster cannot be reached: there is no kubeconfig %s", c.kubeconfig)
		}
		return path, nil
	}
	c.writing.Do(func() {
		f, err := os.CreateTemp("", "kubeconfig-")
		if err != nil {
			c.writeErr = err
			return
		}
		c.temp = f.Name()
		_, err = f.WriteString(c.kubeconfig)
		c.writeErr = errors.Join(err, f.Close())
	})
	return c.temp, c.writeErr
}

// isText tells a kubeconfig's text, YAML or JSON, from its path. Text holds
// credentials: it is in no message.
func (c *cluster) isText() bool {
	return strings.Contains(c.kubeconfig, "\n") || strings.HasPrefix(strings.TrimSpace(c.kubeconfig), "{")
}

// close removes what file wrote.
func (c *cluster) close() error {
	if c.temp == "" {
		return nil
	}
	return os.Remove(c.temp)
}

func (c *cluster) path() string {
	if rest, ok := strings.CutPrefix(c.kubeconfig, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return c.kubeconfig
}

// resource gives the client of a kind. A kind that is not known may have come
// since: discovery is asked again.
func (c *cluster) resource(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	c.mapping.Lock()
	defer c.mapping.Unlock()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, c.explain(err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if namespace == "" {
			namespace = metav1.NamespaceDefault
		}
		return c.client.Resource(mapping.Resource).Namespace(namespace), nil
	}
	return c.client.Resource(mapping.Resource), nil
}

// explain makes one line of a cluster that does not answer.
func (c *cluster) explain(err error) error {
	var status apierrors.APIStatus
	if err == nil || meta.IsNoMatchError(err) || errors.As(err, &status) || errors.Is(err, context.Canceled) {
		return err
	}
	name := "given as text"
	if !c.isText() {
		name = c.kubeconfig
	}
	return fmt.Errorf("the cluster cannot be reached (kubeconfig %s): %w; check that it runs and that the kubeconfig is its own", name, err)
}

// createRetries is how often a create is tried when its namespace or its kind
// is missing: both may be on their way.
const createRetries = 5

// apply creates or updates an object and gives the live one.
func (c *cluster) apply(ctx context.Context, object *unstructured.Unstructured, create bool) (*unstructured.Unstructured, error) {
	for attempt := 1; ; attempt++ {
		live, err := c.applyOnce(ctx, object, create)
		if err == nil {
			return live, nil
		}
		if !create || attempt > createRetries || !(apierrors.IsNotFound(err) || meta.IsNoMatchError(err)) {
			return nil, c.explain(err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(attempt) * time.Second):
		}
	}
}

func (c *cluster) applyOnce(ctx context.Context, object *unstructured.Unstructured, create bool) (*unstructured.Unstructured, error) {
	client, err := c.resource(object.GroupVersionKind(), object.GetNamespace())
	if err != nil {
		return nil, err
	}
	if create && !c.upsert {
		return client.Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
	}
	if !create {
		// An object that is gone is an error: a refresh takes it out of the state.
		if _, err := client.Get(ctx, object.GetName(), metav1.GetOptions{}); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return client.Patch(ctx, object.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: fieldManager})
}

func (c *cluster) get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	client, err := c.resource(kind, namespace)
	if err != nil {
		return nil, err
	}
	live, err := client.Get(ctx, name, metav1.GetOptions{})
	return live, c.explain(err)
}

// gone says whether an error means that an object, or its kind, is not there.
func gone(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// remove deletes an object with what it owns, and waits until it is gone.
func (c *cluster) remove(ctx context.Context, kind schema.GroupVersionKind, namespace, name string, within time.Duration) error {
	client, err := c.resource(kind, namespace)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	err = client.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &foreground})
	if err != nil {
		if gone(err) {
			return nil
		}
		return c.explain(err)
	}
	deadline := time.Now().Add(within)
	for {
		live, err := client.Get(ctx, name, metav1.GetOptions{})
		if gone(err) {
			return nil
		}
		if err != nil {
			return c.explain(err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s %s is not gone after %s; its finalizers are %v", kind.Kind, name, within, live.GetFinalizers())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// timeout is a request's, in seconds, or ten minutes.
func timeout(seconds float64) time.Duration {
	if seconds <= 0 {
		return 10 * time.Minute
	}
	return time.Duration(seconds * float64(time.Second))
}
