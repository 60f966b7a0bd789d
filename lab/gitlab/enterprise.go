package gitlab

import "net/http"

// enterpriseRoutes exist in the paid editions only. The Community Edition knows
// none of them, and clients ask for some to find that out.
func enterpriseRoutes() []route {
	var routes []route
	for _, r := range []struct{ method, path string }{
		{http.MethodGet, "projects/:project/push_rule"},
		{http.MethodPost, "projects/:project/push_rule"},
		{http.MethodPut, "projects/:project/push_rule"},
		{http.MethodDelete, "projects/:project/push_rule"},
		{http.MethodGet, "groups/:group/push_rule"},
		{http.MethodPost, "groups/:group/push_rule"},
		{http.MethodPut, "groups/:group/push_rule"},
		{http.MethodDelete, "groups/:group/push_rule"},
		{http.MethodGet, "projects/:project/approvals"},
		{http.MethodPost, "projects/:project/approvals"},
		{http.MethodGet, "projects/:project/approval_rules"},
		{http.MethodPost, "projects/:project/approval_rules"},
		{http.MethodGet, "projects/:project/protected_environments"},
		{http.MethodPost, "projects/:project/protected_environments"},
	} {
		routes = append(routes, route{r.method, r.path, http.StatusNotFound, anyToken, nil, missing})
	}
	return routes
}

func missing(*call) (any, error) {
	return nil, &apiError{http.StatusNotFound, fields{"error": "404 Not Found"}}
}
