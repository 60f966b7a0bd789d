package kubelet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// runToEnd runs a pod and gives the last status it wrote.
func runToEnd(t *testing.T, k *Kubelet, api *api, pod *corev1.Pod) corev1.PodStatus {
	t.Helper()
	api.put(podPath(pod), pod)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	k.runPod(ctx, pod)
	statuses := api.written()
	if len(statuses) == 0 {
		t.Fatal("the pod has no status")
	}
	return statuses[len(statuses)-1]
}

func log(t *testing.T, k *Kubelet, container string) string {
	t.Helper()
	data, err := os.ReadFile(k.Site.Log("pods/dev-vault-job-x1-" + container))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func terminated(t *testing.T, status corev1.ContainerStatus) corev1.ContainerStateTerminated {
	t.Helper()
	if status.State.Terminated == nil {
		t.Fatalf("container %s has not ended: %+v", status.Name, status.State)
	}
	return *status.State.Terminated
}

func TestPodSucceeds(t *testing.T) {
	k, api := newKubelet(t)
	pod := jobPod("cat /scratch/made; echo and an error >&2")
	pod.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "example/shell:1", Args: []string{"echo from init > /scratch/made"}}}
	pod.Spec.Volumes = []corev1.Volume{volume("work", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})}
	mounts := []corev1.VolumeMount{{Name: "work", MountPath: "/scratch"}}
	pod.Spec.InitContainers[0].VolumeMounts, pod.Spec.Containers[0].VolumeMounts = mounts, mounts
	status := runToEnd(t, k, api, pod)
	if status.Phase != corev1.PodSucceeded {
		t.Errorf("phase %s", status.Phase)
	}
	for _, c := range append(status.InitContainerStatuses, status.ContainerStatuses...) {
		if end := terminated(t, c); end.ExitCode != 0 || end.Reason != "Completed" || c.RestartCount != 0 {
			t.Errorf("container %s: %+v", c.Name, c)
		}
	}
	if got := log(t, k, "main"); got != "from init\nand an error\n" {
		t.Errorf("the log is %q", got)
	}
	if first := api.written()[0]; first.Phase != corev1.PodPending || first.ContainerStatuses[0].State.Waiting == nil {
		t.Errorf("the first status: %+v", first)
	}
}

func TestPodFails(t *testing.T) {
	k, api := newKubelet(t)
	pod := jobPod("echo never")
	pod.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "example/shell:1", Args: []string{"exit 3"}}}
	status := runToEnd(t, k, api, pod)
	end := terminated(t, status.InitContainerStatuses[0])
	if status.Phase != corev1.PodFailed || end.ExitCode != 3 || end.Reason != "Error" {
		t.Errorf("phase %s, init ended with %+v", status.Phase, end)
	}
	if status.ContainerStatuses[0].State.Waiting == nil {
		t.Error("the container ran although its init container failed")
	}
}

func TestPodWithUnknownImageFails(t *testing.T) {
	k, api := newKubelet(t)
	pod := jobPod("")
	pod.Spec.Containers[0].Image = "example/other:1"
	status := runToEnd(t, k, api, pod)
	end := terminated(t, status.ContainerStatuses[0])
	if status.Phase != corev1.PodFailed || end.ExitCode != 127 || !strings.Contains(end.Message, "no programs for image example/other:1") {
		t.Errorf("phase %s, ended with %+v", status.Phase, end)
	}
}

func TestContainerIsRestarted(t *testing.T) {
	defer func(old []time.Duration) { backOffs = old }(backOffs)
	backOffs = []time.Duration{time.Millisecond}
	k, api := newKubelet(t)
	pod := jobPod("test -e /scratch/tried || { touch /scratch/tried; exit 5; }")
	pod.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	pod.Spec.Volumes = []corev1.Volume{volume("work", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "work", MountPath: "/scratch"}}
	status := runToEnd(t, k, api, pod)
	c := status.ContainerStatuses[0]
	if status.Phase != corev1.PodSucceeded || c.RestartCount != 1 {
		t.Fatalf("phase %s, container %+v", status.Phase, c)
	}
	if last := c.LastTerminationState.Terminated; last == nil || last.ExitCode != 5 {
		t.Errorf("the end before: %+v", c.LastTerminationState)
	}
}

// A pod that is deleted ends with its processes, and says nothing more.
func TestDeletedPodEnds(t *testing.T) {
	k, api := newKubelet(t)
	k.active = map[types.UID]*activePod{}
	pod := jobPod("echo started; exec sleep 60")
	api.put(podPath(pod), pod)
	k.look(t.Context())
	eventually(t, "the pod to run", func() bool {
		data, _ := os.ReadFile(k.Site.Log("pods/dev-vault-job-x1-main"))
		return string(data) == "started\n"
	})
	api.drop(podPath(pod))
	written := len(api.written())
	k.look(t.Context())
	eventually(t, "the process to end", func() bool { return !runs(t, "sleep\x0060") })
	if now := len(api.written()); now != written {
		t.Errorf("%d statuses after the pod was gone", now-written)
	}
}

// Neither a kubelet that ends nor one that was killed leaves Secrets behind.
func TestNothingIsLeftBehind(t *testing.T) {
	k, api := newKubelet(t)
	base, prefix := k.place()
	left := func() []string {
		found, err := filepath.Glob(filepath.Join(base, prefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if _, err := k.materialise(t.Context(), jobPod(""), "10.244.0.9"); err != nil { // and is killed
		t.Fatal(err)
	}
	pod := jobPod("echo started; sleep 60")
	api.put(podPath(pod), pod)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	eventually(t, "the pod to run", func() bool {
		data, _ := os.ReadFile(k.Site.Log("pods/dev-vault-job-x1-main"))
		return string(data) == "started\n"
	})
	if found := left(); len(found) != 1 {
		t.Errorf("the files of one pod: %v", found)
	}
	cancel()
	if err := <-ended; err != nil || len(left()) > 0 {
		t.Errorf("%v, left behind: %v", err, left())
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited too long for %s", what)
}

func TestOurs(t *testing.T) {
	k, _ := newKubelet(t)
	for image, want := range map[string]bool{
		"example/shell:1": true, "example/shell": true, "example/shell@sha256:00": true,
		"example/shell-more:1": false, "other/example/shell:1": false, "example/toolbox:1": false,
	} {
		pod := jobPod("")
		pod.Spec.Containers[0].Image = image
		if got := k.ours(pod); got != want {
			t.Errorf("a Job's pod with image %s is ours: %v", image, got)
		}
	}
	k.Images = append(k.Images, Image{Repository: "example/tool", JobsOnly: true})
	for image, want := range map[string]bool{"example/shell:1": true, "example/tool:1": false, "example/toolbox:1": false} {
		pod := jobPod("")
		pod.OwnerReferences = nil
		pod.Spec.Containers[0].Image = image
		if got := k.ours(pod); got != want {
			t.Errorf("a server's pod with image %s is ours: %v", image, got)
		}
	}
	pod := jobPod("")
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Image: "example/other:1"})
	if k.ours(pod) {
		t.Error("a pod with one unknown image is ours")
	}
}
