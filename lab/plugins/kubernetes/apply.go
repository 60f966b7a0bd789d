package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"
)

// creator owns the fields of objects that were created and not applied.
const creator = "pulumi-kubernetes"

// formerManagers are those whose fields the plugin takes over with its first
// update: its own creates, and kubectl.
var formerManagers = sets.New("kubectl", "before-first-apply", creator)

// writing is how an object is written: under which manager's name, and whether
// for show only.
type writing struct {
	manager string
	dryRun  bool
}

func (w writing) dry() []string {
	if w.dryRun {
		return []string{metav1.DryRunAll}
	}
	return nil
}

// createTries is how often a create is tried when its namespace or its kind is
// missing: both may be on their way.
const createTries = 6

// create creates an object, or applies it where the cluster is one to upsert, and
// gives the live one.
func (c *cluster) create(ctx context.Context, object *unstructured.Unstructured, w writing) (*unstructured.Unstructured, error) {
	pause := c.pace.retry
	for try := 1; ; try++ {
		live, err := c.createOnce(ctx, object, w)
		if err == nil {
			return live, nil
		}
		if try == createTries || !gone(err) || w.dryRun && missingNamespace(err) {
			return nil, c.explain(err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (c *cluster) createOnce(ctx context.Context, object *unstructured.Unstructured, w writing) (*unstructured.Unstructured, error) {
	client, err := c.resource(object.GroupVersionKind(), object.GetNamespace())
	if err != nil {
		return nil, err
	}
	if !c.upsert {
		return client.Create(ctx, object, metav1.CreateOptions{FieldManager: creator, DryRun: w.dry()})
	}
	live, err := c.patch(ctx, client, object, nil, w)
	if w.dryRun && apierrors.IsInvalid(err) && strings.Contains(err.Error(), validation.FieldImmutableErrorMsg) {
		// A replacement: what is there now will have gone by then.
		other := object.DeepCopy()
		other.SetName(object.GetName()[:min(len(object.GetName()), 58)] + "-next") // 63 characters at the most
		if live, err = c.patch(ctx, client, other, nil, w); err == nil {
			live.SetName(object.GetName())
		}
	}
	return live, err
}

// update applies an object that is there, and gives the live one. One that is
// gone is an error: a refresh takes it out of the state.
func (c *cluster) update(ctx context.Context, object *unstructured.Unstructured, w writing) (*unstructured.Unstructured, error) {
	client, err := c.resource(object.GroupVersionKind(), object.GetNamespace())
	if err != nil {
		return nil, err
	}
	live, err := client.Get(ctx, object.GetName(), metav1.GetOptions{})
	if err != nil {
		return nil, c.explain(err)
	}
	if isDefinition(object) {
		// A definition is replaced whole, as by kubectl replace.
		object.SetResourceVersion(live.GetResourceVersion())
		live, err = client.Update(ctx, object, metav1.UpdateOptions{FieldManager: w.manager, DryRun: w.dry()})
		return live, c.explain(err)
	}
	if !w.dryRun {
		if live, err = takeOver(ctx, client, live, w.manager); err != nil {
			return nil, c.explain(fmt.Errorf("taking over the fields of former managers: %w", err))
		}
	}
	live, err = c.patch(ctx, client, object, live, w)
	return live, c.explain(err)
}

func isDefinition(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind().GroupKind() == schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
}

// takeOver moves the fields of former managers to one that applies.
func takeOver(ctx context.Context, client dynamic.ResourceInterface, live *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	if len(live.GetManagedFields()) == 0 {
		return live, nil
	}
	moved, err := csaupgrade.UpgradeManagedFieldsPatch(live, formerManagers, manager)
	if err != nil || moved == nil {
		return live, err
	}
	return client.Patch(ctx, live.GetName(), types.JSONPatchType, moved, metav1.PatchOptions{})
}

// patch applies an object on the server.
func (c *cluster) patch(ctx context.Context, client dynamic.ResourceInterface, object, live *unstructured.Unstructured, w writing,
) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	force := c.force || forced(object, live, w.dryRun)
	options := metav1.PatchOptions{FieldManager: w.manager, Force: &force, DryRun: w.dry()}
	applied, err := client.Patch(ctx, object.GetName(), types.ApplyPatchType, data, options)
	if apierrors.IsConflict(err) {
		return nil, fmt.Errorf("the fields of manager %q are in conflict: %w; annotate the object with %s: \"true\" to take them over",
			w.manager, err, patchForce)
	}
	return applied, err
}

// forced says whether an apply takes fields from their owners.
func forced(object, live *unstructured.Unstructured, dryRun bool) bool {
	if object.GetAnnotations()[patchForce] == "true" {
		return true
	}
	if live == nil {
		return dryRun // a preview of a replacement
	}
	owners := live.GetManagedFields()
	if dryRun {
		for _, owner := range owners {
			// The run itself takes these over before.
			if owner.Operation == metav1.ManagedFieldsOperationUpdate && owner.Manager == creator {
				return true
			}
		}
	}
	return len(owners) == 0
}

func missingNamespace(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil &&
		status.Status().Details.Kind == "namespaces"
}

// unpreviewable says of a dry run's error that it tells nothing of the run to
// come: then the preview shows the inputs as they are.
func unpreviewable(err error) bool {
	var status apierrors.APIStatus
	noDryRun := errors.As(err, &status) && status.Status().Code == http.StatusBadRequest &&
		strings.Contains(status.Status().Message, "does not support dry run")
	return apierrors.IsForbidden(err) || apierrors.IsAlreadyExists(err) || missingNamespace(err) || noDryRun
}

// remove deletes an object, and waits until it is gone.
func (c *cluster) remove(ctx context.Context, kind schema.GroupVersionKind, namespace, name string, annotations map[string]string,
	within time.Duration,
) error {
	client, err := c.resource(kind, namespace)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	propagation := propagations[strings.ToLower(annotations[deletionPropagation])]
	if err := client.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &propagation}); err != nil {
		if gone(err) {
			return nil
		}
		return c.explain(err)
	}
	if annotations[skipAwait] == "true" && leftAlone[kind.GroupKind()] {
		return nil
	}
	return c.untilGone(ctx, client, kind.Kind+" "+name, name, within)
}

// leftAlone are the kinds whose end is not waited for with skipAwait.
var leftAlone = map[schema.GroupKind]bool{
	{Kind: "Namespace"}:                  true,
	{Kind: "Pod"}:                        true,
	{Kind: "ReplicationController"}:      true,
	{Group: "apps", Kind: "DaemonSet"}:   true,
	{Group: "apps", Kind: "Deployment"}:  true,
	{Group: "apps", Kind: "StatefulSet"}: true,
	{Group: "batch", Kind: "Job"}:        true,
}

// untilGone waits for the end of an object. An API server that does not answer
// for a moment is asked again.
func (c *cluster) untilGone(ctx context.Context, client dynamic.ResourceInterface, title, name string, within time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last error
	for {
		live, err := client.Get(waiting, name, metav1.GetOptions{})
		switch {
		case gone(err):
			return nil
		case waiting.Err() != nil: // the error is the timeout's
		case err != nil:
			last = err
		default:
			last = fmt.Errorf("its finalizers are %v", live.GetFinalizers())
		}
		select {
		case <-waiting.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted before %s was gone: %w", title, ctx.Err())
			}
			return fmt.Errorf("%s is not gone after %s: %w", title, within, last)
		case <-time.After(c.pace.look):
		}
	}
}

// noKind says of an error that the API server does not serve a kind, and what to
// do about it.
func noKind(kind schema.GroupVersionKind, err error) error {
	if !meta.IsNoMatchError(err) {
		return err
	}
	return fmt.Errorf("the API server does not serve %s %s; check that its CustomResourceDefinition was created: %w",
		kind.GroupVersion(), kind.Kind, err)
}
