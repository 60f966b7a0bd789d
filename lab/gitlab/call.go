package gitlab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// fields is a JSON object on its way out.
type fields map[string]any

// list is a result that is answered page by page.
type list []any

// rawFile is a result that is not JSON.
type rawFile struct {
	name    string
	content []byte
}

// call is one request to the API.
type call struct {
	server  *Server
	route   *route
	request *http.Request
	path    map[string]string
	params  map[string]any
	answer  answer
	after   []func()

	// data may be changed by routes that are no GET.
	data *data
	// user is nil when nobody has identified himself.
	user  *User
	token *Token
}

// apiError is an answer other than success.
type apiError struct {
	status int
	body   any
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %v", e.status, e.body) }

// refuse answers with a message, in the form most of GitLab's errors have.
func refuse(status int, format string, args ...any) error {
	return &apiError{status, fields{"message": fmt.Sprintf(format, args...)}}
}

// notFound answers 404 for what is not there or may not be seen; GitLab makes no
// difference between the two.
func notFound(what string) error {
	if what == "" {
		return refuse(http.StatusNotFound, "404 Not found")
	}
	return refuse(http.StatusNotFound, "404 %s Not Found", what)
}

// forbidden answers 403 to someone who may see the object and not do that.
func forbidden(reason string) error {
	if reason != "" {
		reason = " - " + reason
	}
	return refuse(http.StatusForbidden, "403 Forbidden%s", reason)
}

// invalid answers 400 with the faults of each attribute, as Rails validations do.
func invalid(attribute string, faults ...string) error {
	return &apiError{http.StatusBadRequest, fields{"message": fields{attribute: faults}}}
}

// takenError is the answer to a name or path that is in use.
func takenError(status int, attributes ...string) error {
	body := fields{}
	for _, a := range attributes {
		body[a] = []string{"has already been taken"}
	}
	return &apiError{status, fields{"message": body}}
}

// answer is what is sent for a call that succeeded.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// encode makes the answer for what a handler gave: a list is cut into pages, a
// rawFile sent as it is, anything else as JSON.
func (c *call) encode(result any) (answer, error) {
	a := answer{status: c.route.status, header: http.Header{}}
	switch r := result.(type) {
	case rawFile:
		a.header.Set("Content-Type", "text/plain; charset=utf-8")
		a.header.Set("X-Gitlab-File-Name", r.name)
		a.header.Set("X-Gitlab-Size", strconv.Itoa(len(r.content)))
		a.body = r.content
		return a, nil
	case list:
		var err error
		if result, err = c.page(a.header, r); err != nil {
			return a, err
		}
	}
	if a.status == http.StatusNoContent {
		return a, nil
	}
	var err error
	a.header.Set("Content-Type", "application/json")
	a.body, err = json.Marshal(result)
	return a, err
}

// writeJSON answers outside of a call: errors and health checks.
func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"message":"500 Internal Server Error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// page cuts the page that was asked for out of all, and says in the headers
// where the others are.
// https://docs.gitlab.com/17.11/ee/api/rest/#offset-based-pagination
func (c *call) page(h http.Header, all list) (list, error) {
	page, per := 1, 20
	for name, into := range map[string]*int{"page": &page, "per_page": &per} {
		if text := c.request.URL.Query().Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return nil, &apiError{http.StatusBadRequest, fields{"error": name + " does not have a valid value"}}
			}
			*into = n
		}
	}
	per = min(per, 100)
	pages := max(1, (len(all)+per-1)/per)
	start := min((page-1)*per, len(all))
	end := min(start+per, len(all))

	number := func(n int) string {
		if n < 1 || n > pages {
			return ""
		}
		return strconv.Itoa(n)
	}
	h.Set("X-Page", strconv.Itoa(page))
	h.Set("X-Per-Page", strconv.Itoa(per))
	h.Set("X-Next-Page", number(page+1))
	h.Set("X-Prev-Page", number(page-1))
	h.Set("X-Total", strconv.Itoa(len(all)))
	h.Set("X-Total-Pages", strconv.Itoa(pages))
	link := ""
	for _, l := range []struct {
		rel  string
		page int
	}{{"prev", page - 1}, {"next", page + 1}, {"first", 1}, {"last", pages}} {
		if number(l.page) == "" {
			continue
		}
		if link != "" {
			link += ", "
		}
		link += fmt.Sprintf("<%s>; rel=%q", c.pageURL(l.page, per), l.rel)
	}
	h.Set("Link", link)
	return append(list{}, all[start:end]...), nil
}

func (c *call) pageURL(page, per int) string {
	q := c.request.URL.Query()
	q.Del("private_token")
	q.Set("page", strconv.Itoa(page))
	q.Set("per_page", strconv.Itoa(per))
	u := url.URL{Scheme: c.server.external.Scheme, Host: c.server.external.Host, RawQuery: q.Encode()}
	u.Path, u.RawPath = c.request.URL.Path, c.request.URL.RawPath
	return u.String()
}

// listOf renders items one by one.
func listOf[T any](items []T, render func(T) fields) list {
	out := make(list, 0, len(items))
	for _, item := range items {
		out = append(out, render(item))
	}
	return out
}

// link is an address of this server's web pages.
func (s *Server) link(path string) string { return s.external.JoinPath(path).String() }

// accepted is the body of a 202 answer.
var accepted = fields{"message": "202 Accepted"}
