package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The first answer is a failure, and the second is not.
func TestTriesAgain(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	options := []string{"--retry", "9", "--retry-connrefused", "--retry-max-time", "60", "--retry-delay", "0", "--max-time", "2", "-v"}
	if err := run(t.Context(), append(options, "--cacert", ca, server.URL)); err != nil || asked != 2 {
		t.Errorf("%v after %d requests", err, asked)
	}
	err := run(t.Context(), []string{"--max-time", "2", server.URL})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server of an unknown CA: %v", err)
	}
}

func TestRefusesOtherOptions(t *testing.T) {
	for _, args := range [][]string{{"--insecure", "https://localhost"}, {}, {"a", "b"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
