// Package kubelet is the lab's process kubelet: it runs pods of Jobs as local
// processes, as their spec says, when the lab has the programs of their images.
// All other pods are played by KWOK.
//
// A container's process sees what it would see in its image: its volumes at
// their mount paths, its environment, its service account's token, and the
// cluster's names, which the lab's proxy leads to the lab's ports. It runs in a
// mount namespace of its own (package-level function RunContainer), as the user
// that the lab runs as.
package kubelet

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
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
	// Entrypoint of the image, for containers without a command.
	Entrypoint []string
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
	Log     *slog.Logger

	client *kubernetes.Clientset
	mu     sync.Mutex
	active map[types.UID]context.CancelFunc
	pods   sync.WaitGroup
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

// pollInterval is how often pods are looked at. The lab's few Jobs need no
// watch.
const pollInterval = 300 * time.Millisecond

// Run serves until ctx ends: it runs pods, and commands in pods.
func (k *Kubelet) Run(ctx context.Context) error {
	client, err := cluster.Client(k.Site, k.Cluster)
	if err != nil {
		return err
	}
	k.client, k.active = client, map[types.UID]context.CancelFunc{}
	if err := k.removeLeft(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() { // a pod's files go with it, before the lab does
		cancel()
		k.pods.Wait()
	}()
	failed := make(chan error, 1)
	go func() { failed <- k.serveExec(ctx) }()
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
			return fmt.Errorf("serving commands in pods of cluster %s: %w", k.Cluster, err)
		case <-ticker.C:
		}
	}
}

// look starts the pods that are new, and ends those that are gone.
func (k *Kubelet) look(ctx context.Context) {
	pods, err := k.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name"})
	if err != nil {
		return // the API server is starting, or gone: it is asked again
	}
	present := map[types.UID]bool{}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp != nil || !k.ours(pod) {
			continue
		}
		present[pod.UID] = true
		if _, runs := k.active[pod.UID]; runs || finished(pod) || pod.Spec.NodeName == "" {
			continue
		}
		podCtx, cancel := context.WithCancel(ctx)
		k.active[pod.UID] = cancel
		k.pods.Go(func() { k.runPod(podCtx, pod) })
	}
	for uid, cancel := range k.active {
		if !present[uid] {
			cancel()
			delete(k.active, uid)
		}
	}
}

// ours says whether the lab has the programs of all the pod's images. KWOK's
// stages leave out the same pods.
func (k *Kubelet) ours(pod *corev1.Pod) bool {
	ofJob := false
	for _, owner := range pod.OwnerReferences {
		ofJob = ofJob || owner.Kind == "Job"
	}
	for _, c := range pod.Spec.Containers {
		image, ok := k.image(c.Image)
		if !ok || image.ExecOnly {
			return false
		}
	}
	return ofJob
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
