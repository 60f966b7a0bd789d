package openunison

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// provider signs the tokens for other clusters and logs nobody in
	// (orchestra-login-portal, templates/openunison/applications/remotek8s.yaml).
	provider     = "remotek8s"
	providerPath = "/auth/idp/" + provider
	// subject is whom the tokens name (openunison-k8s-add-cluster,
	// templates/targets/remote-cluster.yaml).
	subject = "openunison-control-plane"
	// life is how long a token is good, and grace how far before its making it
	// begins to be (OpenShiftTarget.java, generateOidcToken).
	life  = time.Minute
	grace = time.Minute
)

// issuer is the provider's address and key.
type issuer struct {
	url    string
	public jose.JSONWebKey
	signer jose.Signer
}

func newIssuer(host, dir string) (*issuer, error) {
	private, err := signingKey(dir)
	if err != nil {
		return nil, err
	}
	// OpenUnison signs with RS256, the one algorithm that kube-oidc-proxy takes
	// unless told otherwise.
	public := jose.JSONWebKey{Key: private.Public(), Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: public.KeyID},
	}, nil)
	if err != nil {
		return nil, err
	}
	return &issuer{url: "https://" + host + providerPath, public: public, signer: signer}, nil
}

// signingKey reads the key, or makes it: proxies keep trusting the same issuer
// over a restart.
func signingKey(dir string) (*rsa.PrivateKey, error) {
	file := filepath.Join(dir, provider+".key")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the signing key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", file, err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, not an RSA key", file, key)
	}
	return private, nil
}

// makeKey writes a new key under another name first, so that a killed server
// leaves none or a whole one.
func makeKey(file string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making the signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making the signing key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("making the key's folder: %w", err)
	}
	if err := os.WriteFile(file+".new", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, fmt.Errorf("writing the signing key: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return nil, fmt.Errorf("writing the signing key: %w", err)
	}
	return key, nil
}

// token is good from now on, for one audience.
func (i *issuer) token(audience string, now time.Time) (string, error) {
	return jwt.Signed(i.signer).Claims(jwt.Claims{
		Issuer: i.url, Subject: subject, Audience: jwt.Audience{audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now.Add(-grace)), Expiry: jwt.NewNumericDate(now.Add(life)),
	}).Serialize()
}

// discovery is the provider's description
// (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
// The endpoints for logging in are named because the standard requires them.
type discovery struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	KeysURI               string   `json:"jwks_uri"`
	ResponseTypes         []string `json:"response_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	Claims                []string `json:"claims_supported"`
}

func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	url := s.issuer.url
	s.answer(w, r, discovery{
		Issuer: url, AuthorizationEndpoint: url + "/auth", TokenEndpoint: url + "/token", KeysURI: url + "/certs",
		ResponseTypes:     []string{"code", "token", "id_token"},
		SubjectTypes:      []string{"public"},
		SigningAlgorithms: []string{s.issuer.public.Algorithm},
		Claims:            []string{"sub", "aud", "iss", "exp"},
	})
}

func (s *Server) serveKeys(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.issuer.public}})
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.options.Log.Warn("answer cut off", "path", r.URL.Path, "error", err)
	}
}
