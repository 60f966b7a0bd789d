package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The annotations by which a program tells the plugin how to treat one object
// (https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/#pulumi-annotations).
const (
	annotationPrefix = "pulumi.com/"

	autonamed           = annotationPrefix + "autonamed"
	skipAwait           = annotationPrefix + "skipAwait"
	waitFor             = annotationPrefix + "waitFor"
	timeoutSeconds      = annotationPrefix + "timeoutSeconds"
	patchForce          = annotationPrefix + "patchForce"
	deletionPropagation = annotationPrefix + "deletionPropagationPolicy"
)

// annotationValues say which values of an annotation mean something. The real
// plugin ignores any other.
var annotationValues = map[string]func(string) error{
	autonamed:  isBool,
	skipAwait:  isBool,
	patchForce: isBool,
	timeoutSeconds: func(v string) error {
		_, err := strconv.Atoi(v)
		return err
	},
	waitFor: func(v string) error {
		_, err := parseWaitFor(v)
		return err
	},
	deletionPropagation: func(v string) error {
		if _, ok := propagations[strings.ToLower(v)]; !ok {
			return fmt.Errorf("%q is none of orphan, background, foreground", v)
		}
		return nil
	},
}

func isBool(v string) error {
	if v != "true" && v != "false" {
		return fmt.Errorf(`%q is neither "true" nor "false"`, v)
	}
	return nil
}

var propagations = map[string]metav1.DeletionPropagation{
	"":           metav1.DeletePropagationForeground,
	"foreground": metav1.DeletePropagationForeground,
	"background": metav1.DeletePropagationBackground,
	"orphan":     metav1.DeletePropagationOrphan,
}

// checkAnnotations refuses what the plugin would not heed.
func checkAnnotations(annotations map[string]string) []plugin.CheckFailure {
	var failures []plugin.CheckFailure
	for key, value := range annotations {
		if !strings.HasPrefix(key, annotationPrefix) {
			continue
		}
		reason := "the lab's plugin kubernetes does not know this annotation"
		if check, known := annotationValues[key]; known {
			err := check(value)
			if err == nil {
				continue
			}
			reason = err.Error()
		}
		failures = append(failures, plugin.CheckFailure{
			Property: resource.PropertyKey(fmt.Sprintf("metadata.annotations[%q]", key)), Reason: reason,
		})
	}
	return failures
}

// defaultTimeout is for whatever is waited for.
const defaultTimeout = 10 * time.Minute

// timeout of a request on an object: the resource option customTimeouts, in
// seconds, beats the annotation.
func timeout(seconds float64, annotations map[string]string) time.Duration {
	if seconds > 0 {
		return time.Duration(seconds * float64(time.Second))
	}
	if n, err := strconv.Atoi(annotations[timeoutSeconds]); err == nil {
		return time.Duration(n) * time.Second
	}
	return defaultTimeout
}
