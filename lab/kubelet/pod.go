package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// backOffs between restarts of a container, as the real kubelet's but shorter.
var backOffs = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}

// runPod runs a pod to its end: the init containers one after the other, then
// the containers.
func (k *Kubelet) runPod(ctx context.Context, pod *corev1.Pod) {
	log := k.Log.With("cluster", k.Cluster, "pod", pod.Namespace+"/"+pod.Name)
	volumes, err := k.materialise(ctx, pod)
	if err != nil {
		log.Error("volumes", "error", err.Error())
		k.forget(pod)
		return
	}
	defer volumes.remove()
	status := newStatus(pod)
	k.report(ctx, pod, status, corev1.PodPending)
	for i := range pod.Spec.InitContainers {
		if !k.runContainer(ctx, pod, &pod.Spec.InitContainers[i], volumes, status.InitContainerStatuses, i, status) {
			k.end(ctx, pod, status, corev1.PodFailed)
			return
		}
	}
	for i := range pod.Spec.Containers {
		if !k.runContainer(ctx, pod, &pod.Spec.Containers[i], volumes, status.ContainerStatuses, i, status) {
			k.end(ctx, pod, status, corev1.PodFailed)
			return
		}
	}
	log.Info("succeeded")
	k.end(ctx, pod, status, corev1.PodSucceeded)
}

// forget lets the next look try a pod again.
func (k *Kubelet) forget(pod *corev1.Pod) {
	time.Sleep(time.Second)
	k.mu.Lock()
	defer k.mu.Unlock()
	if cancel, ok := k.active[pod.UID]; ok {
		cancel()
		delete(k.active, pod.UID)
	}
}

func (k *Kubelet) end(ctx context.Context, pod *corev1.Pod, status *corev1.PodStatus, phase corev1.PodPhase) {
	if ctx.Err() == nil {
		k.report(ctx, pod, status, phase)
	}
}

func newStatus(pod *corev1.Pod) *corev1.PodStatus {
	now := metav1.Now()
	status := &corev1.PodStatus{StartTime: &now, HostIP: "127.0.0.1", PodIP: "127.0.0.1"}
	of := func(containers []corev1.Container) []corev1.ContainerStatus {
		var all []corev1.ContainerStatus
		for _, c := range containers {
			all = append(all, corev1.ContainerStatus{
				Name: c.Name, Image: c.Image,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}},
			})
		}
		return all
	}
	status.InitContainerStatuses, status.ContainerStatuses = of(pod.Spec.InitContainers), of(pod.Spec.Containers)
	return status
}

// runContainer runs a container until it ends well, again and again if the
// pod's restart policy says so. It tells whether it ended well.
func (k *Kubelet) runContainer(ctx context.Context, pod *corev1.Pod, c *corev1.Container, volumes *volumes,
	statuses []corev1.ContainerStatus, i int, status *corev1.PodStatus,
) bool {
	for attempt := 0; ; attempt++ {
		started := metav1.Now()
		statuses[i].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}
		k.report(ctx, pod, status, corev1.PodRunning)
		code, err := k.execute(ctx, pod, c, volumes)
		if ctx.Err() != nil {
			return false
		}
		reason := "Completed"
		if code != 0 {
			reason = "Error"
		}
		end := &corev1.ContainerStateTerminated{ExitCode: int32(code), Reason: reason, StartedAt: started, FinishedAt: metav1.Now()}
		if err != nil {
			end.Message = err.Error()
			k.Log.Warn("container ended", "cluster", k.Cluster, "pod", pod.Namespace+"/"+pod.Name, "container", c.Name,
				"code", code, "error", err.Error())
		}
		statuses[i].State = corev1.ContainerState{Terminated: end}
		if code == 0 {
			k.report(ctx, pod, status, corev1.PodRunning)
			return true
		}
		if pod.Spec.RestartPolicy == corev1.RestartPolicyNever {
			return false
		}
		statuses[i].LastTerminationState = statuses[i].State
		statuses[i].RestartCount++
		k.report(ctx, pod, status, corev1.PodRunning)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(backOffs[min(attempt, len(backOffs)-1)]):
		}
	}
}

// execute runs a container's process once and gives its exit code.
func (k *Kubelet) execute(ctx context.Context, pod *corev1.Pod, c *corev1.Container, volumes *volumes) (int, error) {
	image, ok := k.image(c.Image)
	if !ok {
		return 127, fmt.Errorf("the lab has no programs for image %s", c.Image)
	}
	command := c.Command
	if len(command) == 0 {
		command = image.Entrypoint
	}
	spec, err := k.containerSpec(ctx, pod, c, volumes, image, append(command[:len(command):len(command)], c.Args...))
	if err != nil {
		return 128, err
	}
	log, err := os.OpenFile(k.Site.Log(fmt.Sprintf("pods/%s-%s-%s-%s", k.Cluster, pod.Namespace, pod.Name, c.Name)),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 128, err
	}
	defer func() { _ = log.Close() }()
	return exitCode(spec.run(ctx, nil, log, log))
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), err
	}
	if err != nil {
		return 128, err
	}
	return 0, nil
}

// report writes the pod's status.
func (k *Kubelet) report(ctx context.Context, pod *corev1.Pod, status *corev1.PodStatus, phase corev1.PodPhase) {
	ready := corev1.ConditionFalse
	if phase == corev1.PodRunning {
		ready = corev1.ConditionTrue
	}
	status.Phase = phase
	now := metav1.Now()
	status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.ContainersReady, Status: ready, LastTransitionTime: now},
		{Type: corev1.PodReady, Status: ready, LastTransitionTime: now},
	}
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		live, err := k.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		live.Status = *status.DeepCopy()
		_, err = k.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, live, metav1.UpdateOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		k.Log.Warn("status", "cluster", k.Cluster, "pod", pod.Namespace+"/"+pod.Name, "error", err.Error())
	}
}
