package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// errFailed ends a wait that cannot end well.
var errFailed = errors.New("it failed")

func into[T any](object map[string]any) (T, error) {
	var typed T
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &typed)
	return typed, err
}

// wanted is a number of replicas, which is one where nobody says.
func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

// revisionKey counts the roll-outs of a Deployment; its controller sets it.
const revisionKey = "deployment.kubernetes.io/revision"

// deploymentReady: the controller has seen the object, its current pods are
// ready, and a change is rolled out wholly.
func deploymentReady(object map[string]any) (string, error) {
	d, err := into[appsv1.Deployment](object)
	if err != nil {
		return "", err
	}
	want, revision := wanted(d.Spec.Replicas), d.Annotations[revisionKey]
	holds := func(kind appsv1.DeploymentConditionType, reason string) bool {
		for _, c := range d.Status.Conditions {
			if c.Type == kind {
				return c.Status == corev1.ConditionTrue && (reason == "" || c.Reason == reason)
			}
		}
		return false
	}
	switch {
	case revision == "" || d.Status.ObservedGeneration < d.Generation:
		return "its controller has not seen it yet", nil
	case d.Status.UpdatedReplicas < want || d.Status.ReadyReplicas < want || !holds(appsv1.DeploymentAvailable, ""):
		return fmt.Sprintf("%d of %d replicas are available", d.Status.AvailableReplicas, want), nil
	case revision != "1" && !holds(appsv1.DeploymentProgressing, "NewReplicaSetAvailable"):
		return fmt.Sprintf("revision %s is not rolled out yet", revision), nil
	}
	return "", nil
}

// statefulSetReady: all pods are ready and of the current revision.
func statefulSetReady(object map[string]any) (string, error) {
	s, err := into[appsv1.StatefulSet](object)
	if err != nil {
		return "", err
	}
	want := wanted(s.Spec.Replicas)
	switch {
	case s.Status.ObservedGeneration < s.Generation:
		return "its controller has not seen it yet", nil
	case s.Status.Replicas != want || s.Status.ReadyReplicas != want:
		return fmt.Sprintf("%d of %d replicas are ready", s.Status.ReadyReplicas, want), nil
	case s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType && s.Generation > 1:
		return "", nil // a person replaces the pods
	case s.Status.CurrentReplicas != want || s.Status.CurrentRevision == "" || s.Status.CurrentRevision != s.Status.UpdateRevision:
		return fmt.Sprintf("%d of %d replicas are of the current revision", s.Status.CurrentReplicas, want), nil
	}
	return "", nil
}

// jobComplete: the Job has succeeded. One that has failed is not waited for.
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
			if j.Status.StartTime != nil {
				return "", nil
			}
		case batchv1.JobFailed:
			return "", fmt.Errorf("%w: %s: %s; see the logs of its pods", errFailed, c.Reason, c.Message)
		}
	}
	return fmt.Sprintf("%d pods are active, %d failed", j.Status.Active, j.Status.Failed), nil
}

// quotaCounted: the quota controller has taken over what the spec says.
func quotaCounted(object map[string]any) (string, error) {
	q, err := into[corev1.ResourceQuota](object)
	if err != nil {
		return "", err
	}
	if len(q.Spec.Hard) != len(q.Status.Hard) {
		return "the quota is not counted yet", nil
	}
	for name, hard := range q.Spec.Hard {
		if counted, ok := q.Status.Hard[name]; !ok || counted.Cmp(hard) != 0 {
			return "the quota is not counted yet", nil
		}
	}
	return "", nil
}

// tokenIssued: a Secret for the token of a service account holds it. Any other
// is ready at once.
func tokenIssued(object map[string]any) (string, error) {
	s, err := into[corev1.Secret](object)
	if err != nil {
		return "", err
	}
	if s.Type == corev1.SecretTypeServiceAccountToken && len(s.Data) == 0 {
		return "no token is issued yet", nil
	}
	return "", nil
}

// serviceReady: a load balancer has its address, and a Service that selects pods
// has endpoints of which none is waited for. None at all is enough: the pods may
// come after the Service. So that stragglers are seen, the endpoints must not have
// changed for a while.
func (c *cluster) serviceReady(settle time.Duration) check {
	var version string
	var since time.Time
	return func(ctx context.Context, live *unstructured.Unstructured) (string, error) {
		s, err := into[corev1.Service](live.Object)
		if err != nil {
			return "", err
		}
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(s.Status.LoadBalancer.Ingress) == 0 {
			return "the load balancer has no address yet", nil
		}
		if s.Spec.Type == corev1.ServiceTypeExternalName || s.Spec.ClusterIP == corev1.ClusterIPNone || len(s.Spec.Selector) == 0 {
			return "", nil
		}
		found, err := c.get(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Endpoints"}, s.Namespace, s.Name)
		if err != nil {
			return fmt.Sprintf("its endpoints cannot be read: %v", err), nil
		}
		e, err := into[corev1.Endpoints](found.Object) //nolint:staticcheck // what the real plugin looks at
		if err != nil {
			return "", err
		}
		if e.ResourceVersion != version {
			version, since = e.ResourceVersion, time.Now()
		}
		for _, subset := range e.Subsets {
			if len(subset.NotReadyAddresses) > 0 {
				return "some of its pods are not ready", nil
			}
		}
		if time.Since(since) < settle {
			return "its endpoints have not settled", nil
		}
		return "", nil
	}
}
