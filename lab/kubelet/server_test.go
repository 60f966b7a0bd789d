package kubelet

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/itchyny/gojq"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serverPod is a pod of a server that is ready when its container has a file
// /tmp/ready, in no volume, and alive as long as there is none called dead.
func serverPod(script string) *corev1.Pod {
	pod := jobPod(script)
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "server"}}
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	pod.Spec.Volumes = []corev1.Volume{volume("work", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})}
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = []corev1.VolumeMount{{Name: "work", MountPath: "/work"}}
	shell := func(command string) *corev1.Probe {
		return &corev1.Probe{
			PeriodSeconds: 1, FailureThreshold: 1, TimeoutSeconds: 10,
			ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/bin/sh", "-c", command}}},
		}
	}
	c.ReadinessProbe, c.LivenessProbe = shell("test -e /tmp/ready"), shell("test ! -e /work/dead")
	return pod
}

func isReady(status corev1.PodStatus) bool {
	for _, c := range status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func TestServerIsProbedAndRestarted(t *testing.T) {
	k, api := newKubelet(t)
	// The first time it dies of its liveness probe, the second time by itself.
	pod := serverPod(`echo started; touch /tmp/ready; count=$(cat /work/count 2>/dev/null); echo "x$count" > /work/count
		rm -f /work/dead
		case "$count" in
		"") sleep 3; touch /work/dead; sleep 600;;
		x) sleep 1; exit 0;;
		*) sleep 600;;
		esac`)
	api.put(podPath(pod), pod)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { k.runPod(ctx, pod); close(ended) }()
	wasReady := false
	eventually(t, "two restarts, ready in between", func() bool {
		statuses := api.written()
		for _, s := range statuses {
			wasReady = wasReady || isReady(s)
		}
		last := statuses[max(0, len(statuses)-1):]
		return len(last) > 0 && wasReady && last[0].ContainerStatuses[0].RestartCount == 2 && isReady(last[0])
	})
	cancel()
	<-ended
	statuses := api.written()
	if first := statuses[0]; isReady(first) || first.Phase != corev1.PodPending {
		t.Errorf("the first status: %+v", first)
	}
	last := statuses[len(statuses)-1]
	if last.Phase != corev1.PodRunning || last.PodIP == "" {
		t.Errorf("the last status: %+v", last)
	}
}

// TestSelectorIsOurs: KWOK and the process kubelet part the pods between them.
func TestSelectorIsOurs(t *testing.T) {
	k := &Kubelet{Images: []Image{
		{Repository: "quay.io/example/server"}, {Repository: "example/tool", JobsOnly: true}, {Repository: "example/toolbox", ExecOnly: true},
		{Repository: "example/here", Container: jobPod("").Spec.Containers[0].Name}, {Repository: "example/there", Container: "there"},
	}}
	for image, want := range map[string]bool{"example/here:1": true, "example/there:1": false} {
		pod := jobPod("")
		pod.Spec.Containers[0].Image = image
		if k.ours(pod) != want {
			t.Errorf("image %s runs: %v", image, !want)
		}
	}
	for _, images := range [][]Image{k.Images, k.Images[1:]} {
		k.Images = images
		query, err := gojq.Parse(Selector(images))
		if err != nil {
			t.Fatalf("%v: %s", err, Selector(images))
		}
		for _, owner := range []string{"Job", "ReplicaSet", ""} {
			for _, image := range []string{
				"quay.io/example/server:v1", "quay.io/example/server@sha256:00", "quay.io/example/server", "quay.io/example/server-more:v1",
				"quayXio/example/server:v1", "x/quay.io/example/server:v1", "example/tool:1", "example/toolbox:1", "example/other:1",
				"example/here:1", "example/there:1",
			} {
				pod := jobPod("")
				pod.OwnerReferences = nil
				if owner != "" {
					pod.OwnerReferences = []metav1.OwnerReference{{Kind: owner}}
				}
				pod.Spec.Containers[0].Image = image
				if got, want := selected(t, query, pod), k.ours(pod); got != want {
					t.Errorf("owner %q, image %s: KWOK leaves the pod alone: %v, the kubelet runs it: %v", owner, image, got, want)
				}
			}
		}
	}
}

func selected(t *testing.T, query *gojq.Query, pod *corev1.Pod) bool {
	t.Helper()
	data, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	var object any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	answer, _ := query.Run(object).Next()
	is, ok := answer.(bool)
	if !ok {
		t.Fatalf("the answer is %v", answer)
	}
	return is
}
