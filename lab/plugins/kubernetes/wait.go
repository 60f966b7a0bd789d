package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"platform/lab/plugins/provider"
)

// errFailed ends a wait that cannot end well.
var errFailed = errors.New("it failed")

// waited waits until an object is ready, and gives its id. One that does not
// become ready is in the state all the same, and the next run waits again.
func (k *kubernetes) waited(ctx context.Context, live *unstructured.Unstructured, inputs resource.PropertyMap, seconds float64,
) (resource.ID, error) {
	id := idOf(live)
	ready, known := waits[live.GroupVersionKind().GroupKind().String()]
	if !known || live.GetAnnotations()["pulumi.com/skipAwait"] == "true" {
		return id, nil
	}
	deadline := time.Now().Add(timeout(seconds))
	for {
		why, err := ready(live.Object)
		if err == nil && why == "" {
			return id, nil
		}
		if err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%s %s is not ready after %s: %s", live.GetKind(), id, timeout(seconds), why)
		}
		if err != nil {
			return id, provider.Partial(string(id), stateOf(live, inputs), inputs, err)
		}
		select {
		case <-ctx.Done():
			return id, provider.Partial(string(id), stateOf(live, inputs), inputs, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
		now, err := k.get(ctx, live.GroupVersionKind(), live.GetNamespace(), live.GetName())
		if err != nil {
			return id, provider.Partial(string(id), stateOf(live, inputs), inputs, err)
		}
		live = now
	}
}

// waits say of the kinds that take time what is still missing; an error ends
// the wait.
var waits = map[string]func(object map[string]any) (missing string, err error){
	"Deployment.apps":  deploymentReady,
	"StatefulSet.apps": statefulSetReady,
	"Job.batch":        jobComplete,
	"ResourceQuota":    quotaCounted,
}

func into[T any](object map[string]any) (T, error) {
	var typed T
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &typed)
	return typed, err
}

func deploymentReady(object map[string]any) (string, error) {
	d, err := into[appsv1.Deployment](object)
	if err != nil {
		return "", err
	}
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < want || d.Status.AvailableReplicas < want {
		return fmt.Sprintf("%d of %d replicas are available", d.Status.AvailableReplicas, want), nil
	}
	return "", nil
}

func statefulSetReady(object map[string]any) (string, error) {
	s, err := into[appsv1.StatefulSet](object)
	if err != nil {
		return "", err
	}
	want := int32(1)
	if s.Spec.Replicas != nil {
		want = *s.Spec.Replicas
	}
	if s.Status.ObservedGeneration < s.Generation || s.Status.ReadyReplicas < want || s.Status.CurrentRevision != s.Status.UpdateRevision {
		return fmt.Sprintf("%d of %d replicas are ready", s.Status.ReadyReplicas, want), nil
	}
	return "", nil
}

func jobComplete(object map[string]any) (string, error) {
	j, err := into[batchv1.Job](object)
	if err != nil {
		return "", err
	}
	for _, c := range j.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return "", nil
		case batchv1.JobFailed:
			return "", fmt.Errorf("job %s: %w: %s: %s; see the logs of its pods", j.Name, errFailed, c.Reason, c.Message)
		}
	}
	return fmt.Sprintf("%d pods are active, %d failed", j.Status.Active, j.Status.Failed), nil
}

func quotaCounted(object map[string]any) (string, error) {
	q, err := into[corev1.ResourceQuota](object)
	if err != nil {
		return "", err
	}
	for name, hard := range q.Spec.Hard {
		if counted, ok := q.Status.Hard[name]; !ok || counted.Cmp(hard) != 0 {
			return "the quota is not counted yet", nil
		}
	}
	return "", nil
}
