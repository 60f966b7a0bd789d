// Package v1 has the question to an API server whose a token is
// (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/).
package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TokenReview asks whose a token is.
type TokenReview struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              TokenReviewSpec   `json:"spec"`
	Status            TokenReviewStatus `json:"status"`
}

// TokenReviewSpec is the question.
type TokenReviewSpec struct {
	Token     string   `json:"token,omitempty"`
	Audiences []string `json:"audiences,omitempty"`
}

// TokenReviewStatus is the answer.
type TokenReviewStatus struct {
	Authenticated bool     `json:"authenticated,omitempty"`
	User          UserInfo `json:"user"`
	Audiences     []string `json:"audiences,omitempty"`
	Error         string   `json:"error,omitempty"`
}

// UserInfo is whose the token is.
type UserInfo struct {
	Username string              `json:"username,omitempty"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}
