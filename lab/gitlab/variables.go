package gitlab

import (
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
)

const scopeFilter = "filter[environment_scope]"

func variableRoutes() []route {
	const all, one = "projects/:project/variables", "projects/:project/variables/:key"
	own := []param{
		str("description"), enum("variable_type", "env_var", "file"), str("environment_scope"),
		boolean("protected"), boolean("masked"), boolean("raw"),
	}
	create := slices.Concat(own, []param{str("key").must(), str("value").must(), boolean("masked_and_hidden")})
	update := slices.Concat(own, []param{str("value"), str(scopeFilter)})
	filter := []param{str(scopeFilter)}
	return []route{
		{http.MethodGet, all, 200, readingAsUser, nil, listVariables},
		{http.MethodPost, all, 201, writing, create, addVariable},
		{http.MethodGet, one, 200, readingAsUser, filter, getVariable},
		{http.MethodPut, one, 200, writing, update, changeVariable},
		{http.MethodDelete, one, 204, writing, filter, removeVariable},
	}
}

func sortedNames[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// renderVariable does not show the value of a hidden variable to anyone.
func renderVariable(v *Variable) fields {
	out := fields{
		"key": v.Key, "value": v.Value, "variable_type": v.Type, "description": nullableText(v.Description),
		"environment_scope": v.Environment, "protected": v.Protected, "masked": v.Masked, "hidden": v.Hidden, "raw": v.Raw,
	}
	if v.Hidden {
		out["value"] = nil
	}
	return out
}

// name is the key of a variable in its project: one for each environment scope.
func (v *Variable) name() string { return v.Key + "\n" + v.Environment }

func listVariables(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	out := list{}
	for _, name := range sortedNames(p.Variables) {
		out = append(out, renderVariable(p.Variables[name]))
	}
	return out, nil
}

// variable is the one in the path. When there are several of the key, the filter
// has to say which.
func (c *call) variable() (*Project, *Variable, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, nil, err
	}
	var found []*Variable
	for _, v := range p.Variables {
		if v.Key == c.path["key"] && (!c.has(scopeFilter) || v.Environment == c.text(scopeFilter)) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil, notFound("Variable")
	case 1:
		return p, found[0], nil
	}
	return nil, nil, refuse(http.StatusConflict, "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'")
}

func getVariable(c *call) (any, error) {
	_, v, err := c.variable()
	if err != nil {
		return nil, err
	}
	return renderVariable(v), nil
}

var (
	variableKey   = regexp.MustCompile(`^[a-zA-Z0-9_]{1,255}$`)
	maskableValue = regexp.MustCompile(`^\S{8,}$`)
)

// applyVariable gives what the variable becomes, or what is wrong with that.
func (c *call) applyVariable(p *Project, old Variable) (*Variable, error) {
	v := old
	for name, into := range map[string]*string{
		"value": &v.Value, "description": &v.Description, "variable_type": &v.Type, "environment_scope": &v.Environment,
	} {
		if c.has(name) {
			*into = c.text(name)
		}
	}
	for name, into := range map[string]*bool{"protected": &v.Protected, "masked": &v.Masked, "raw": &v.Raw} {
		if c.has(name) {
			*into = c.flag(name)
		}
	}
	if c.flag("masked_and_hidden") || old.Hidden {
		v.Masked, v.Hidden = true, true
	}
	switch {
	case !variableKey.MatchString(v.Key):
		return nil, invalid("key", "can contain only letters, digits and '_'.")
	case v.Masked && !maskableValue.MatchString(v.Value):
		return nil, invalid("value", "is invalid")
	case v.Environment == "" || strings.ContainsAny(v.Environment, "\n\t"):
		return nil, invalid("environment_scope", "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*' and spaces")
	case p.Variables[v.name()] != nil && v.name() != old.name():
		return nil, invalid("key", "("+v.Key+") has already been taken")
	}
	return &v, nil
}

func addVariable(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	v, err := c.applyVariable(p, Variable{Key: c.text("key"), Type: "env_var", Environment: "*"})
	if err != nil {
		return nil, err
	}
	if p.Variables[v.name()] != nil {
		return nil, invalid("key", "("+v.Key+") has already been taken")
	}
	p.Variables[v.name()] = v
	return renderVariable(v), nil
}

func changeVariable(c *call) (any, error) {
	p, old, err := c.variable()
	if err != nil {
		return nil, err
	}
	v, err := c.applyVariable(p, *old)
	if err != nil {
		return nil, err
	}
	delete(p.Variables, old.name())
	p.Variables[v.name()] = v
	return renderVariable(v), nil
}

func removeVariable(c *call) (any, error) {
	p, v, err := c.variable()
	if err != nil {
		return nil, err
	}
	delete(p.Variables, v.name())
	return nil, nil
}
