package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"platform/lab/plugins/provider"
)

// checkObject names what has no name, and puts into its namespace what has none.
func (k *kubernetes) checkObject(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	kind, err := kindOf(string(req.Type), req.News)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	in := req.News.Copy()
	if said := in["kind"]; said.IsString() && said.StringValue() != kind.Kind {
		return plugin.CheckResponse{}, fmt.Errorf("the lab's plugin kubernetes does not know the type %s of a %s", req.Type, said.StringValue())
	}
	if in["metadata"].IsComputed() {
		return plugin.CheckResponse{Properties: markSecret(in)}, nil
	}
	meta := resource.PropertyMap{}
	if in["metadata"].IsObject() {
		meta = in["metadata"].ObjectValue().Copy()
	}
	if meta.HasValue("generateName") {
		return plugin.CheckResponse{}, fmt.Errorf("%s: metadata.generateName cannot be applied on the server", req.URN.Name())
	}
	if err := autoname(meta, req); err != nil {
		return plugin.CheckResponse{}, err
	}
	if namespace := meta["namespace"]; !meta.HasValue("namespace") || namespace.IsString() && namespace.StringValue() == "" {
		delete(meta, "namespace")
		if k.namespaced(ctx, kind) {
			meta["namespace"] = resource.NewProperty(k.defaultNamespace())
		}
	}
	in["metadata"] = resource.NewProperty(meta)
	annotations := annotationsOf(in)
	failures := checkAnnotations(annotations)
	if unwaited[kind.GroupKind()] && annotations[skipAwait] != "true" {
		failures = append(failures, plugin.CheckFailure{Property: "kind", Reason: fmt.Sprintf(
			"the lab's plugin kubernetes does not know when a %s is ready; annotate it with %s: \"true\"", kind.Kind, skipAwait)})
	}
	return plugin.CheckResponse{Properties: markSecret(in), Failures: failures}, nil
}

// autoname gives metadata without a name the old generated one, or a new one.
func autoname(meta resource.PropertyMap, req plugin.CheckRequest) error {
	if meta.HasValue("name") {
		return nil
	}
	if annotationsOf(req.Olds)[autonamed] == "true" {
		meta["name"] = req.Olds["metadata"].ObjectValue()["name"]
	} else {
		name, err := resource.NewUniqueName(req.RandomSeed, req.URN.Name()+"-", 8, 0, nil)
		if err != nil {
			return fmt.Errorf("naming %s: %w", req.URN.Name(), err)
		}
		meta["name"] = resource.NewProperty(name)
	}
	annotations := resource.PropertyMap{}
	if given := meta["annotations"]; given.IsObject() {
		annotations = given.ObjectValue().Copy()
	} else if given.IsComputed() {
		return nil
	}
	annotations[autonamed] = resource.NewProperty("true")
	meta["annotations"] = resource.NewProperty(annotations)
	return nil
}

// annotationsOf are the annotations that are known.
func annotationsOf(object resource.PropertyMap) map[string]string {
	meta, _ := provider.Plain(object)["metadata"].(map[string]any)
	given, _ := meta["annotations"].(map[string]any)
	annotations := map[string]string{}
	for key, value := range given {
		if text, ok := value.(string); ok {
			annotations[key] = text
		}
	}
	return annotations
}

func (k *kubernetes) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	old, in := provider.Plain(req.OldInputs), provider.Plain(req.NewInputs)
	changed := differences("", map[string]any(old), map[string]any(in))
	sameName := reflect.DeepEqual(nameOf(old), nameOf(in))
	if sameName {
		// No namespace is the same as the one called default.
		changed = slices.DeleteFunc(changed, func(path string) bool { return path == "metadata.namespace" })
	}
	if len(changed) == 0 {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	result := plugin.DiffResult{Changes: plugin.DiffSome, DetailedDiff: map[string]plugin.PropertyDiff{}}
	for _, path := range changed {
		d := plugin.PropertyDiff{Kind: plugin.DiffUpdate, InputDiff: true}
		top := resource.PropertyKey(strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' })[0])
		result.ChangedKeys = append(result.ChangedKeys, top)
		if replaces(string(req.Type), path) {
			d = d.ToReplace()
			result.ReplaceKeys = append(result.ReplaceKeys, top)
		}
		result.DetailedDiff[path] = d
	}
	// An object of the same name must go before the new one can come.
	result.DeleteBeforeReplace = len(result.ReplaceKeys) > 0 && req.Type != releaseType && sameName &&
		annotationsOf(req.NewInputs)[autonamed] != "true"
	return result, nil
}

// nameOf is an object's namespace and name; one that is unknown is no other's.
func nameOf(object provider.Values) [2]any {
	meta, _ := object["metadata"].(map[string]any)
	if namespace := meta["namespace"]; namespace == nil || namespace == "" {
		return [2]any{"default", meta["name"]}
	}
	return [2]any{meta["namespace"], meta["name"]}
}

// previewCreate shows what the API server would make of an object, where it can
// tell already.
func (k *kubernetes) previewCreate(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	asIs := plugin.CreateResponse{Properties: req.Properties}
	object := objectOf(req.Properties)
	if provider.HoldsUnknown(object.Object) || !k.exists(ctx, object.GroupVersionKind()) {
		return asIs, nil
	}
	w := writing{manager: newManager(), dryRun: true}
	shown, err := k.create(ctx, object, w)
	if unpreviewable(err) {
		return asIs, nil
	}
	if err != nil {
		return plugin.CreateResponse{}, fmt.Errorf("previewing %s %s: %w", object.GetKind(), idOf(object), err)
	}
	// A program must not take a status for the one to come.
	unstructured.RemoveNestedField(shown.Object, "status")
	return plugin.CreateResponse{Properties: stateOf(shown, req.Properties, w.manager)}, nil
}

func (k *kubernetes) createObject(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	object, manager := objectOf(req.Properties), newManager()
	live, err := k.create(ctx, object, writing{manager: manager})
	if err != nil {
		return plugin.CreateResponse{}, fmt.Errorf("creating %s %s: %w", object.GetKind(), idOf(object), noKind(object.GroupVersionKind(), err))
	}
	if isDefinition(object) {
		k.rediscover()
	}
	live, err = k.wait(ctx, live, timeout(req.Timeout, object.GetAnnotations()))
	id, state := idOf(live), stateOf(live, req.Properties, manager)
	if err != nil {
		return plugin.CreateResponse{}, provider.Partial(string(id), state, req.Properties, err)
	}
	return plugin.CreateResponse{ID: id, Properties: state}, nil
}

// previewUpdate shows what the API server would make of a change.
func (k *kubernetes) previewUpdate(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	asIs := plugin.UpdateResponse{Properties: req.NewInputs}
	object := objectOf(req.NewInputs)
	if provider.HoldsUnknown(object.Object) || !k.exists(ctx, object.GroupVersionKind()) {
		return asIs, nil
	}
	w := writing{manager: managerOf(req.OldOutputs), dryRun: true}
	shown, err := k.update(ctx, object, w)
	if unpreviewable(err) {
		return asIs, nil
	}
	if err != nil {
		return plugin.UpdateResponse{}, fmt.Errorf("previewing %s %s: %w", object.GetKind(), idOf(object), err)
	}
	return plugin.UpdateResponse{Properties: stateOf(shown, req.NewInputs, w.manager)}, nil
}

func (k *kubernetes) updateObject(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	object, manager := objectOf(req.NewInputs), managerOf(req.OldOutputs)
	live, err := k.update(ctx, object, writing{manager: manager})
	if err != nil {
		err = fmt.Errorf("updating %s %s: %w", object.GetKind(), req.ID, noKind(object.GroupVersionKind(), err))
		// The inputs are in the state all the same, and the next run tries again.
		namespace, name := splitID(string(req.ID))
		live, getErr := k.get(ctx, object.GroupVersionKind(), namespace, name)
		if getErr != nil {
			return plugin.UpdateResponse{}, err
		}
		return plugin.UpdateResponse{}, provider.Partial(string(req.ID), stateOf(live, req.NewInputs, manager), req.NewInputs, err)
	}
	live, err = k.wait(ctx, live, timeout(req.Timeout, object.GetAnnotations()))
	state := stateOf(live, req.NewInputs, manager)
	if err != nil {
		return plugin.UpdateResponse{}, provider.Partial(string(req.ID), state, req.NewInputs, err)
	}
	return plugin.UpdateResponse{Properties: state}, nil
}

// readObject reads an object. Of a refresh one that is not ready is a partial
// error, which the engine shows as a warning; of an import it is none.
func (k *kubernetes) readObject(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	kind, err := kindOf(string(req.Type), req.Inputs)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	namespace, name := splitID(string(req.ID))
	live, err := k.get(ctx, kind, namespace, name)
	if gone(err) {
		return plugin.ReadResponse{}, nil
	}
	if err != nil {
		return plugin.ReadResponse{}, fmt.Errorf("reading %s %s: %w", kind.Kind, req.ID, err)
	}
	inputs := readInputs(live, req.Inputs)
	state := stateOf(live, inputs, managerOf(req.State))
	if len(req.Inputs) > 0 && annotationsOf(req.Inputs)[skipAwait] != "true" {
		if err := k.healthy(ctx, live); err != nil {
			return plugin.ReadResponse{}, provider.Partial(string(req.ID), state, inputs, err)
		}
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: state}}, nil
}

func (k *kubernetes) deleteObject(ctx context.Context, req plugin.DeleteRequest) error {
	kind, err := kindOf(string(req.Type), req.Outputs)
	if err != nil {
		return err
	}
	annotations := annotationsOf(req.Inputs)
	namespace, name := splitID(string(req.ID))
	return k.remove(ctx, kind, namespace, name, annotations, timeout(req.Timeout, annotations))
}

// kindOf is the kind of a resource by its type token, kubernetes:<group>/<version>:<Kind>.
// The API version in the object wins: in a token the group "core" stands for none.
func kindOf(token string, object resource.PropertyMap) (schema.GroupVersionKind, error) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return schema.GroupVersionKind{}, fmt.Errorf("%s is not a type of Kubernetes", token)
	}
	version := strings.TrimPrefix(parts[1], "core/")
	if v := object["apiVersion"]; v.IsString() {
		version = v.StringValue()
	}
	group, err := schema.ParseGroupVersion(version)
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("type %s: %w", token, err)
	}
	return group.WithKind(parts[2]), nil
}

func idOf(object *unstructured.Unstructured) resource.ID {
	if object.GetNamespace() == "" {
		return resource.ID(object.GetName())
	}
	return resource.ID(object.GetNamespace() + "/" + object.GetName())
}

func splitID(id string) (namespace, name string) {
	if namespace, name, ok := strings.Cut(id, "/"); ok {
		return namespace, name
	}
	return "", id
}
