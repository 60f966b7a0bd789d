package gitlab

import (
	"net/http"
	"strings"

	"golang.org/x/crypto/ssh"
)

func deployKeyRoutes() []route {
	const all, one = "projects/:project/deploy_keys", "projects/:project/deploy_keys/:key"
	return []route{
		{http.MethodGet, all, 200, readingAsUser, nil, listDeployKeys},
		{http.MethodPost, all, 201, writing, []param{str("title").must(), str("key").must(), boolean("can_push"), str("expires_at")}, addDeployKey},
		{http.MethodGet, one, 200, readingAsUser, nil, getDeployKey},
		{http.MethodPut, one, 200, writing, []param{str("title"), boolean("can_push")}, changeDeployKey},
		{http.MethodDelete, one, 204, writing, nil, removeDeployKey},
		{http.MethodPost, one + "/enable", 201, writing, nil, enableDeployKey},
	}
}

func renderDeployKey(k *DeployKey, canPush bool) fields {
	return fields{
		"id": k.ID, "title": k.Title, "key": k.Key, "created_at": k.CreatedAt, "expires_at": nil,
		"fingerprint": k.MD5, "fingerprint_sha256": k.SHA256, "can_push": canPush,
	}
}

func listDeployKeys(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	out := list{}
	for _, id := range sortedIDs(p.DeployKeys) {
		out = append(out, renderDeployKey(c.data.DeployKeys[id], p.DeployKeys[id]))
	}
	return out, nil
}

// deployKey is the key in the path, if the project has it.
func (c *call) deployKey() (*Project, *DeployKey, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, nil, err
	}
	if _, has := p.DeployKeys[c.id("key")]; !has {
		return nil, nil, notFound("Deploy Key")
	}
	return p, c.data.DeployKeys[c.id("key")], nil
}

func getDeployKey(c *call) (any, error) {
	p, k, err := c.deployKey()
	if err != nil {
		return nil, err
	}
	return renderDeployKey(k, p.DeployKeys[k.ID]), nil
}

// addDeployKey: a key the project has already is answered as it is, one of
// another project that the caller may manage is shared, any other use of the
// same key is refused.
func addDeployKey(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	if c.text("expires_at") != "" {
		return nil, refuse(http.StatusNotImplemented, "501 The lab's GitLab keeps deploy keys that do not expire only")
	}
	text := strings.TrimSpace(c.text("key"))
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, &apiError{http.StatusBadRequest, fields{"message": fields{
			"key": []string{"is invalid"}, "fingerprint_sha256": []string{"cannot be generated"},
		}}}
	}
	sum := ssh.FingerprintSHA256(public)
	for _, k := range c.data.DeployKeys {
		if k.SHA256 != sum {
			continue
		}
		if canPush, has := p.DeployKeys[k.ID]; has {
			return renderDeployKey(k, canPush), nil
		}
		if !c.data.managesKey(c.user, k.ID) {
			return nil, takenError(http.StatusBadRequest, "fingerprint_sha256")
		}
		p.DeployKeys[k.ID] = c.flag("can_push")
		return renderDeployKey(k, c.flag("can_push")), nil
	}
	k := &DeployKey{
		ID: c.data.next("key"), Title: c.text("title"), Key: text, CreatedAt: now(),
		MD5: ssh.FingerprintLegacyMD5(public), SHA256: sum,
	}
	c.data.DeployKeys[k.ID] = k
	p.DeployKeys[k.ID] = c.flag("can_push")
	return renderDeployKey(k, c.flag("can_push")), nil
}

// managesKey says whether a user is maintainer of a project that has the key.
func (d *data) managesKey(u *User, key int) bool {
	for _, p := range d.Projects {
		if _, has := p.DeployKeys[key]; has && atLeast(u, d.projectLevel(p, u), maintainer) {
			return true
		}
	}
	return false
}

func changeDeployKey(c *call) (any, error) {
	p, k, err := c.deployKey()
	if err != nil {
		return nil, err
	}
	k.Title = c.textOr("title", k.Title)
	if c.has("can_push") {
		p.DeployKeys[k.ID] = c.flag("can_push")
	}
	return renderDeployKey(k, p.DeployKeys[k.ID]), nil
}

func removeDeployKey(c *call) (any, error) {
	p, k, err := c.deployKey()
	if err != nil {
		return nil, err
	}
	c.data.leaveDeployKey(p.ID, k.ID)
	return nil, nil
}

// leaveDeployKey takes a key from a project; the last one to leave removes it.
func (d *data) leaveDeployKey(project, key int) {
	delete(d.Projects[project].DeployKeys, key)
	for _, p := range d.Projects {
		if _, has := p.DeployKeys[key]; has {
			return
		}
	}
	delete(d.DeployKeys, key)
}

func enableDeployKey(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	k := c.data.DeployKeys[c.id("key")]
	if k == nil || !c.data.managesKey(c.user, k.ID) {
		return nil, notFound("Deploy Key")
	}
	if _, has := p.DeployKeys[k.ID]; !has {
		p.DeployKeys[k.ID] = false
	}
	return renderDeployKey(k, p.DeployKeys[k.ID]), nil
}
