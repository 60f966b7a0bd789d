package kubelet

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestExpand(t *testing.T) {
	variables := []string{"A=first", "B=", "A=last", "PATHS=x=$(A)"}
	for text, want := range map[string]string{
		"plain":             "plain",
		"$(A)":              "last",
		"-$(A)-$(A)-":       "-last-last-",
		"[$(B)]":            "[]",
		"$(PATHS)":          "x=$(A)",
		"$(ABSENT)":         "$(ABSENT)",
		"$$(A)":             "$(A)",
		"$$$(A)":            "$last",
		"$$$$":              "$$",
		"$A ${A} $(A":       "$A ${A} $(A",
		"cost: 5$":          "cost: 5$",
		"$()":               "$()",
		"$(A $(A)":          "$(A $(A)",
		"$(cat file) $(A)":  "$(cat file) last",
		"ä$(A)ö$":           "älastö$",
		"$($(A))":           "$($(A))",
		"trap '$$?' $(A) $": "trap '$?' last $",
	} {
		if got := expand(text, variables); got != want {
			t.Errorf("expand(%q) = %q, want %q", text, got, want)
		}
	}
}

// What a container runs is expanded, for its command as for its arguments; what a
// person runs in it by `kubectl exec` is not.
func TestCommandIsExpanded(t *testing.T) {
	k, _ := newKubelet(t)
	pod := jobPod("")
	c := &pod.Spec.Containers[0]
	c.Env = []corev1.EnvVar{{Name: "SHELL_AT", Value: "/bin/sh"}, {Name: "WORD", Value: "expanded"}}
	c.Command = []string{"$(SHELL_AT)", "-c"}
	c.Args = []string{"echo $(WORD) $$(echo shell) $(HOSTNAME_OF_NOBODY)x || :"}
	v, err := k.materialise(t.Context(), pod, "10.244.0.9")
	if err != nil {
		t.Fatal(err)
	}
	defer v.remove()
	if code, err := k.execute(t.Context(), pod, c, v, nil); code != 0 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	log, err := os.ReadFile(k.Site.Log("pods/dev-vault-job-x1-main"))
	// The shell itself runs the reference that is unknown here.
	if err != nil || !strings.Contains(string(log), "expanded shell x") {
		t.Errorf("the log is %q (%v)", log, err)
	}
	if c.Command[0] != "$(SHELL_AT)" {
		t.Error("the pod's own spec was changed")
	}
}
