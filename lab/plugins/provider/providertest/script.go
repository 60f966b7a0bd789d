package providertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
)

// Exchange is a request that a plugin makes, and what the system answers.
type Exchange struct {
	// Request is the method and the escaped path with its query.
	Request string
	// Headers of the request, beside the script's.
	Headers map[string]string
	// Body is the JSON that the request carries, where fields that say nothing
	// (null, "", false, 0, {}, []) may come or go; "" for any.
	Body string
	// Status of the answer; 0 for 200.
	Status int
	// Location is a header of the answer.
	Location string
	// Answer is the body of the answer.
	Answer string
}

// Script is a system that expects one conversation: what a plugin asks besides,
// or in another order, fails the test, and so does what it leaves out.
type Script struct {
	URL string

	t       *testing.T
	headers map[string]string

	mu       sync.Mutex
	expected []Exchange
}

// NewScript serves a conversation. Each request carries the headers.
func NewScript(t *testing.T, headers map[string]string) *Script {
	t.Helper()
	s := &Script{t: t, headers: headers}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(s.Ended)
	return s
}

// Expect continues the conversation.
func (s *Script) Expect(exchanges ...Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected = append(s.expected, exchanges...)
}

// Ended fails the test when something was not asked.
func (s *Script) Ended() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.expected {
		s.t.Errorf("not asked: %s", e.Request)
	}
	s.expected = nil
}

func (s *Script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.Method + " " + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		request += "?" + r.URL.RawQuery
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("%s: %v", request, err)
	}
	e, ok := s.next()
	if !ok || e.Request != request {
		s.t.Errorf("asked %s, expected %q", request, e.Request)
		w.WriteHeader(http.StatusTeapot) // no plugin takes it for an answer
		return
	}
	for _, headers := range []map[string]string{s.headers, e.Headers} {
		for key, value := range headers {
			if r.Header.Get(key) != value {
				s.t.Errorf("%s: header %s is %q, not %q", request, key, r.Header.Get(key), value)
			}
		}
	}
	if err := sameBody(e.Body, body); err != nil {
		s.t.Errorf("%s: %v", request, err)
	}
	if e.Location != "" {
		w.Header().Set("Location", e.Location)
	}
	if e.Status != 0 {
		w.WriteHeader(e.Status)
	}
	_, _ = io.WriteString(w, e.Answer)
}

func (s *Script) next() (Exchange, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.expected) == 0 {
		return Exchange{}, false
	}
	e := s.expected[0]
	s.expected = s.expected[1:]
	return e, true
}

// sameBody compares JSON by its meaning.
func sameBody(want string, body []byte) error {
	if want == "" {
		return nil
	}
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		return fmt.Errorf("the test's body: %w", err)
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return fmt.Errorf("body %q: %w", body, err)
	}
	if !reflect.DeepEqual(telling(a), telling(b)) {
		return fmt.Errorf("body is %s, not %s", body, want)
	}
	return nil
}

// telling is a value without the fields that say nothing; nil for such a value.
func telling(v any) any {
	switch v := v.(type) {
	case string, bool, float64:
		if reflect.ValueOf(v).IsZero() {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case map[string]any:
		rest := map[string]any{}
		for key, item := range v {
			if item = telling(item); item != nil {
				rest[key] = item
			}
		}
		if len(rest) == 0 {
			return nil
		}
		return rest
	}
	return v
}
