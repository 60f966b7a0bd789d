package harbor

import (
	"crypto/rand"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode"
)

// never is the duration, and the end, of a robot that does not expire.
const never = -1

// robotBody is what Harbor's clients send. They send back what they read, so
// there are fields without an effect.
type robotBody struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Level       string       `json:"level"`
	Duration    int          `json:"duration"`
	Disable     bool         `json:"disable"`
	Permissions []permission `json:"permissions"`

	ID           int    `json:"id"`
	Secret       string `json:"secret"`
	Editable     bool   `json:"editable"`
	ExpiresAt    int64  `json:"expires_at"`
	CreationTime string `json:"creation_time"`
	UpdateTime   string `json:"update_time"`
}

func (c *call) robotBody() (*robotBody, error) {
	b := &robotBody{}
	if err := c.body(b); err != nil {
		return nil, err
	}
	if b.Duration < never || b.Duration == 0 || b.Duration > math.MaxInt32 {
		return nil, badRequest("bad request error duration input: %d, duration must be either -1(Never) or a positive integer", b.Duration)
	}
	if b.Level != system && b.Level != project {
		return nil, badRequest("bad request error level input: %s", b.Level)
	}
	return b, c.checkPermissions(b.Level, b.Permissions)
}

// robotProject is the project of a new robot, nil for one of level system.
func (c *call) robotProject(b *robotBody) *Project {
	if b.Level == system {
		return nil
	}
	return c.data.projectNamed(b.Permissions[0].Namespace)
}

// createRobot ignores whether the robot shall be disabled and its secret: both
// are for later calls.
func (c *call) createRobot() (any, error) {
	if c.who.anonymous() {
		return nil, c.denied()
	}
	b, err := c.robotBody()
	if err != nil {
		return nil, err
	}
	p := c.robotProject(b)
	if err := c.require(p, "robot", "create"); err != nil {
		return nil, err
	}
	if len(b.Name) > longestName || !legalName.MatchString(b.Name) {
		return nil, badRequest("robot name is not in lower case or contains illegal characters")
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	robot := &Robot{
		Name: b.Name, Description: b.Description, Duration: b.Duration, Permissions: b.Permissions, Created: now, Updated: now,
		ExpiresAt: expiry(now, b.Duration),
	}
	if p != nil {
		robot.Project = p.ID
	}
	for _, other := range c.data.Robots {
		if other.Name == robot.Name && other.Project == robot.Project {
			return nil, conflict("The robot account named %s already exists", c.data.fullName(robot))
		}
	}
	secret, err := newSecret()
	if err != nil {
		return nil, err
	}
	if robot.Hash, err = c.server.secrets.hash(secret); err != nil {
		return nil, err
	}
	robot.ID = c.data.next("robot")
	c.data.Robots[robot.ID] = robot
	return created{robot.ID, fields{
		"id": robot.ID, "name": c.data.fullName(robot), "secret": secret,
		"creation_time": robot.Created, "expires_at": robot.ExpiresAt,
	}}, nil
}

func expiry(from time.Time, days int) int64 {
	if days == never {
		return never
	}
	return from.AddDate(0, 0, days).Unix()
}

// fullName is what a robot logs in as. Its first part is a setting, and is read
// anew each time, as in Harbor.
func (d *data) fullName(r *Robot) string { return d.robotPrefix() + d.shortName(r) }

func (d *data) shortName(r *Robot) string {
	if p := d.Projects[r.Project]; p != nil {
		return p.Name + "+" + r.Name
	}
	return r.Name
}

// robot finds the robot in the path, for a caller who may do that to robots.
func (c *call) robot(action string) (*Robot, error) {
	id, err := c.id("robot")
	if err != nil {
		return nil, err
	}
	r := c.data.Robots[id]
	if r == nil && c.who.admin {
		return nil, notFound("robot %d not found", id)
	}
	if r == nil {
		return nil, c.denied()
	}
	return r, c.require(c.data.Projects[r.Project], "robot", action)
}

func (c *call) readRobot() (any, error) {
	r, err := c.robot("read")
	if err != nil {
		return nil, err
	}
	return c.renderRobot(r), nil
}

func (c *call) renderRobot(r *Robot) fields {
	level := system
	if r.Project != 0 {
		level = project
	}
	return fields{
		"id": r.ID, "name": c.data.fullName(r), "description": r.Description, "level": level,
		"duration": r.Duration, "expires_at": r.ExpiresAt, "disable": r.Disabled, "editable": true,
		"creation_time": r.Created, "update_time": r.Updated, "permissions": r.Permissions,
	}
}

// updateRobot changes all but the name, the level and the project, which have to
// be the robot's. Harbor lets no robot do this.
func (c *call) updateRobot() (any, error) {
	r, err := c.robot("update")
	if err != nil {
		return nil, err
	}
	b, err := c.robotBody()
	if err != nil {
		return nil, err
	}
	p := c.robotProject(b)
	sameProject := p == nil && r.Project == 0 || p != nil && p.ID == r.Project
	if b.Name != c.data.fullName(r) || !sameProject {
		return nil, badRequest("cannot update the level, the project or the name of robot %s", c.data.fullName(r))
	}
	if b.Duration != r.Duration {
		r.Duration, r.ExpiresAt = b.Duration, expiry(r.Created, b.Duration)
	}
	r.Description, r.Disabled, r.Permissions, r.Updated = b.Description, b.Disable, b.Permissions, time.Now().UTC()
	return nil, nil
}

// refreshSecret takes a secret, or makes one and tells it.
func (c *call) refreshSecret() (any, error) {
	r, err := c.robot("update")
	if err != nil {
		return nil, err
	}
	var b struct {
		Secret string `json:"secret"`
	}
	if err := c.body(&b); err != nil {
		return nil, err
	}
	answer := fields{}
	switch {
	case b.Secret == "":
		if b.Secret, err = newSecret(); err != nil {
			return nil, err
		}
		answer["secret"] = b.Secret
	case !goodSecret(b.Secret):
		return nil, badRequest("the secret must be 8-128, inclusively, characters long with at least 1 uppercase letter, 1 lowercase letter and 1 number")
	}
	if r.Hash, err = c.server.secrets.hash(b.Secret); err != nil {
		return nil, err
	}
	r.Updated = time.Now().UTC()
	return answer, nil
}

func goodSecret(s string) bool {
	return len(s) >= 8 && len(s) <= 128 && strings.ContainsFunc(s, unicode.IsUpper) &&
		strings.ContainsFunc(s, unicode.IsLower) && strings.ContainsFunc(s, unicode.IsDigit)
}

// newSecret makes 32 letters and digits that goodSecret accepts.
func newSecret() (string, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for {
		secret := make([]byte, 32)
		for i := range secret {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
			if err != nil {
				return "", fmt.Errorf("making a secret: %w", err)
			}
			secret[i] = letters[n.Int64()]
		}
		if goodSecret(string(secret)) {
			return string(secret), nil
		}
	}
}

func (c *call) deleteRobot() (any, error) {
	r, err := c.robot("delete")
	if err != nil {
		return nil, err
	}
	delete(c.data.Robots, r.ID)
	return nil, nil
}

// listRobots gives those of level system, or of the project that q names:
// "Level=project,ProjectID=7".
func (c *call) listRobots() (any, error) {
	var id int
	query := c.request.URL.Query().Get("q")
	if query != "" && query != "Level=system" {
		if _, err := fmt.Sscanf(query, "Level=project,ProjectID=%d", &id); err != nil {
			return nil, unknown("the query %q for robots", query)
		}
	}
	p := c.data.Projects[id]
	if id != 0 && p == nil && c.who.admin {
		return nil, notFound("project %d not found", id)
	}
	if err := c.require(p, "robot", "list"); err != nil {
		return nil, err
	}
	all := list{}
	for _, n := range sortedIDs(c.data.Robots) {
		if r := c.data.Robots[n]; r.Project == id {
			all = append(all, c.renderRobot(r))
		}
	}
	return all, nil
}
