// Package kubelet is the lab's process kubelet: it runs pods as local processes,
// as their spec says, when the lab has the programs of their images. All other
// pods are played by KWOK.
//
// A container's process sees what it would see in its image: its volumes at
// their mount paths, its environment, its service account's token, and its
// cluster's network with the names and addresses of Services. It runs in a mount
// and a network namespace of its own (package-level function RunContainer), as
// the user that the lab runs as.
package kubelet

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"platform/lab/cluster"
	"platform/lab/site"
)

// Image is an image that the lab has the programs for.
type Image struct {
	// Repository is the image's name without its tag.
	Repository string
	// Programs on PATH in the container, beside the machine's own.
	Programs []string
	// Paths are programs at places of the image's own, which pods name.
	Paths map[string]string
	// Entrypoint of the image, for containers without a command.
	Entrypoint []string
	// Container is the only name of containers that run the image, if it is set.
	Container string
	// JobsOnly: only pods of Jobs run, those of servers are played.
	JobsOnly bool
	// ExecOnly: pods with this image are played, but a command run in them is
	// real.
	ExecOnly bool
	// Env and Files are arrangements of the lab: variables, and files of the
	// machine that appear under the same path.
	Env   []string
	Files []string
}

// Kubelet runs the pods of one cluster.
type Kubelet struct {
	Site    *site.Site
	Cluster string
	Images  []Image
	// Program finds a program of an image on this machine.
	Program func(name string) (string, error)
	// Route is the lab's own server for a host and port, if it has one: what
	// stands in the place of played pods, and the site's names.
	Route func(host, port string) (address string, known bool)
	Log   *slog.Logger

	client  *kubernetes.Clientset
	network *network
	mu      sync.Mutex
	active  map[types.UID]*activePod
	// problems are why pods could not be prepared, as the log has said.
	problems  map[types.UID]string
	processes processes
	pods      sync.WaitGroup
}

// activePod is a pod that runs, or ran to its end.
type activePod struct {
	cancel context.CancelFunc
	ended  bool
}

// image finds a container's image in the table.
func (k *Kubelet) image(name string) (Image, bool) {
	for _, i := range k.Images {
		if strings.HasPrefix(name, i.Repository+":") || name == i.Repository || strings.HasPrefix(name, i.Repository+"@") {
			return i, true
		}
	}
	return Image{}, false
}

// pollInterval is how often pods are looked at. The lab's few pods need no watch.
const pollInterval = 300 * time.Millisecond

// Run serves until ctx ends: it runs pods, and commands in pods.
func (k *Kubelet) Run(ctx context.Context) error {
	client, err := cluster.Client(k.Site, k.Cluster)
	if err != nil {
		return err
	}
	k.client, k.active, k.problems = client, map[types.UID]*activePod{}, map[types.UID]string{}
	if err := k.removeLeft(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() { // a pod's files go with it, before the lab does
		cancel()
		k.pods.Wait()
	}()
	network := newNetwork(ctx, client, k.Route, k.Log.With("cluster", k.Cluster))
	go network.run(ctx)
	k.mu.Lock()
	k.network = network
	k.mu.Unlock()
	failed := make(chan error, 2)
	go func() { failed <- k.serveAPI(ctx) }()
	go func() { failed <- k.serveEgress(ctx) }()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("serving the API server of cluster %s: %w", k.Cluster, err)
		case <-ticker.C:
		}
	}
}

// look starts the pods that are new, and ends those that are gone or are to go.
func (k *Kubelet) look(ctx context.Context) {
	pods, err := k.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return // the API server is starting, or gone: it is asked again
	}
	present := map[types.UID]bool{}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !k.ours(pod) {
			if wasOurs(pod) {
				k.pods.Go(func() { k.giveUp(ctx, pod) })
			}
			continue
		}
		present[pod.UID] = true
		if pod.DeletionTimestamp != nil {
			k.delete(ctx, pod)
			continue
		}
		if k.active[pod.UID] != nil || finished(pod) || pod.Spec.NodeName == "" {
			continue
		}
		k.start(ctx, pod)
	}
	for uid, a := range k.active {
		if !present[uid] {
			a.cancel()
			delete(k.active, uid)
		}
	}
	for uid := range k.problems {
		if !present[uid] {
			delete(k.problems, uid)
		}
	}
}

// start runs a pod from now on. Called with the lock held.
func (k *Kubelet) start(ctx context.Context, pod *corev1.Pod) {
	ctx, cancel := context.WithCancel(ctx)
	a := &activePod{cancel: cancel}
	k.active[pod.UID] = a
	k.pods.Go(func() {
		k.runPod(ctx, pod)
		k.mu.Lock()
		defer k.mu.Unlock()
		a.ended = true
	})
}

// delete ends a pod that is to go, and lets its object go once its processes
// have: a StatefulSet's next pod of the name may not meet them. Called with the
// lock held.
func (k *Kubelet) delete(ctx context.Context, pod *corev1.Pod) {
	if a := k.active[pod.UID]; a != nil && !a.ended {
		a.cancel()
		return
	}
	now := int64(0)
	options := metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}
	err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		k.Log.Warn("deleting", "cluster", k.Cluster, "pod", pod.Namespace+"/"+pod.Name, "error", err.Error())
	}
}

// wasOurs tells a pod that a kubelet with more images ran, by its address.
func wasOurs(pod *corev1.Pod) bool {
	address, err := netip.ParseAddr(pod.Status.PodIP)
	return err == nil && podRange.Contains(address) && !finished(pod) && pod.DeletionTimestamp == nil
}

// giveUp leaves a pod to KWOK, which plays it from its beginning.
func (k *Kubelet) giveUp(ctx context.Context, pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()},
	}}
	_, err := k.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && ctx.Err() == nil {
		k.Log.Warn("leaving a pod to be played", "cluster", k.Cluster, "pod", pod.Namespace+"/"+pod.Name, "error", err.Error())
	}
}

// ours says whether the lab has the programs of all the pod's images.
func (k *Kubelet) ours(pod *corev1.Pod) bool {
	ofJob := false
	for _, owner := range pod.OwnerReferences {
		ofJob = ofJob || owner.Kind == "Job"
	}
	for _, c := range pod.Spec.Containers {
		image, ok := k.image(c.Image)
		if !ok || image.ExecOnly || image.JobsOnly && !ofJob || image.Container != "" && image.Container != c.Name {
			return false
		}
	}
	return true
}

// Selector tells the pods that the process kubelet runs, see ours, as an
// expression of jq, for KWOK to leave them alone.
func Selector(images []Image) string {
	var always, jobs []string
	for _, i := range images {
		container := "[^ ]+"
		if i.Container != "" {
			container = regexp.QuoteMeta(i.Container)
		}
		name := container + " " + regexp.QuoteMeta(i.Repository)
		if !i.ExecOnly {
			jobs = append(jobs, name)
		}
		if !i.ExecOnly && !i.JobsOnly {
			always = append(always, name)
		}
	}
	all := func(names []string) string {
		// Quoted once more for jq's own strings.
		pattern := strings.ReplaceAll("^("+strings.Join(names, "|")+")([:@]|$)", `\`, `\\`)
		return `(.spec.containers | all(.name + " " + .image | test("` + pattern + `")))`
	}
	ofJob := `((.metadata.ownerReferences // []) | any(.kind == "Job"))`
	selector := ofJob + " and " + all(jobs)
	if len(always) > 0 {
		selector = all(always) + " or (" + selector + ")"
	}
	return "(" + selector + ")"
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
