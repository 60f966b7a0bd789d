package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
)

// parseWaitFor reads the annotation pulumi.com/waitFor: what to wait for in the
// place of the plugin's own rule, as of `kubectl wait --for`, or a JSON list of
// such, which must all hold.
func parseWaitFor(text string) (check, error) {
	var expressions []string
	if json.Unmarshal([]byte(text), &expressions) != nil {
		expressions = []string{text}
	}
	if len(expressions) == 0 {
		return nil, errors.New("waitFor names no condition")
	}
	var checks []check
	for _, expression := range expressions {
		one, err := parseExpression(expression)
		if err != nil {
			return nil, fmt.Errorf("waitFor %q: %w", expression, err)
		}
		checks = append(checks, one)
	}
	return func(ctx context.Context, live *unstructured.Unstructured) (string, error) {
		for _, one := range checks {
			if missing, err := one(ctx, live); missing != "" || err != nil {
				return missing, err
			}
		}
		return "", nil
	}, nil
}

func parseExpression(expression string) (check, error) {
	if condition, ok := strings.CutPrefix(expression, "condition="); ok {
		return conditionHolds(condition)
	}
	if path, ok := strings.CutPrefix(expression, "jsonpath="); ok {
		return pathHolds(path)
	}
	return nil, errors.New("it begins with neither condition= nor jsonpath=")
}

// stale says whether an object's controller has not seen its last change yet.
func stale(live *unstructured.Unstructured, part map[string]any) bool {
	observed, found, _ := unstructured.NestedInt64(part, "observedGeneration")
	if !found {
		observed, found, _ = unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	}
	return found && observed < live.GetGeneration()
}

// conditionHolds reads Type or Type=Status, of which the case does not count.
func conditionHolds(expression string) (check, error) {
	kind, status, given := strings.Cut(expression, "=")
	if !given {
		status = "True"
	}
	if kind == "" || status == "" {
		return nil, errors.New("the form is condition=<type> or condition=<type>=<status>")
	}
	return func(_ context.Context, live *unstructured.Unstructured) (string, error) {
		conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
		for _, c := range conditions {
			condition, _ := c.(map[string]any)
			found, _ := condition["type"].(string)
			if !strings.EqualFold(found, kind) {
				continue
			}
			is, _ := condition["status"].(string)
			if strings.EqualFold(is, status) && !stale(live, condition) {
				return "", nil
			}
			return fmt.Sprintf("condition %s is %s: %v", kind, is, condition["message"]), nil
		}
		return "it has no condition " + kind, nil
	}, nil
}

// pathForm is a path in braces and, after one equals sign, the value it must
// have.
var pathForm = regexp.MustCompile(`^(\{[^{}]+\})(?:=([^=].*))?$`)

// pathHolds reads {path} or {path}=value: without a value the path must exist.
func pathHolds(expression string) (check, error) {
	parts := pathForm.FindStringSubmatch(expression)
	if parts == nil {
		return nil, errors.New("the form is jsonpath={.path} or jsonpath={.path}=value")
	}
	path, want := jsonpath.New("waitFor").AllowMissingKeys(true), parts[2]
	if err := path.Parse(parts[1]); err != nil {
		return nil, err
	}
	return func(_ context.Context, live *unstructured.Unstructured) (string, error) {
		if stale(live, nil) {
			return "its controller has not seen it yet", nil
		}
		found, err := path.FindResults(live.Object)
		if err != nil {
			return "", err
		}
		if len(found) == 0 || len(found[0]) == 0 {
			return parts[1] + " is not there yet", nil
		}
		is := found[0][0].Interface()
		if isContainer(is) && want != "" {
			return "", fmt.Errorf("%s is a list or an object, not %s", parts[1], want)
		}
		if want == "" || fmt.Sprint(is) == want {
			return "", nil
		}
		return fmt.Sprintf("%s is %v, not %s", parts[1], is, want), nil
	}, nil
}
