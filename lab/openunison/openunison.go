// Package openunison plays the part of OpenUnison that Argo CD's delivery needs:
// its provider remotek8s, whose tokens the management kube-oidc-proxy of a
// cluster trusts, and its application get-target-token, which hands them out.
//
// It answers as the product does where somebody may rely on it. The caller is
// whom a TokenReview of the control plane says, so the token of an account or pod
// that is gone is worth nothing. A token is good for one cluster and one minute,
// names openunison-control-plane and has no groups. Two answers are clearer than
// the product's, which fails with 500: 404 for an unknown target, and 501, with a
// line in the log, for what is not known here.
//
// Left out: logging people in, the portal, the provider k8sIdp, and targets that
// are other than clusters.
//
// Facts are taken from OpenUnison 1.0.46 (OpenShiftTarget.java and
// OAuth2K8sServiceAccount.java for the token and the caller, OpenIDConnectIdP.java
// and OpenIDConnectConfig.java for the provider), from the charts
// orchestra-login-portal and openunison-k8s-add-cluster, and from
// https://openunison.github.io/.
package openunison

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
)

// ApplicationController is the account of Argo CD's application controller, with
// the names that the chart argo-cd gives it in a release argocd.
const ApplicationController = "system:serviceaccount:argocd:argocd-application-controller"

// Client gives the client of the control plane. It is asked for at each request,
// since the cluster may start later than this server.
type Client func() (kubernetes.Interface, error)

// Options say whom a server gives tokens, and for what.
type Options struct {
	// Dir holds the signing key. It is made with mode 0700.
	Dir string
	// Host is OpenUnison's name, e.g. openunison.platform.test.
	Host string
	// Cluster reviews callers' tokens.
	Cluster Client
	// Caller is the only user that gets tokens, e.g. ApplicationController.
	Caller string
	// Target gives the audience of a target's tokens, e.g. that of ClusterSecrets.
	Target func(ctx context.Context, name string) (audience string, known bool, err error)
	// Log gets refusals, failures and what is not known here.
	Log *slog.Logger
}

// Server is one OpenUnison.
type Server struct {
	options Options
	issuer  *issuer
	now     func() time.Time
}

// New opens the server whose key is in o.Dir, or makes one with a new key.
func New(o Options) (*Server, error) {
	if o.Host == "" || o.Caller == "" || o.Cluster == nil || o.Target == nil || o.Log == nil {
		return nil, errors.New("OpenUnison needs a host, a cluster, a caller, targets and a log")
	}
	issuer, err := newIssuer(o.Host, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("OpenUnison's provider %s: %w", provider, err)
	}
	return &Server{options: o, issuer: issuer, now: time.Now}, nil
}

// Handler serves get-target-token and the public part of remotek8s.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/get-target-token", s.serveToken)
	mux.HandleFunc("GET "+providerPath+"/.well-known/openid-configuration", s.serveDiscovery)
	mux.HandleFunc("GET "+providerPath+"/certs", s.serveKeys)
	mux.HandleFunc("/", s.unknown)
	return mux
}

// unknown answers what this stand-in does not know, and says so in the log.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.options.Log.Warn("unknown route", "method", r.Method, "path", r.URL.EscapedPath())
	http.Error(w, "the lab's OpenUnison does not know "+r.Method+" "+r.URL.EscapedPath(), http.StatusNotImplemented)
}
