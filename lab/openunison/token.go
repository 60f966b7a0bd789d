package openunison

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// clusterTimeout is for the questions to the control plane that one request needs.
const clusterTimeout = 10 * time.Second

// refusal is an error of the caller's.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

// serveToken answers with the bare token, as the application's filter prints it.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	token, err := s.targetToken(r)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		s.options.Log.Warn("no token", "status", refused.status, "reason", refused.reason)
		if refused.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="kubernetes"`)
		}
		http.Error(w, refused.reason, refused.status)
	case err != nil:
		s.options.Log.Error("no token", "error", err)
		http.Error(w, "the token could not be made", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, token) // a caller that has gone needs no token
	}
}

// targetToken finds out who asks before it tells anything of targets.
func (s *Server) targetToken(r *http.Request) (string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), clusterTimeout)
	defer cancel()
	caller, err := s.caller(ctx, r)
	if err != nil {
		return "", err
	}
	if caller != s.options.Caller {
		return "", &refusal{http.StatusForbidden, caller + " may not have tokens of targets"}
	}
	name := r.URL.Query().Get("targetName")
	audience, known, err := s.options.Target(ctx, name)
	if err != nil {
		return "", fmt.Errorf("looking up target %s: %w", name, err)
	}
	if !known {
		return "", &refusal{http.StatusNotFound, fmt.Sprintf("there is no target %q", name)}
	}
	token, err := s.issuer.token(audience, s.now())
	if err != nil {
		return "", fmt.Errorf("signing a token of target %s: %w", name, err)
	}
	return token, nil
}

// caller is whom the control plane says the request's token belongs to.
func (s *Server) caller(ctx context.Context, r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", &refusal{http.StatusUnauthorized, "the request has no bearer token"}
	}
	client, err := s.options.Cluster()
	if err != nil {
		return "", fmt.Errorf("reaching the control plane: %w", err)
	}
	review, err := client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("reviewing the caller's token: %w", err)
	}
	if review.Status.Error != "" || !review.Status.Authenticated {
		return "", &refusal{http.StatusUnauthorized, "the control plane does not know the request's token"}
	}
	return review.Status.User.Username, nil
}
