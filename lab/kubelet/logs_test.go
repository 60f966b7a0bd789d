package kubelet

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestLogs(t *testing.T) {
	k, api := newKubelet(t)
	pod := jobPod("")
	api.put(podPath(pod), pod)
	file := k.logFile(pod, "main")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("one\ntwo\nthree"), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.containerLogs)
	for _, test := range []struct {
		path string
		code int
		want string
	}{
		{"main", http.StatusOK, "one\ntwo\nthree"},
		{"main?tailLines=2", http.StatusOK, "two\nthree"},
		{"main?tailLines=0", http.StatusOK, ""},
		{"main?tailLines=9&previous=true", http.StatusOK, "one\ntwo\nthree"},
		{"main?tailLines=-1", http.StatusBadRequest, "tailLines: strconv.ParseUint: parsing \"-1\": invalid syntax\n"},
		{"main?timestamps=true", http.StatusBadRequest, "the lab's kubelet keeps no timestamps of logs\n"},
		{"other", http.StatusNotFound, "container other is played, or has not started\n"},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/containerLogs/"+pod.Namespace+"/"+pod.Name+"/"+test.path, nil))
		if w.Code != test.code || w.Body.String() != test.want {
			t.Errorf("%s: %d %q, want %d %q", test.path, w.Code, w.Body, test.code, test.want)
		}
	}
}
