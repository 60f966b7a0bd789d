package main

import (
	"fmt"
	"sync"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"platform/lab/plugins/provider"
)

// definitions are the kinds that the charts of a run define: a preview shows
// objects of kinds that the cluster is yet to learn.
type definitions struct {
	mu sync.Mutex
	// unread are the charts that nobody has looked into yet, by name and version:
	// what kinds one defines does not differ between its releases.
	unread map[string]func() (string, error)
	read   map[string]bool
	scopes map[schema.GroupKind]apiextensionsv1.ResourceScope
}

// add notes a release. Its chart is rendered only when a kind is looked for.
func (d *definitions) add(loaded *chart.Chart, in provider.Values, values map[string]any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := loaded.Name() + " " + loaded.Metadata.Version
	if d.read[name] || d.unread[name] != nil {
		return
	}
	if d.unread == nil {
		d.unread, d.read = map[string]func() (string, error){}, map[string]bool{}
	}
	d.unread[name] = func() (string, error) { return render(loaded, in, values) }
}

// render gives the objects of a release, with those of its chart's folder crds.
func render(loaded *chart.Chart, in provider.Values, values map[string]any) (string, error) {
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ClientOnly, install.DryRun, install.IncludeCRDs = true, true, !in.Bool("skipCrds")
	install.ReleaseName, install.Namespace = in.String("name"), in.String("namespace")
	install.KubeVersion = &chartutil.DefaultCapabilities.KubeVersion
	rendered, err := install.Run(loaded, values)
	if err != nil {
		return "", fmt.Errorf("rendering release %s: %w", install.ReleaseName, err)
	}
	return rendered.Manifest, nil
}

// scope of a kind that a release of the run defines; "" where none does.
func (d *definitions) scope(kind schema.GroupKind) apiextensionsv1.ResourceScope {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.scopes == nil {
		d.scopes = map[schema.GroupKind]apiextensionsv1.ResourceScope{}
	}
	for name, manifest := range d.unread {
		delete(d.unread, name)
		d.read[name] = true
		text, err := manifest()
		if err != nil {
			continue // the release itself will tell
		}
		objects, err := objectsOf(text)
		if err != nil {
			continue
		}
		for _, object := range objects {
			if !isDefinition(object) {
				continue
			}
			if defined, err := into[apiextensionsv1.CustomResourceDefinition](object.Object); err == nil {
				d.scopes[schema.GroupKind{Group: defined.Spec.Group, Kind: defined.Spec.Names.Kind}] = defined.Spec.Scope
			}
		}
	}
	return d.scopes[kind]
}
