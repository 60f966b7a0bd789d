package main

import (
	"context"
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
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"platform/lab/plugins/provider"
)

// cluster is a connection to a cluster, made when it is first used.
type cluster struct {
	kubeconfig, context string
	// upsert: an object that is there already is taken over.
	upsert bool
	// force: an apply takes fields from their owners.
	force bool
	// pace of what is asked again and again.
	pace pace

	once    sync.Once
	err     error
	client  dynamic.Interface
	api     discovery.DiscoveryInterface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	asking  sync.Once
	answers error
	// mapping serialises discovery, which is not safe to reset while used.
	mapping sync.Mutex
}

// pace says how long to pause: between two looks at an object, before the first
// retry of a create, and until the endpoints of a Service count as settled.
type pace struct{ look, retry, settle time.Duration }

var usualPace = pace{look: 500 * time.Millisecond, retry: time.Second, settle: 10 * time.Second}

func newCluster(config provider.Values, pace pace) *cluster {
	return &cluster{
		kubeconfig: config.String("kubeconfig"), context: config.String("context"),
		upsert: isTrue(config["upsertExistingObjects"]), force: isTrue(config["enablePatchForce"]), pace: pace,
	}
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
		if c.api, c.err = discovery.NewDiscoveryClientForConfig(config); c.err != nil {
			return
		}
		c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.api))
	})
	return c.err
}

// reachTimeout is how long a preview waits for an API server that may not be
// there yet.
const reachTimeout = 15 * time.Second

// reachable asks the API server once a run. A preview of a cluster that does not
// answer shows the inputs as they are.
func (c *cluster) reachable(ctx context.Context) error {
	c.asking.Do(func() {
		if c.answers = c.connect(); c.answers != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reachTimeout)
		defer cancel()
		c.answers = c.explain(c.api.RESTClient().Get().AbsPath("/version").Do(ctx).Error())
	})
	return c.answers
}

// loader reads the kubeconfig, which is a path or the text itself, for a
// namespace or, with none, for that of the kubeconfig's context. Text holds
// credentials and is never written to a file.
func (c *cluster) loader(namespace string) (clientcmd.ClientConfig, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.context}
	overrides.Context.Namespace = namespace
	if c.isText() {
		config, err := clientcmd.Load([]byte(c.kubeconfig))
		if err != nil {
			return nil, errors.New("reading the kubeconfig: its text is not a kubeconfig")
		}
		return clientcmd.NewDefaultClientConfig(*config, overrides), nil
	}
	path := c.path()
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the cluster cannot be reached: there is no kubeconfig %s", c.kubeconfig)
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, overrides), nil
}

func (c *cluster) restConfig() (*rest.Config, error) {
	loader, err := c.loader("")
	if err != nil {
		return nil, err
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 50, 120
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// defaultNamespace is the one of the kubeconfig's context.
func (c *cluster) defaultNamespace() string {
	loader, err := c.loader("")
	if err != nil {
		return metav1.NamespaceDefault
	}
	namespace, _, err := loader.Namespace()
	if err != nil || namespace == "" {
		return metav1.NamespaceDefault
	}
	return namespace
}

// isText tells a kubeconfig's text, YAML or JSON, from its path. Text holds
// credentials: it is in no message.
func (c *cluster) isText() bool {
	return strings.Contains(c.kubeconfig, "\n") || strings.HasPrefix(strings.TrimSpace(c.kubeconfig), "{")
}

func (c *cluster) path() string {
	if rest, ok := strings.CutPrefix(c.kubeconfig, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return c.kubeconfig
}

// mappingOf finds a kind in what the API server serves, as it was when it was
// last asked.
func (c *cluster) mappingOf(kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	c.mapping.Lock()
	defer c.mapping.Unlock()
	return c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
}

// rediscover forgets what the API server serves: kinds have come or gone.
func (c *cluster) rediscover() {
	if c.connect() != nil {
		return // there is nothing to forget
	}
	c.mapping.Lock()
	defer c.mapping.Unlock()
	c.mapper.Reset()
}

// exists says whether the cluster answers and serves a kind.
func (c *cluster) exists(ctx context.Context, kind schema.GroupVersionKind) bool {
	if c.reachable(ctx) != nil {
		return false
	}
	_, err := c.mappingOf(kind)
	return err == nil
}

// resource gives the client of a kind. A kind that is not known may have come
// since: discovery is asked again.
func (c *cluster) resource(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := c.mappingOf(kind)
	if meta.IsNoMatchError(err) {
		c.rediscover()
		mapping, err = c.mappingOf(kind)
	}
	if err != nil {
		return nil, c.explain(err)
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return c.client.Resource(mapping.Resource), nil
	}
	if namespace == "" {
		namespace = c.defaultNamespace()
	}
	return c.client.Resource(mapping.Resource).Namespace(namespace), nil
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
