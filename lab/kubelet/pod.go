package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// backOffs between restarts of a container, as the real kubelet's but shorter.
var backOffs = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}

// podRun is a pod that runs.
type podRun struct {
	*Kubelet
	pod     *corev1.Pod
	volumes *volumes
	place   *attachment

	mu     sync.Mutex
	status *corev1.PodStatus
}

// runPod runs a pod to its end: the init containers one after the other, then
// the containers beside each other.
func (k *Kubelet) runPod(ctx context.Context, pod *corev1.Pod) {
	log := k.Log.With("cluster", k.Cluster, "pod", pod.Namespace+"/"+pod.Name)
	r, err := k.preparePod(ctx, pod)
	if err != nil {
		k.forget(ctx, pod, err)
		return
	}
	defer r.remove()
	r.report(ctx, corev1.PodPending)
	go r.keepFresh(ctx)
	for i := range pod.Spec.InitContainers {
		if !r.keep(ctx, &pod.Spec.InitContainers[i], &r.status.InitContainerStatuses[i], r.restartsInit) {
			r.end(ctx, corev1.PodFailed)
			return
		}
	}
	var containers sync.WaitGroup
	var failed atomic.Bool
	for i := range pod.Spec.Containers {
		containers.Go(func() {
			if !r.keep(ctx, &pod.Spec.Containers[i], &r.status.ContainerStatuses[i], r.restarts) {
				failed.Store(true)
			}
		})
	}
	containers.Wait()
	if failed.Load() {
		r.end(ctx, corev1.PodFailed)
		return
	}
	log.Info("succeeded")
	r.end(ctx, corev1.PodSucceeded)
}

// preparePod makes what a pod has beside its processes: volumes, and its place
// in the cluster's network.
func (k *Kubelet) preparePod(ctx context.Context, pod *corev1.Pod) (*podRun, error) {
	r := &podRun{Kubelet: k, pod: pod}
	var err error
	if r.place, err = k.network.attach(pod); err != nil {
		return nil, err
	}
	if r.volumes, err = k.materialise(ctx, pod, r.place.address.String()); err != nil {
		k.network.detach(r.place)
		return nil, fmt.Errorf("volumes: %w", err)
	}
	r.status = newStatus(pod, r.place.address.String())
	return r, nil
}

func (r *podRun) remove() {
	r.volumes.remove()
	r.network.detach(r.place)
}

// forget lets a later look try a pod again that could not be prepared. The log
// says why, once.
func (k *Kubelet) forget(ctx context.Context, pod *corev1.Pod, why error) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.problems[pod.UID] != why.Error() && ctx.Err() == nil {
		k.problems[pod.UID] = why.Error()
		k.Log.Error("preparing", "cluster", k.Cluster, "pod", pod.Namespace+"/"+pod.Name, "error", why.Error())
	}
	if a, ok := k.active[pod.UID]; ok {
		a.cancel()
		delete(k.active, pod.UID)
	}
}

// ready says whether the pod's last status does.
func (r *podRun) ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (r *podRun) end(ctx context.Context, phase corev1.PodPhase) {
	if ctx.Err() == nil {
		r.report(ctx, phase)
	}
}

func newStatus(pod *corev1.Pod, address string) *corev1.PodStatus {
	now := metav1.Now()
	status := &corev1.PodStatus{
		StartTime: &now, HostIP: "127.0.0.1", PodIP: address, PodIPs: []corev1.PodIP{{IP: address}},
	}
	of := func(containers []corev1.Container, before []corev1.ContainerStatus) []corev1.ContainerStatus {
		var all []corev1.ContainerStatus
		for _, c := range containers {
			all = append(all, corev1.ContainerStatus{
				Name: c.Name, Image: c.Image, RestartCount: restartsOf(c.Name, before),
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}},
			})
		}
		return all
	}
	var init, main []corev1.ContainerStatus
	if wasOurs(pod) {
		init, main = pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses
	}
	status.InitContainerStatuses, status.ContainerStatuses = of(pod.Spec.InitContainers, init), of(pod.Spec.Containers, main)
	return status
}

// restartsOf counts the restarts of a container whose pod ran under a kubelet
// before this one, with whose end it ended.
func restartsOf(container string, before []corev1.ContainerStatus) int32 {
	for _, s := range before {
		if s.Name == container && s.State.Waiting == nil {
			return s.RestartCount + 1
		}
	}
	return 0
}

// restarts says whether a container that ended is started again.
func (r *podRun) restarts(code int) bool {
	switch r.pod.Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return true
}

// restartsInit is restarts for an init container, which is to end.
func (r *podRun) restartsInit(code int) bool { return code != 0 && r.restarts(code) }

// keep runs a container, again and again if restarts says so. It tells whether it
// ended well.
func (r *podRun) keep(ctx context.Context, c *corev1.Container, status *corev1.ContainerStatus, restarts func(code int) bool) bool {
	for attempt := 0; ; attempt++ {
		started := metav1.Now()
		code, err := r.runOnce(ctx, c, status, started)
		if ctx.Err() != nil {
			return false
		}
		end := &corev1.ContainerStateTerminated{ExitCode: int32(code), Reason: "Completed", StartedAt: started, FinishedAt: metav1.Now()}
		if code != 0 {
			end.Reason = "Error"
		}
		if err != nil {
			end.Message = err.Error()
			r.Log.Warn("container ended", "cluster", r.Cluster, "pod", r.pod.Namespace+"/"+r.pod.Name, "container", c.Name,
				"code", code, "error", err.Error())
		}
		again := restarts(code)
		r.change(ctx, func() {
			status.State, status.Ready = corev1.ContainerState{Terminated: end}, false
			if again {
				status.LastTerminationState = status.State
				status.RestartCount++
			}
		})
		if !again {
			return code == 0
		}
		if time.Since(started.Time) > time.Minute {
			attempt = 0 // it ran well for a while
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(backOffs[min(attempt, len(backOffs)-1)]):
		}
	}
}

// runOnce runs a container's process and its probes, and gives its exit code.
func (r *podRun) runOnce(ctx context.Context, c *corev1.Container, status *corev1.ContainerStatus, started metav1.Time) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.change(ctx, func() {
		status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}
		status.Ready = c.ReadinessProbe == nil && c.StartupProbe == nil
	})
	go r.probe(ctx, c, func(ready bool) {
		r.change(ctx, func() { status.Ready = ready })
	}, cancel)
	return r.execute(ctx, r.pod, c, r.volumes, r.place)
}

// execute runs a container's process once and gives its exit code.
func (k *Kubelet) execute(ctx context.Context, pod *corev1.Pod, c *corev1.Container, volumes *volumes, place *attachment) (int, error) {
	image, ok := k.image(c.Image)
	if !ok {
		return 127, fmt.Errorf("the lab has no programs for image %s", c.Image)
	}
	command := c.Command
	if len(command) == 0 {
		command = image.Entrypoint
	}
	spec, err := k.containerSpec(ctx, pod, c, volumes, image, slices.Concat(command, c.Args))
	if err != nil {
		return 128, err
	}
	for i, word := range spec.Command {
		spec.Command[i] = expand(word, spec.declared)
	}
	spec.network, spec.grace = place, grace(pod)
	spec.started = func(pid int) { k.processes.note(pod, c.Name, pid) }
	defer k.processes.forget(pod, c.Name)
	log, err := os.OpenFile(k.logFile(pod, c.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 128, err
	}
	defer func() { _ = log.Close() }()
	return exitCode(spec.run(ctx, nil, log, log))
}

// graceAtMost is short: whoever ends the lab waits for it.
const graceAtMost = 5 * time.Second

// grace is the time between a container's SIGTERM and its SIGKILL.
func grace(pod *corev1.Pod) time.Duration {
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		return min(time.Duration(*s)*time.Second, graceAtMost)
	}
	return graceAtMost
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

// change changes the pod's status and reports it.
func (r *podRun) change(ctx context.Context, change func()) {
	r.mu.Lock()
	change()
	phase := r.status.Phase
	if anyStarted(r.status.ContainerStatuses) {
		phase = corev1.PodRunning
	}
	r.mu.Unlock()
	r.report(ctx, phase)
}

func anyStarted(statuses []corev1.ContainerStatus) bool {
	for _, s := range statuses {
		if s.State.Waiting == nil {
			return true
		}
	}
	return false
}

// report writes the pod's status.
func (r *podRun) report(ctx context.Context, phase corev1.PodPhase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Phase = phase
	r.status.Conditions = conditions(r.status)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		live, err := r.client.CoreV1().Pods(r.pod.Namespace).Get(ctx, r.pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		live.Status = *r.status.DeepCopy()
		_, err = r.client.CoreV1().Pods(r.pod.Namespace).UpdateStatus(ctx, live, metav1.UpdateOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		r.Log.Warn("status", "cluster", r.Cluster, "pod", r.pod.Namespace+"/"+r.pod.Name, "error", err.Error())
	}
}

func conditions(status *corev1.PodStatus) []corev1.PodCondition {
	ready := status.Phase == corev1.PodRunning
	for _, c := range status.ContainerStatuses {
		ready = ready && c.Ready
	}
	of := func(t corev1.PodConditionType, holds bool) corev1.PodCondition {
		c := corev1.PodCondition{Type: t, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now()}
		if holds {
			c.Status = corev1.ConditionTrue
		}
		for _, old := range status.Conditions {
			if old.Type == c.Type && old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
		}
		return c
	}
	return []corev1.PodCondition{
		of(corev1.PodScheduled, true), of(corev1.PodInitialized, anyStarted(status.ContainerStatuses)),
		of(corev1.ContainersReady, ready), of(corev1.PodReady, ready),
	}
}
