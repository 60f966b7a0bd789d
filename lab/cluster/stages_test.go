package cluster

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/itchyny/gojq"
	"sigs.k8s.io/yaml"
)

// stage is the part of a KWOK Stage that chooses objects
// (https://kwok.sigs.k8s.io/docs/user/stages-configuration/).
type stage struct {
	Metadata struct{ Name string }
	Spec     struct {
		ResourceRef struct{ Kind string }
		Selector    struct {
			MatchExpressions []struct {
				Key, Operator string
				Values        []string
			}
		}
	}
}

func readStages(t *testing.T, realPods string) []stage {
	t.Helper()
	var all []stage
	for _, document := range strings.Split(strings.ReplaceAll(stages, "REAL_PODS", realPods), "\n---\n") {
		var s stage
		if err := yaml.Unmarshal([]byte(document), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// matches is KWOK's: what an expression of jq gives but null are the values.
func (s stage) matches(t *testing.T, object any) bool {
	t.Helper()
	for _, e := range s.Spec.Selector.MatchExpressions {
		query, err := gojq.Parse(e.Key)
		if err != nil {
			t.Fatalf("stage %s: %s: %v", s.Metadata.Name, e.Key, err)
		}
		var values []string
		// An error is that of a field which the object lacks.
		for results := query.Run(object); ; {
			value, more := results.Next()
			if _, failed := value.(error); !more || failed {
				break
			}
			if value != nil {
				text, _ := value.(string)
				values = append(values, text)
			}
		}
		in := slices.ContainsFunc(values, func(v string) bool { return slices.Contains(e.Values, v) })
		ok, known := map[string]bool{"In": in, "NotIn": !in, "Exists": len(values) > 0, "DoesNotExist": len(values) == 0}[e.Operator]
		if !known {
			t.Fatalf("stage %s: unknown operator %s", s.Metadata.Name, e.Operator)
		}
		if !ok {
			return false
		}
	}
	return true
}

func TestStagesChooseTheirObjects(t *testing.T) {
	const (
		pending = `{"metadata": {}, "status": {"phase": "Pending"}}`
		jobRuns = `{"metadata": {"ownerReferences": [{"kind": "Job"}]}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}`
	)
	for _, test := range []struct{ what, kind, object, realPods, want string }{
		{"a new node", "Node", `{"metadata": {}}`, "false", "node-initialize"},
		{"a ready node", "Node", `{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}`, "false", ""},
		{"a new pod", "Pod", pending, "false", "pod-ready"},
		{"a new real pod", "Pod", pending, "true", ""},
		{"a server's pod", "Pod", `{"metadata": {}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}`, "false", ""},
		{"a Job's pod", "Pod", jobRuns, "false", "pod-complete"},
		{"a Job's real pod", "Pod", jobRuns, "true", ""},
		{"a Job's pod that ended", "Pod", `{"metadata": {"ownerReferences": [{"kind": "Job"}]}, "status": {"phase": "Succeeded"}}`, "false", ""},
		{"a deleted pod", "Pod", `{"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Pending"}}`, "false", "pod-delete"},
	} {
		var object any
		if err := json.Unmarshal([]byte(test.object), &object); err != nil {
			t.Fatal(err)
		}
		var chosen []string
		for _, s := range readStages(t, test.realPods) {
			if s.Spec.ResourceRef.Kind == test.kind && s.matches(t, object) {
				chosen = append(chosen, s.Metadata.Name)
			}
		}
		if got := strings.Join(chosen, ", "); got != test.want {
			t.Errorf("%s: stage %q, want %q", test.what, got, test.want)
		}
	}
}
