package harbor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// adminName is the one user of this Harbor.
const adminName = "admin"

// caller is who makes a request; the zero value is nobody known.
type caller struct {
	admin bool
	robot *Robot
}

func (c caller) anonymous() bool { return !c.admin && c.robot == nil }

// identify finds the caller by Basic authentication. As in Harbor wrong
// credentials are those of nobody: what is public answers all the same.
func (s *Server) identify(d *data, r *http.Request) caller {
	user, password, ok := r.BasicAuth()
	switch {
	case !ok:
	case user == adminName:
		return caller{admin: s.secrets.match(d.AdminHash, password)}
	default:
		robot := d.robotNamed(user)
		if robot != nil && robot.usable(time.Now()) && s.secrets.match(robot.Hash, password) {
			return caller{robot: robot}
		}
	}
	return caller{}
}

// usable is false of a robot that is disabled or has expired.
func (r *Robot) usable(now time.Time) bool {
	return !r.Disabled && (r.ExpiresAt == never || now.Unix() < r.ExpiresAt)
}

// may says whether the caller has an access in a project, or in the system when
// p is nil.
func (c *call) may(p *Project, resource, action string) bool {
	return c.who.may(p, resource, action)
}

func (w caller) may(p *Project, resource, action string) bool {
	want := access{Resource: resource, Action: action}
	switch {
	case w.admin:
		return true
	case p != nil && p.Metadata["public"] == "true" && contains(publicAccess, want):
		return true
	case w.robot == nil:
		return false
	}
	for _, granted := range w.robot.Permissions {
		if granted.covers(p) && contains(granted.Access, want) {
			return true
		}
	}
	return false
}

// require is nil when the caller has the access.
func (c *call) require(p *Project, resource, action string) error {
	if c.may(p, resource, action) {
		return nil
	}
	return c.denied()
}

// denied is the answer to a caller who lacks a right.
func (c *call) denied() error {
	if c.who.anonymous() {
		return refuse(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized")
	}
	return refuse(http.StatusForbidden, "FORBIDDEN", "forbidden")
}

// secrets hashes secrets and compares them with hashes. It remembers which
// matched which: bcrypt is slow on purpose, and clients send their secret with
// each request. The memory is of digests under a key that no file has.
type secrets struct {
	key []byte

	mu    sync.Mutex
	known map[string]bool
}

func newSecrets(key []byte) *secrets { return &secrets{key: key, known: map[string]bool{}} }

// hash makes the hash that is kept of a secret.
func (s *secrets) hash(secret string) (string, error) {
	raw, err := bcrypt.GenerateFromPassword(digest(secret), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hashing a secret: %w", err)
	}
	hash := string(raw)
	s.remember(s.id(hash, secret))
	return hash, nil
}

func (s *secrets) match(hash, secret string) bool {
	id := s.id(hash, secret)
	s.mu.Lock()
	known := s.known[id]
	s.mu.Unlock()
	if known {
		return true
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), digest(secret)) != nil {
		return false
	}
	s.remember(id)
	return true
}

func (s *secrets) id(hash, secret string) string {
	mac := hmac.New(sha256.New, s.key)
	_, _ = mac.Write([]byte(hash + "\x00" + secret))
	return string(mac.Sum(nil))
}

func (s *secrets) remember(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[id] = true
}

// digest has a secret's length cut down: bcrypt takes 72 bytes, and secrets may
// have more.
func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// robotNamed finds a robot by the name it logs in with.
func (d *data) robotNamed(full string) *Robot {
	name, ok := strings.CutPrefix(full, d.robotPrefix())
	if !ok {
		return nil
	}
	for _, r := range d.Robots {
		if d.shortName(r) == name {
			return r
		}
	}
	return nil
}
