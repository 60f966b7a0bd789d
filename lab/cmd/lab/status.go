package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"platform/lab/cluster"
	"platform/lab/kubelet"
	"platform/lab/process"
	"platform/lab/site"
)

// status lists what runs: the lab's own processes, the pods that are processes,
// and how many pods are played.
func status(ctx context.Context, p *project) error {
	servers, err := process.List(p.site)
	if err != nil {
		return err
	}
	if len(servers) == 0 {
		return errors.New("the lab does not run; make lab starts it")
	}
	// The process that knows of them may be what died.
	pods, unknown := realPods(ctx, p.site)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "WHAT\tSTATE\tPID\tMEMORY\tFOR\tRESTARTS\tURL")
	total := printServers(table, p, servers)
	total += printPods(table, pods)
	_, _ = fmt.Fprintf(table, "all\t\t\t%s\t\t\t\n", mebibytes(total))
	if err := table.Flush(); err != nil {
		return err
	}
	if unknown != nil {
		return unknown
	}
	return printPlayed(ctx, p, pods)
}

// urls are where people and programs reach servers of the lab, within its
// environment.
func urls(s *site.Site) map[string]string {
	return map[string]string{
		"vault": "https://" + s.Host("vault"),
		"serve": fmt.Sprintf("https://%s https://%s", s.Host("gitlab"), s.Host("harbor")),
	}
}

func printServers(table io.Writer, p *project, servers []process.Status) (total int64) {
	addresses := urls(p.site)
	for _, s := range servers {
		state, since := "real", time.Since(s.Since).Round(time.Second).String()
		switch s.Name {
		case "serve":
			state = "stand-ins"
		case supervisor:
			state = "lab"
		}
		if !s.Alive {
			state, since = "DIED", "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%d\t%s\n",
			s.Name, state, s.PID, mebibytes(s.RSS), since, s.Restarts, addresses[s.Name])
		total += s.RSS
	}
	return total
}

func printPods(table io.Writer, pods []kubelet.Process) (total int64) {
	var pids []int
	for _, of := range pods {
		pids = append(pids, of.PID)
	}
	resident := process.Resident(pids...)
	for _, of := range pods {
		_, _ = fmt.Fprintf(table, "%s %s/%s %s\treal\t%d\t%s\t\t%d\t\n",
			of.Cluster, of.Namespace, of.Pod, of.Container, of.PID, mebibytes(resident[of.PID]), of.Starts-1)
		total += resident[of.PID]
	}
	return total
}

// printPlayed says how many pods of each cluster nobody runs.
func printPlayed(ctx context.Context, p *project, real []kubelet.Process) error {
	runs := map[[3]string]bool{}
	for _, of := range real {
		runs[[3]string{of.Cluster, of.Namespace, of.Pod}] = true
	}
	for _, name := range site.Clusters {
		client, err := cluster.Client(p.site, name)
		if err != nil {
			return err
		}
		pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "status.phase=" + string(corev1.PodRunning)})
		if err != nil {
			return fmt.Errorf("listing the pods of cluster %s: %w", name, err)
		}
		played := 0
		for _, pod := range pods.Items {
			if !runs[[3]string{name, pod.Namespace, pod.Name}] {
				played++
			}
		}
		fmt.Printf("played pods in %s: %d\n", name, played)
	}
	return nil
}

// realPods asks the process that runs them.
func realPods(ctx context.Context, s *site.Site) ([]kubelet.Process, error) {
	client := &http.Client{Timeout: readyTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", podsSocket(s))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://lab/pods", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the lab for its pods: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var pods []kubelet.Process
	return pods, json.NewDecoder(response.Body).Decode(&pods)
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
