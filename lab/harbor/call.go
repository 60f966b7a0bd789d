package harbor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// fields is a JSON object on its way out.
type fields map[string]any

// list is a result that is answered page by page.
type list []any

// created is the result of a POST: the id of the new object, and what is told
// of it, mostly nothing.
type created struct {
	id   int
	body any
}

// call is one request to the API.
type call struct {
	server  *Server
	request *http.Request
	// data may be changed by routes that are no GET.
	data *data
	who  caller
}

// apiError is an answer other than success, in the form of Harbor's
// src/lib/errors.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func refuse(status int, code, format string, args ...any) error {
	return &apiError{status, code, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "BAD_REQUEST", format, args...)
}

// unprocessable is the answer to what Harbor's API description rules out.
func unprocessable(format string, args ...any) error {
	return refuse(http.StatusUnprocessableEntity, "UNPROCESSABLE_ENTITY", format, args...)
}

func notFound(format string, args ...any) error {
	return refuse(http.StatusNotFound, "NOT_FOUND", format, args...)
}

func conflict(format string, args ...any) error {
	return refuse(http.StatusConflict, "CONFLICT", format, args...)
}

// unknown is the answer to what Harbor may know and this stand-in does not.
func unknown(format string, args ...any) error {
	return refuse(http.StatusNotImplemented, "NOT_IMPLEMENTED", "the lab's Harbor does not know "+format, args...)
}

func writeError(w http.ResponseWriter, e *apiError) {
	writeJSON(w, e.status, fields{"errors": []fields{{"code": e.code, "message": e.message}}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"errors":[{"code":"UNKNOWN","message":"internal server error"}]}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// fail answers an error: an *apiError as it is, anything else with 500.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var known *apiError
	if !errors.As(err, &known) {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		known = &apiError{http.StatusInternalServerError, "UNKNOWN", "internal server error"}
	}
	if known.status == http.StatusNotImplemented {
		s.log.Warn("not known", "method", r.Method, "path", r.URL.Path, "error", known.message)
	}
	writeError(w, known)
}

// body decodes the request into a struct. Fields that are not in it are refused,
// so that nobody believes they had an effect.
func (c *call) body(into any) error {
	const limit = 1 << 20
	decoder := json.NewDecoder(http.MaxBytesReader(nil, c.request.Body, limit))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err != nil && strings.HasPrefix(err.Error(), "json: unknown field") {
		return unknown("the %s in the body", strings.TrimPrefix(err.Error(), "json: unknown "))
	}
	if err != nil {
		return unprocessable("parsing the body failed: %v", err)
	}
	return nil
}

// id is a number in the path.
func (c *call) id(name string) (int, error) {
	id, err := strconv.Atoi(c.request.PathValue(name))
	if err != nil {
		return 0, unprocessable("%s in path must be of type int64: %q", name, c.request.PathValue(name))
	}
	return id, nil
}

// checkQuery refuses parameters that a route does not know.
func (c *call) checkQuery(known []string) error {
	for name := range c.request.URL.Query() {
		found := name == "page" || name == "page_size"
		for _, k := range known {
			found = found || k == name
		}
		if !found {
			return unknown("the query parameter %q here", name)
		}
	}
	return nil
}

// send answers a call that succeeded.
func (c *call) send(status int, header http.Header, w http.ResponseWriter, body []byte) {
	for name, values := range header {
		w.Header()[name] = values
	}
	if len(body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// encode makes header and body for what a handler gave.
func (c *call) encode(result any) (http.Header, []byte, error) {
	header := http.Header{}
	switch r := result.(type) {
	case nil:
		return header, nil, nil
	case created:
		// A path, never a whole URL: clients take it for the object's id.
		header.Set("Location", strings.TrimSuffix(c.request.URL.Path, "/")+"/"+strconv.Itoa(r.id))
		if r.body == nil {
			return header, nil, nil
		}
		result = r.body
	case list:
		page, err := c.page(header, r)
		if err != nil {
			return nil, nil, err
		}
		result = page
	}
	var text bytes.Buffer
	err := json.NewEncoder(&text).Encode(result)
	return header, text.Bytes(), err
}

// page cuts the page that was asked for out of all.
func (c *call) page(h http.Header, all list) (list, error) {
	const most = 100
	page, size := 1, 10
	for name, into := range map[string]*int{"page": &page, "page_size": &size} {
		text := c.request.URL.Query().Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, unprocessable("%s in query must be a positive number: %q", name, text)
		}
		*into = n
	}
	if size > most {
		return nil, unprocessable("page_size in query should be less than or equal to %d", most)
	}
	start := min((page-1)*size, len(all))
	end := min(start+size, len(all))
	h.Set("X-Total-Count", strconv.Itoa(len(all)))
	var links []string
	if page > 1 {
		links = append(links, c.link(page-1, size, "prev"))
	}
	if end < len(all) {
		links = append(links, c.link(page+1, size, "next"))
	}
	if links != nil {
		h.Set("Link", strings.Join(links, " , "))
	}
	return append(list{}, all[start:end]...), nil
}

func (c *call) link(page, size int, rel string) string {
	q := c.request.URL.Query()
	q.Set("page", strconv.Itoa(page))
	q.Set("page_size", strconv.Itoa(size))
	u := url.URL{Path: c.request.URL.Path, RawQuery: q.Encode()}
	return fmt.Sprintf("<%s>; rel=%q", u.String(), rel)
}
