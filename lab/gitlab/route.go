package gitlab

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// route is one endpoint of the API. Its path is what follows /api/v4/; a
// segment that starts with a colon takes any value, which may hold escaped
// slashes (groups%2Fsub).
type route struct {
	method, path string
	// status is that of success.
	status int
	// access says which tokens may come here.
	access access
	// params are all parameters the endpoint takes, those in the path left out.
	params []param
	handle func(*call) (any, error)
}

// access is what a token needs for a route.
type access struct {
	// scopes: one of them is enough.
	scopes []string
	// anonymous routes answer without a token, as far as public things go.
	anonymous bool
	// admin routes are for administrators.
	admin bool
}

var (
	// reading is open to everyone, since projects and groups may be public.
	reading = access{scopes: []string{"api", "read_api"}, anonymous: true}
	// readingCode is for what a token of scope read_repository may see, too.
	readingCode = access{scopes: []string{"api", "read_api", "read_repository"}, anonymous: true}
	// readingAsUser needs to know who asks.
	readingAsUser = access{scopes: []string{"api", "read_api"}}
	// readingUsers is for what scope read_user is for.
	readingUsers = access{scopes: []string{"api", "read_api", "read_user"}}
	writing      = access{scopes: []string{"api"}}
	reigning     = access{scopes: []string{"api"}, admin: true}
	// anyToken needs a token and no scope of it.
	anyToken = access{}
)

// routes is the whole API.
func routes() []route {
	var all []route
	for _, part := range [][]route{
		instanceRoutes(), userRoutes(), tokenRoutes(), groupRoutes(), projectRoutes(), forkRoutes(),
		memberRoutes(), shareRoutes(), protectionRoutes(), deployKeyRoutes(), hookRoutes(),
		variableRoutes(), branchRoutes(), treeRoutes(), fileRoutes(), commitRoutes(),
		mergeRequestRoutes(), enterpriseRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

// match gives the route of a request and the values of its path's parameters.
// The path is split while still escaped, so an id may hold slashes.
func (s *Server) match(method, escapedPath string) (*route, map[string]string) {
	given := strings.Split(strings.TrimPrefix(escapedPath, "/api/v4/"), "/")
	for i := range s.routes {
		r := &s.routes[i]
		if r.method != method {
			continue
		}
		if values, ok := matchPath(strings.Split(r.path, "/"), given); ok {
			return r, values
		}
	}
	return nil, nil
}

func matchPath(pattern, given []string) (map[string]string, bool) {
	if len(pattern) != len(given) {
		return nil, false
	}
	values := map[string]string{}
	for i, want := range pattern {
		got, err := url.PathUnescape(given[i])
		switch {
		case err != nil:
			return nil, false
		case strings.HasPrefix(want, ":"):
			values[want[1:]] = got
		case want != got:
			return nil, false
		}
	}
	return values, true
}

// serveAPI finds the route, decodes the parameters, checks the token and runs
// the handler: reads side by side, writes one after the other.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	route, path := s.match(r.Method, r.URL.EscapedPath())
	if route == nil {
		s.unknown(w, r, "route")
		return
	}
	if err := s.settle(); err != nil {
		s.fail(w, r, err)
		return
	}
	c := &call{server: s, route: route, path: path, request: r}
	if err := c.readParams(); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.run(c); err != nil {
		s.fail(w, r, err)
		return
	}
	c.answer.send(w)
	for _, f := range c.after {
		f()
	}
}

// run executes a call under the lock its method needs. The answer is encoded
// under the lock, too: it may hold parts of data.
func (s *Server) run(c *call) (err error) {
	do := func(d *data) error {
		c.data = d
		if err := c.authenticate(); err != nil {
			return err
		}
		if err := c.checkParams(); err != nil {
			return err
		}
		result, err := c.route.handle(c)
		if err != nil {
			return err
		}
		c.answer, err = c.encode(result)
		return err
	}
	if c.route.method == http.MethodGet {
		return s.store.View(do)
	}
	return s.store.Update(do)
}

// unknown answers what this stand-in does not know, and says so in the log.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request, what string) {
	s.log.Warn("unknown "+what, "method", r.Method, "path", r.URL.EscapedPath())
	writeJSON(w, http.StatusNotImplemented, fields{
		"message": "501 The lab's GitLab does not know this " + what + ": " + r.Method + " " + r.URL.EscapedPath(),
	})
}

// fail answers an error: an *apiError as it is, anything else with 500.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var known *apiError
	if !errors.As(err, &known) {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.EscapedPath(), "error", err)
		writeJSON(w, http.StatusInternalServerError, fields{"message": "500 Internal Server Error"})
		return
	}
	if known.status == http.StatusNotImplemented {
		s.log.Warn("unknown parameter", "method", r.Method, "path", r.URL.EscapedPath(), "error", known.Error())
	}
	writeJSON(w, known.status, known.body)
}

// afterCommit has f run once the call's changes are on disk and answered.
func (c *call) afterCommit(f func()) { c.after = append(c.after, f) }

// readBody gives the request's body, up to GitLab's default limit of a push.
func readBody(r *http.Request) ([]byte, error) {
	const limit = 100 << 20
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(http.MaxBytesReader(nil, r.Body, limit)); err != nil {
		return nil, &apiError{http.StatusRequestEntityTooLarge, fields{"error": "Request Entity Too Large"}}
	}
	return buf.Bytes(), nil
}
