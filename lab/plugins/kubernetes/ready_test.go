package main

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestReady(t *testing.T) {
	object := func(annotations, spec, status map[string]any) map[string]any {
		return map[string]any{"metadata": map[string]any{"name": "x", "annotations": annotations}, "spec": spec, "status": status}
	}
	condition := func(name, reason string) []any {
		return []any{map[string]any{"type": name, "status": "True", "reason": reason, "message": "too often"}}
	}
	first, second := map[string]any{revisionKey: "1"}, map[string]any{revisionKey: "2"}
	two := map[string]any{"replicas": int64(2)}
	rolledOut := func(ready int64, conditions []any) map[string]any {
		return map[string]any{"updatedReplicas": int64(2), "readyReplicas": ready, "conditions": conditions}
	}
	set := func(current int64, revision string) map[string]any {
		return map[string]any{
			"replicas": int64(2), "readyReplicas": int64(2), "currentReplicas": current, "currentRevision": revision, "updateRevision": "b",
		}
	}
	onDelete := map[string]any{"replicas": int64(2), "updateStrategy": map[string]any{"type": "OnDelete"}}
	changed := object(nil, onDelete, set(0, "a"))
	changed["metadata"].(map[string]any)["generation"] = int64(2)
	changed["status"].(map[string]any)["observedGeneration"] = int64(2)

	available := condition("Available", "")
	for _, c := range []struct {
		name   string
		check  func(map[string]any) (string, error)
		object map[string]any
		ready  bool
	}{
		{"Deployment", deploymentReady, object(first, two, rolledOut(2, available)), true},
		{"Deployment with one of two replicas", deploymentReady, object(first, two, rolledOut(1, available)), false},
		{"Deployment not available", deploymentReady, object(first, two, rolledOut(2, nil)), false},
		{"Deployment that no controller has seen", deploymentReady, object(nil, two, rolledOut(2, available)), false},
		{"Deployment in a roll-out", deploymentReady, object(second, two, rolledOut(2, available)), false},
		{"Deployment rolled out", deploymentReady, object(second, two,
			rolledOut(2, append(condition("Progressing", "NewReplicaSetAvailable"), available...))), true},
		{"StatefulSet", statefulSetReady, object(nil, two, set(2, "b")), true},
		{"StatefulSet with old pods", statefulSetReady, object(nil, two, set(1, "a")), false},
		{"StatefulSet whose pods a person replaces", statefulSetReady, changed, true},
		{"Job without a status", jobComplete, object(nil, nil, nil), false},
		{"Job", jobComplete, object(nil, nil, map[string]any{
			"startTime": "2026-01-01T00:00:00Z", "conditions": condition("Complete", ""),
		}), true},
		{"quota", quotaCounted, object(nil, map[string]any{"hard": map[string]any{"cpu": "0.5"}},
			map[string]any{"hard": map[string]any{"cpu": "500m"}}), true},
		{"quota of another size", quotaCounted, object(nil, map[string]any{"hard": map[string]any{"cpu": "1"}},
			map[string]any{"hard": map[string]any{"cpu": "500m"}}), false},
		{"quota with one limit less", quotaCounted, object(nil, map[string]any{"hard": map[string]any{}},
			map[string]any{"hard": map[string]any{"cpu": "500m"}}), false},
		{"plain Secret", tokenIssued, map[string]any{"type": "Opaque"}, true},
		{"Secret for a token", tokenIssued, map[string]any{"type": "kubernetes.io/service-account-token"}, false},
		{"Secret with a token", tokenIssued, map[string]any{
			"type": "kubernetes.io/service-account-token", "data": map[string]any{"token": "eA=="},
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			missing, err := c.check(c.object)
			if err != nil || (missing == "") != c.ready {
				t.Errorf("missing is %q, %v", missing, err)
			}
		})
	}
	if _, err := jobComplete(object(nil, nil, map[string]any{"conditions": condition("Failed", "DeadlineExceeded")})); err == nil ||
		!strings.Contains(err.Error(), "DeadlineExceeded: too often") {
		t.Errorf("a failed Job: %v", err)
	}
}

func TestWaitFor(t *testing.T) {
	certificate := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"generation": int64(2)},
		"status": map[string]any{
			"observedGeneration": int64(2), "phase": "Issued", "hosts": []any{"a"},
			"conditions": []any{
				map[string]any{"type": "Ready", "status": "True"},
				map[string]any{"type": "Issuing", "status": "False", "message": "done"},
				map[string]any{"type": "Old", "status": "True", "observedGeneration": int64(1)},
			},
		},
	}}
	for expression, want := range map[string]string{
		"condition=Ready":                  "",
		"condition=ready=true":             "",
		"condition=Issuing":                "Issuing is False",
		"condition=Issuing=False":          "",
		"condition=Old":                    "Old is True",
		"condition=Absent":                 "no condition Absent",
		"jsonpath={.status.phase}":         "",
		"jsonpath={.status.phase}=Issued":  "",
		"jsonpath={.status.phase}=Pending": "is Issued, not Pending",
		"jsonpath={.status.absent}":        "not there",
		`jsonpath={.status.conditions[?(@.type=="Ready")].status}=True`: "",
		`["condition=Ready","jsonpath={.status.absent}"]`:               "not there",
	} {
		check, err := parseWaitFor(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		missing, err := check(t.Context(), certificate)
		if err != nil || (want == "") != (missing == "") || !strings.Contains(missing, want) {
			t.Errorf("%s: %q %v, want %q", expression, missing, err, want)
		}
	}
	for _, expression := range []string{
		"", "[]", "Ready", "condition=", "condition=Ready=", "jsonpath=.status.phase", "jsonpath={.status.phase}=", "jsonpath={[}", `["Ready"]`,
	} {
		if _, err := parseWaitFor(expression); err == nil {
			t.Errorf("%q is taken", expression)
		}
	}
	list, err := parseWaitFor("jsonpath={.status.hosts}=a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list(t.Context(), certificate); err == nil {
		t.Error("a list is compared with a word")
	}
}
