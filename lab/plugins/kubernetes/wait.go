package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// check says what a live object still lacks, "" when it is ready; an error says
// that it never will be.
type check func(ctx context.Context, live *unstructured.Unstructured) (missing string, err error)

// rule says how a kind is waited for, as the real plugin does
// (provider/pkg/await/awaiters.go of github.com/pulumi/pulumi-kubernetes).
type rule struct {
	// check of the object; check of a Service looks at other objects as well, and
	// must hold for a while when one is made or changed.
	check func(c *cluster, settle time.Duration) check
	// limit is the longest wait, whatever the program says; 0 for none.
	limit time.Duration
	// onRead: a refresh warns of an object that is not ready.
	onRead bool
}

// rules by kind. What is not in the table is ready once it is there.
var rules = map[schema.GroupKind]rule{
	{Group: "apps", Kind: "Deployment"}:  {check: alone(deploymentReady), onRead: true},
	{Group: "apps", Kind: "StatefulSet"}: {check: alone(statefulSetReady), onRead: true},
	{Group: "batch", Kind: "Job"}:        {check: alone(jobComplete), onRead: true},
	{Kind: "ResourceQuota"}:              {check: alone(quotaCounted)},
	{Kind: "Secret"}:                     {check: alone(tokenIssued), limit: 5 * time.Second},
	{Kind: "Service"}:                    {check: (*cluster).serviceReady, onRead: true},
}

// unwaited are the kinds that the real plugin waits for and the lab's does not
// know how to.
var unwaited = map[schema.GroupKind]bool{
	{Kind: "PersistentVolume"}:                    true,
	{Kind: "PersistentVolumeClaim"}:               true,
	{Kind: "Pod"}:                                 true,
	{Kind: "ReplicationController"}:               true,
	{Group: "apps", Kind: "DaemonSet"}:            true,
	{Group: "networking.k8s.io", Kind: "Ingress"}: true,
}

// alone is the check of a kind that is told by the object itself.
func alone(ready func(object map[string]any) (string, error)) func(*cluster, time.Duration) check {
	return func(*cluster, time.Duration) check {
		return func(_ context.Context, live *unstructured.Unstructured) (string, error) { return ready(live.Object) }
	}
}

// awaited is the check of an object that was made or changed, and how long it may
// take; no check where it is not waited for.
func (c *cluster) awaited(live *unstructured.Unstructured, within time.Duration) (check, time.Duration, error) {
	annotations := live.GetAnnotations()
	if annotations[skipAwait] == "true" {
		return nil, 0, nil
	}
	if expressions := annotations[waitFor]; expressions != "" {
		check, err := parseWaitFor(expressions)
		return check, within, err
	}
	rule, known := rules[live.GroupVersionKind().GroupKind()]
	if !known {
		return nil, 0, nil
	}
	if rule.limit > 0 {
		within = rule.limit
	}
	return rule.check(c, c.pace.settle), within, nil
}

// wait waits until an object is ready, and gives it as it is then, or as it was
// seen last.
func (c *cluster) wait(ctx context.Context, live *unstructured.Unstructured, within time.Duration) (*unstructured.Unstructured, error) {
	ready, within, err := c.awaited(live, within)
	if ready == nil || err != nil {
		return live, err
	}
	title := fmt.Sprintf("%s %s", live.GetKind(), idOf(live))
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		missing, err := ready(waiting, live)
		if err != nil {
			return live, fmt.Errorf("%s: %w", title, err)
		}
		if missing == "" {
			return live, nil
		}
		select {
		case <-waiting.Done():
			if ctx.Err() != nil {
				return live, fmt.Errorf("interrupted before %s was ready: %s: %w", title, missing, ctx.Err())
			}
			return live, fmt.Errorf("%s is not ready after %s: %s", title, within, missing)
		case <-time.After(c.pace.look):
		}
		now, err := c.get(waiting, live.GroupVersionKind(), live.GetNamespace(), live.GetName())
		switch {
		case err == nil:
			live = now
		case gone(err):
			return live, fmt.Errorf("%s was deleted while it was waited for: %w", title, err)
		}
		// Any other error passes or lasts until the timeout: the object stands.
	}
}

// healthy says what is wrong with an object that a refresh finds.
func (c *cluster) healthy(ctx context.Context, live *unstructured.Unstructured) error {
	rule := rules[live.GroupVersionKind().GroupKind()]
	if !rule.onRead {
		return nil
	}
	title := fmt.Sprintf("%s %s", live.GetKind(), idOf(live))
	missing, err := rule.check(c, 0)(ctx, live)
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	if missing != "" {
		return fmt.Errorf("%s is not ready: %s", title, missing)
	}
	return nil
}
