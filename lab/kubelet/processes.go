package kubelet

import (
	"cmp"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// Process is a container that runs.
type Process struct {
	Cluster, Namespace, Pod, Container string
	PID                                int
	// Starts counts how often this kubelet has started the container.
	Starts int
}

// processes are what a kubelet runs. The zero value is ready for use.
type processes struct {
	mu  sync.Mutex
	all map[containerOf]*Process
}

type containerOf struct{ namespace, pod, container string }

func (p *processes) note(pod *corev1.Pod, container string, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[containerOf]*Process{}
	}
	key := containerOf{pod.Namespace, pod.Name, container}
	if p.all[key] == nil {
		p.all[key] = &Process{Namespace: pod.Namespace, Pod: pod.Name, Container: container}
	}
	p.all[key].PID = pid
	p.all[key].Starts++
}

// forget notes that the container runs no more; it keeps the count.
func (p *processes) forget(pod *corev1.Pod, container string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := p.all[containerOf{pod.Namespace, pod.Name, container}]; of != nil {
		of.PID = 0
	}
}

// pid is the process of a container, 0 if it does not run.
func (p *processes) pid(pod *corev1.Pod, container string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := p.all[containerOf{pod.Namespace, pod.Name, container}]; of != nil {
		return of.PID
	}
	return 0
}

// Processes are the containers that run, by their names.
func (k *Kubelet) Processes() []Process {
	k.processes.mu.Lock()
	defer k.processes.mu.Unlock()
	var running []Process
	for _, of := range k.processes.all {
		if of.PID != 0 {
			running = append(running, *of)
			running[len(running)-1].Cluster = k.Cluster
		}
	}
	slices.SortFunc(running, func(a, b Process) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container))
	})
	return running
}
