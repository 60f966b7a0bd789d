package harbor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// robotJSON is a robot's body with one permission.
func robotJSON(name, level, namespace, accesses string) string {
	kind := project
	if namespace == "/" {
		kind = system
	}
	var list []access
	for _, a := range strings.Fields(accesses) {
		resource, action, _ := strings.Cut(a, ":")
		list = append(list, access{Resource: resource, Action: action})
	}
	body, err := json.Marshal(map[string]any{
		"name": name, "level": level, "description": "", "duration": 365, "disable": true,
		"permissions": []permission{{kind, namespace, list}},
	})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func pullRobot(name, project string) string {
	return robotJSON(name, "project", project, "repository:pull")
}

func TestRobot(t *testing.T) {
	l := newLab(t)
	projectID, _ := l.create(asAdmin, "/projects", `{"project_name":"team"}`)
	id, a := l.create(asAdmin, "/robots", pullRobot("dev-pull", "team"))
	told := a.object(t)
	if told["name"] != "robot$team+dev-pull" || fmt.Sprintf("/robots/%v", told["id"]) != id || told["expires_at"].(float64) < float64(time.Now().Unix()) {
		t.Errorf("%v", told)
	}
	first := login{"robot$team+dev-pull", told["secret"].(string)}
	l.call(asAdmin, post, "/robots", pullRobot("dev-pull", "team"), 409, "CONFLICT")

	robot := l.call(asAdmin, get, id, "", 200, `"namespace":"team"`).object(t)
	if robot["disable"] != false || robot["level"] != "project" || robot["secret"] != nil {
		t.Errorf("a new robot is enabled, whatever was asked, and its secret is not told: %v", robot)
	}
	if a := l.send(first, get, "/v2/", ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.text)
	}

	// The secret that the program chose, as the provider sets it.
	for _, weak := range []string{"Short1", "nouppercase1", "NOLOWERCASE1", "NoDigitsHere", strings.Repeat("aB3", 43)} {
		l.call(asAdmin, patch, id, `{"secret":"`+weak+`"}`, 400, "8-128")
	}
	own := login{first.user, strings.Repeat("aB3-", 32)}
	if a := l.call(asAdmin, patch, id, `{"secret":"`+own.password+`"}`, 200, ""); strings.Contains(a.text, "aB3") {
		t.Errorf("the secret is told: %s", a.text)
	}
	if a := l.send(first, get, "/v2/", ""); a.status != 401 {
		t.Errorf("the first secret still works: %d", a.status)
	}
	l.restart()
	if a := l.send(own, get, "/v2/", ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := l.send(login{own.user, own.password[:127]}, get, "/v2/", ""); a.status != 401 {
		t.Errorf("a part of the secret works: %d", a.status)
	}
	made := l.call(asAdmin, patch, id, `{}`, 200, "").object(t)["secret"].(string)

	// An update disables.
	l.call(asAdmin, put, id, pullRobot("dev-pull", "team"), 400, "name")
	l.call(asAdmin, put, id, strings.Replace(pullRobot("robot$team+dev-pull", "team"), `"team"`, `"library"`, 1), 400, "project")
	l.call(asAdmin, put, id, robotJSON("robot$team+dev-pull", "system", "team", "repository:pull"), 400, "level")
	l.call(asAdmin, put, id, pullRobot("robot$team+dev-pull", "team"), 200, "")
	l.call(asAdmin, get, id, "", 200, `"disable":true`)
	if a := l.send(login{own.user, made}, get, "/v2/", ""); a.status != 401 {
		t.Errorf("a disabled robot logs in: %d", a.status)
	}

	l.call(asAdmin, del, projectID, "", 200, "")
	l.call(asAdmin, get, id, "", 404, "NOT_FOUND")
	l.call(asAdmin, del, id, "", 404, "")
}

func TestRobotRules(t *testing.T) {
	l := newLab(t)
	good := pullRobot("r", "library")
	for body, part := range map[string]string{
		pullRobot("R", "library"):                                         "lower case",
		pullRobot("a+b", "library"):                                       "illegal",
		pullRobot("r", "*"):                                               "one permission",
		strings.Replace(good, `365`, `0`, 1):                              "duration",
		strings.Replace(good, `365`, `-2`, 1):                             "duration",
		robotJSON("r", "galaxy", "library", "repository:pull"):            "level",
		robotJSON("r", "project", "/", "project:create"):                  "one permission",
		robotJSON("r", "project", "library", "repository:eat"):            "repository:eat",
		robotJSON("r", "project", "library", "audit-log:list"):            "audit-log:list",
		robotJSON("r", "project", "library", ""):                          "empty access",
		`{"name":"r","level":"project","duration":-1}`:                    "empty permission",
		`{"name":"r","level":"project","duration":-1,"permissions":null}`: "empty permission",
	} {
		l.call(asAdmin, post, "/robots", body, 400, part)
	}
	l.call(asAdmin, post, "/robots", pullRobot("r", "nowhere"), 404, "nowhere")
	l.call(asNobody, post, "/robots", good, 401, "")
	id, a := l.create(asAdmin, "/robots", robotJSON("ci", "system", "*", "repository:pull"))
	if a.object(t)["name"] != "robot$ci" {
		t.Errorf("%s", a.text)
	}
	l.create(asAdmin, "/robots", pullRobot("ci", "library"))
	l.call(asAdmin, get, "/robots", "", 200, `"level":"system"`)
	l.call(asAdmin, get, "/robots?q=Level%3Dproject%2CProjectID%3D1", "", 200, "robot$library+ci")
	l.call(asAdmin, get, "/robots?q=Level%3Dproject%2CProjectID%3D9", "", 404, "")

	l.call(asAdmin, put, "/configurations", `{"robot_name_prefix":"bot-"}`, 200, "")
	l.call(asAdmin, get, id, "", 200, `"name":"bot-ci"`)
}

func TestRobotsRights(t *testing.T) {
	l := newLab(t)
	l.create(asAdmin, "/projects", `{"project_name":"team"}`)
	robot := func(name, level, namespace, accesses string) login {
		_, a := l.create(asAdmin, "/robots", robotJSON(name, level, namespace, accesses))
		told := a.object(t)
		return login{told["name"].(string), told["secret"].(string)}
	}
	keeper := robot("keeper", "project", "team", "member:create member:list robot:create repository:pull")
	l.call(keeper, get, "/projects/team/members", "", 200, "admin")
	l.create(keeper, "/projects/team/members", `{"role_id":3,"member_group":{"group_type":3,"group_name":"g"}}`)
	l.call(keeper, get, "/projects/team", "", 403, `"code":"FORBIDDEN"`)
	l.call(keeper, get, "/projects/nowhere", "", 403, "")
	l.call(keeper, get, "/projects/library/members", "", 403, "")
	l.call(keeper, get, "/configurations", "", 403, "")
	l.call(keeper, get, "/robots/1", "", 403, "")
	l.call(keeper, get, "/users/current", "", 401, "")
	l.create(keeper, "/robots", pullRobot("child", "team"))
	l.call(keeper, post, "/robots", robotJSON("greedy", "project", "team", "repository:push"), 403, "")
	l.call(keeper, post, "/robots", pullRobot("away", "library"), 403, "")

	maker := robot("maker", "system", "/", "project:create")
	l.create(maker, "/projects", `{"project_name":"made","storage_limit":7}`)
	l.call(asAdmin, get, "/quotas?reference_id=3", "", 200, `"storage":-1`)

	// A robot whose time is over.
	err := l.server.store.Update(func(d *data) error {
		d.robotNamed(maker.user).ExpiresAt = time.Now().Unix() - 1
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l.call(maker, post, "/projects", `{"project_name":"late"}`, 401, "")
}
