// Package v1 has, of Kubernetes' core, the two kinds of which the log-in by
// Kubernetes accounts reads the labels and annotations
// (https://kubernetes.io/docs/reference/kubernetes-api/).
package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Namespace is a namespace.
type Namespace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
}

// ServiceAccount is an account.
type ServiceAccount Namespace
