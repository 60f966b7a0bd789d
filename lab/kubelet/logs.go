package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// logFile is where the lines of a container go, those of its earlier starts
// before them.
func (k *Kubelet) logFile(pod *corev1.Pod, container string) string {
	return k.Site.Log(fmt.Sprintf("pods/%s-%s-%s-%s", k.Cluster, pod.Namespace, pod.Name, container))
}

// logOptions are those of `kubectl logs` that are known here: there are no times
// with the lines, and one file for all starts.
var logOptions = []string{"follow", "tailLines", "previous"}

// containerLogs answers `kubectl logs`.
func (k *Kubelet) containerLogs(w http.ResponseWriter, r *http.Request) {
	for name := range r.URL.Query() {
		if !slices.Contains(logOptions, name) {
			http.Error(w, "the lab's kubelet keeps no "+name+" of logs", http.StatusBadRequest)
			return
		}
	}
	pod, err := k.pod(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	file, err := os.Open(k.logFile(pod, r.PathValue("container")))
	if errors.Is(err, os.ErrNotExist) {
		http.Error(w, "container "+r.PathValue("container")+" is played, or has not started", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = file.Close() }()
	if lines := r.URL.Query().Get("tailLines"); lines != "" {
		err = skipTo(file, lines)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	follow, _ := strconv.ParseBool(r.URL.Query().Get("follow"))
	copyLog(r.Context(), w, file, follow)
}

// skipTo leaves the last lines of a log to be read.
func skipTo(file *os.File, lines string) error {
	wanted, err := strconv.ParseUint(lines, 10, 31)
	if err != nil {
		return fmt.Errorf("tailLines: %w", err)
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	all := slices.Collect(bytes.Lines(data))
	at := len(data)
	for _, line := range all[max(0, len(all)-int(wanted)):] {
		at -= len(line)
	}
	_, err = file.Seek(int64(at), io.SeekStart)
	return err
}

// followInterval is how often a log that is followed is looked at.
const followInterval = 200 * time.Millisecond

func copyLog(ctx context.Context, w http.ResponseWriter, file *os.File, follow bool) {
	for {
		if _, err := io.Copy(w, file); err != nil || !follow {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-ctx.Done():
			return
		case <-time.After(followInterval):
		}
	}
}
