package gitlab

import (
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// param is a parameter of a route: its name, type and what is allowed in it.
type param struct {
	name     string
	kind     kind
	required bool
	// values, when given, are all that is allowed.
	values []string
	// paid parameters belong to other editions; this one takes no notice.
	paid bool
}

type kind int

const (
	text kind = iota
	number
	flag
	texts
	// objects are lists of objects, which the handler decodes itself.
	objects
)

func str(name string) param                    { return param{name: name, kind: text} }
func num(name string) param                    { return param{name: name, kind: number} }
func boolean(name string) param                { return param{name: name, kind: flag} }
func strs(name string) param                   { return param{name: name, kind: texts} }
func objs(name string) param                   { return param{name: name, kind: objects} }
func enum(name string, values ...string) param { return param{name: name, kind: text, values: values} }
func level(name string, values ...string) param {
	return param{name: name, kind: number, values: values}
}
func paid(names ...string) (out []param) {
	for _, n := range names {
		out = append(out, param{name: n, kind: objects, paid: true})
	}
	return out
}

// must makes a parameter required.
func (p param) must() param { p.required = true; return p }

// everywhere are taken by each route: pagination, the token in the query and
// the user to act as.
var everywhere = []string{"page", "per_page", "private_token", "access_token", "sudo"}

// readParams collects the query and the body, JSON or a form.
func (c *call) readParams() error {
	c.params = map[string]any{}
	addForm(c.params, c.request.URL.Query())
	body, err := readBody(c.request)
	if err != nil || len(body) == 0 {
		return err
	}
	kind, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return refuse(http.StatusBadRequest, "400 Bad request")
		}
		addForm(c.params, form)
	case "application/json", "":
		var object map[string]any
		if err := json.Unmarshal(body, &object); err != nil {
			return &apiError{http.StatusBadRequest, fields{"error": "The provided content is not valid JSON"}}
		}
		for name, v := range object {
			inner, isObject := v.(map[string]any)
			if !isObject {
				c.params[name] = v
			}
			// {"a":{"b":1}} means the same as a[b]=1 in a query.
			for key, v := range inner {
				c.params[name+"["+key+"]"] = v
			}
		}
	default:
		return &apiError{http.StatusUnsupportedMediaType, fields{"error": "The provided content-type '" + kind + "' is not supported."}}
	}
	return nil
}

func addForm(into map[string]any, form url.Values) {
	for name, values := range form {
		if short, isList := strings.CutSuffix(name, "[]"); isList {
			items := make([]any, len(values))
			for i, v := range values {
				items[i] = v
			}
			into[short] = items
			continue
		}
		into[name] = values[len(values)-1]
	}
}

// checkParams converts each parameter to its type. Real GitLab drops what it
// does not know; here that answers 501, lest a setting is lost unseen.
func (c *call) checkParams() error {
	if c.route.params == nil && c.route.status == http.StatusNotFound {
		return nil // a route of another edition
	}
	known := map[string]param{}
	for _, p := range c.route.params {
		known[p.name] = p
		if v, given := c.params[p.name]; p.required && (!given || v == nil) {
			return &apiError{http.StatusBadRequest, fields{"error": p.name + " is missing"}}
		}
	}
	for name, v := range c.params {
		p, ok := known[name]
		switch {
		case slices.Contains(everywhere, name):
			continue
		case !ok:
			return refuse(http.StatusNotImplemented, "501 The lab's GitLab does not know the parameter %s here", name)
		case p.paid || v == nil:
			delete(c.params, name)
			continue
		}
		converted, ok := p.convert(v)
		if !ok {
			return &apiError{http.StatusBadRequest, fields{"error": name + " is invalid"}}
		}
		if p.values != nil && !slices.Contains(p.values, asText(converted)) {
			return &apiError{http.StatusBadRequest, fields{"error": name + " does not have a valid value"}}
		}
		c.params[name] = converted
	}
	return nil
}

func asText(v any) string {
	if n, ok := v.(int); ok {
		return strconv.Itoa(n)
	}
	s, _ := v.(string)
	return s
}

// convert gives v the parameter's type, from text too, as query and form need.
func (p param) convert(v any) (any, bool) {
	s, isText := v.(string)
	switch p.kind {
	case text:
		switch v := v.(type) {
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64), true
		case bool:
			return strconv.FormatBool(v), true
		}
		return s, isText
	case number:
		if f, ok := v.(float64); ok && f == math.Trunc(f) {
			return int(f), true
		}
		n, err := strconv.Atoi(s)
		return n, isText && err == nil
	case flag:
		if b, ok := v.(bool); ok {
			return b, true
		}
		b, err := strconv.ParseBool(s)
		return b, isText && err == nil
	case texts:
		if isText {
			return splitList(s), true
		}
		items, isList := v.([]any)
		if !isList {
			items = []any{v}
		}
		out := make([]string, len(items))
		for i, item := range items {
			one, ok := param{kind: text}.convert(item)
			if !ok {
				return nil, false
			}
			out[i] = one.(string)
		}
		return out, true
	default:
		return v, true
	}
}

func splitList(s string) []string {
	out := []string{}
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// has says whether a parameter was given, and not as null.
func (c *call) has(name string) bool { _, ok := c.params[name]; return ok }

// text is a parameter of kind text, or "".
func (c *call) text(name string) string { s, _ := c.params[name].(string); return s }

// number is a parameter of kind number, or 0.
func (c *call) number(name string) int { n, _ := c.params[name].(int); return n }

// flag is a parameter of kind flag, or false.
func (c *call) flag(name string) bool { b, _ := c.params[name].(bool); return b }

// texts is a parameter of kind texts, or nil.
func (c *call) texts(name string) []string { l, _ := c.params[name].([]string); return l }

// textOr is a parameter of kind text, or another text.
func (c *call) textOr(name, other string) string {
	if c.has(name) {
		return c.text(name)
	}
	return other
}

// id is the number in a path's parameter; no number is no object.
func (c *call) id(name string) int {
	n, err := strconv.Atoi(c.path[name])
	if err != nil {
		return 0
	}
	return n
}
