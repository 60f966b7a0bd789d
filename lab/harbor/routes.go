package harbor

import (
	"net/http"
	"strings"
)

// route is one endpoint of the API.
type route struct {
	pattern string
	// status is that of success. The provider takes no other code of the 200s.
	status int
	handle func(*call) (any, error)
	// query are the parameters the endpoint takes beside page and page_size.
	query []string
}

const api = "/api/v2.0"

// routes is the whole API.
var routes = []route{
	{"GET " + api + "/ping", http.StatusOK, (*call).ping, nil},
	{"GET " + api + "/health", http.StatusOK, (*call).health, nil},
	{"GET " + api + "/systeminfo", http.StatusOK, (*call).systemInfo, nil},
	{"GET " + api + "/users/current", http.StatusOK, (*call).currentUser, nil},
	{"GET " + api + "/usergroups", http.StatusOK, (*call).listGroups, nil},
	{"GET " + api + "/configurations", http.StatusOK, (*call).readConfiguration, nil},
	{"PUT " + api + "/configurations", http.StatusOK, (*call).writeConfiguration, nil},

	{"GET " + api + "/quotas", http.StatusOK, (*call).listQuotas, []string{"reference", "reference_id"}},
	{"GET " + api + "/quotas/{$}", http.StatusOK, (*call).listQuotas, []string{"reference", "reference_id"}},
	{"GET " + api + "/quotas/{quota}", http.StatusOK, (*call).readQuota, nil},
	{"PUT " + api + "/quotas/{quota}", http.StatusOK, (*call).writeQuota, nil},

	{"GET " + api + "/projects", http.StatusOK, (*call).listProjects, []string{"name", "public", "with_detail"}},
	{"HEAD " + api + "/projects", http.StatusOK, (*call).projectExists, []string{"project_name"}},
	{"POST " + api + "/projects", http.StatusCreated, (*call).createProject, nil},
	{"GET " + api + "/projects/{project}", http.StatusOK, (*call).readProject, nil},
	{"PUT " + api + "/projects/{project}", http.StatusOK, (*call).updateProject, nil},
	{"DELETE " + api + "/projects/{project}", http.StatusOK, (*call).deleteProject, nil},
	{"GET " + api + "/projects/{project}/_deletable", http.StatusOK, (*call).projectDeletable, nil},

	{"GET " + api + "/projects/{project}/repositories", http.StatusOK, (*call).listRepositories, nil},
	{"DELETE " + api + "/projects/{project}/repositories/{repository}", http.StatusOK, (*call).deleteRepository, nil},

	{"GET " + api + "/projects/{project}/members", http.StatusOK, (*call).listMembers, []string{"entityname"}},
	{"POST " + api + "/projects/{project}/members", http.StatusCreated, (*call).createMember, nil},
	{"GET " + api + "/projects/{project}/members/{member}", http.StatusOK, (*call).readMember, nil},
	{"PUT " + api + "/projects/{project}/members/{member}", http.StatusOK, (*call).updateMember, nil},
	{"DELETE " + api + "/projects/{project}/members/{member}", http.StatusOK, (*call).deleteMember, nil},

	{"GET " + api + "/robots", http.StatusOK, (*call).listRobots, []string{"q"}},
	{"POST " + api + "/robots", http.StatusCreated, (*call).createRobot, nil},
	{"GET " + api + "/robots/{robot}", http.StatusOK, (*call).readRobot, nil},
	{"PUT " + api + "/robots/{robot}", http.StatusOK, (*call).updateRobot, nil},
	{"PATCH " + api + "/robots/{robot}", http.StatusOK, (*call).refreshSecret, nil},
	{"DELETE " + api + "/robots/{robot}", http.StatusOK, (*call).deleteRobot, nil},
}

// serve runs a route: reads side by side, writes one after the other. The answer
// is encoded under the lock, as it may hold parts of data.
func (s *Server) serve(r route) http.Handler {
	method, _, _ := strings.Cut(r.pattern, " ")
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		c := &call{server: s, request: request}
		var header http.Header
		var body []byte
		do := func(d *data) error {
			c.data, c.who = d, s.identify(d, request)
			if err := c.checkQuery(r.query); err != nil {
				return err
			}
			result, err := r.handle(c)
			if err != nil {
				return err
			}
			header, body, err = c.encode(result)
			return err
		}
		run := s.store.Update
		if method == http.MethodGet || method == http.MethodHead {
			run = s.store.View
		}
		if err := run(do); err != nil {
			s.fail(w, request, err)
			return
		}
		c.send(r.status, header, w, body)
	})
}
