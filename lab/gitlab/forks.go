package gitlab

import (
	"net/http"
	"os"
)

func forkRoutes() []route {
	fork := []param{
		str("name"), str("path"), num("namespace_id"), str("namespace_path"), str("namespace"), str("description"),
		enum("visibility", visibilities...), boolean("mr_default_target_self"), str("branches"),
	}
	return []route{
		{http.MethodPost, "projects/:project/fork", 201, writing, fork, forkProject},
		{http.MethodPost, "projects/:project/fork/:source", 201, writing, nil, relateFork},
		{http.MethodDelete, "projects/:project/fork", 204, writing, nil, unrelateFork},
		{http.MethodGet, "projects/:project/forks", 200, reading, projectSearch, listForks},
		{http.MethodGet, "projects/:project/import", 200, readingAsUser, nil, getImport},
	}
}

// forkProject answers at once; the repository is copied in the background, as
// import_status tells.
func forkProject(c *call) (any, error) {
	from, err := c.code()
	if err != nil {
		return nil, err
	}
	if c.text("branches") != "" {
		return nil, refuse(http.StatusNotImplemented, "501 The lab's GitLab forks all branches: branches is not supported")
	}
	p := newProject(c.user)
	p.Namespace = c.user.Namespace
	for _, name := range []string{"namespace", "namespace_path", "namespace_id"} {
		if !c.has(name) {
			continue
		}
		ref := c.text(name)
		if name == "namespace_id" {
			ref = itoa(c.number(name))
		}
		if p.Namespace, err = c.namespace(ref); err != nil {
			return nil, notFound("Target Namespace")
		}
	}
	if !c.data.canCreateProjects(p.Namespace, c.user) {
		return nil, notFound("Target Namespace")
	}
	p.Name, p.Path, p.Description = from.Name, from.Path, from.Description
	p.Visibility, p.DefaultBranch, p.Topics = from.Visibility, from.DefaultBranch, append([]string{}, from.Topics...)
	if g := c.data.Groups[p.Namespace]; g != nil && wider(p.Visibility, g.Visibility) {
		p.Visibility = g.Visibility
	}
	if err := c.applyProject(p, http.StatusConflict); err != nil {
		return nil, err
	}
	if wider(p.Visibility, from.Visibility) {
		return nil, refuse(http.StatusConflict, "Visibility level %s is not allowed since the fork source project has lower visibility.", p.Visibility)
	}
	p.ID = c.data.next("project")
	p.ForkedFrom = from.ID
	p.Import.Status = "scheduled"
	if err := c.server.repository(p.ID).create(p.DefaultBranch); err != nil {
		return nil, err
	}
	c.data.Projects[p.ID] = p
	c.afterCommit(func() { c.server.startFork(p.ID) })
	return c.renderProjectFully(p), nil
}

// startFork copies a fork's repository in the background.
func (s *Server) startFork(id int) {
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		if err := s.copyFork(id); err != nil {
			s.log.Error("copying a fork", "project", id, "error", err)
		}
	}()
}

// copyFork clones the parent's repository to a place of its own and moves it to
// the fork's, so that a killed server leaves no half of a copy behind.
func (s *Server) copyFork(id int) error {
	from, found := 0, false
	err := s.store.Update(func(d *data) error {
		if p := d.Projects[id]; p != nil {
			p.Import.Status, found = "started", true
			from = p.ForkedFrom
		}
		return nil
	})
	if err != nil || !found {
		return err
	}
	tmp, err := os.MkdirTemp(s.repositories(), "fork-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	problem := "the project this one was forked from is gone"
	if from != 0 {
		problem = ""
		if err := s.repository(from).cloneTo(s.background, repository{tmp}); err != nil {
			problem = err.Error()
		}
	}
	if s.background.Err() != nil {
		// The server is closing; the next one starts over.
		return nil
	}
	return s.store.Update(func(d *data) error {
		p := d.Projects[id]
		if p == nil {
			return nil
		}
		if problem != "" {
			p.Import = Import{Status: "failed", Error: problem}
			return nil
		}
		repo := s.repository(id)
		if err := os.RemoveAll(repo.dir); err != nil {
			return err
		}
		if err := os.Rename(tmp, repo.dir); err != nil {
			return err
		}
		if err := repo.setHead(p.DefaultBranch); err != nil {
			return err
		}
		p.Import.Status = "finished"
		s.afterPush(d, p)
		return nil
	})
}

func relateFork(c *call) (any, error) {
	p, err := c.project(owner)
	if err != nil {
		return nil, err
	}
	from, err := c.projectWith(c.data.findProject(c.path["source"]), noAccess)
	if err != nil {
		return nil, notFound("Source Project")
	}
	if p.ForkedFrom != 0 {
		return nil, refuse(http.StatusConflict, "Project already forked")
	}
	p.ForkedFrom = from.ID
	return c.renderProjectFully(p), nil
}

func unrelateFork(c *call) (any, error) {
	p, err := c.project(owner)
	if err != nil {
		return nil, err
	}
	p.ForkedFrom = 0
	return nil, nil
}

func listForks(c *call) (any, error) {
	from, err := c.project(noAccess)
	if err != nil {
		return nil, err
	}
	return listOf(c.projectsOf(func(p *Project) bool { return p.ForkedFrom == from.ID }), c.renderProject), nil
}

func getImport(c *call) (any, error) {
	p, err := c.project(noAccess)
	if err != nil {
		return nil, err
	}
	out := c.projectBrief(p)
	for k, v := range (fields{
		"import_status": p.Import.Status, "import_error": nullableText(p.Import.Error), "import_type": nil,
		"correlation_id": nil, "failed_relations": []any{}, "stats": nil,
	}) {
		out[k] = v
	}
	return out, nil
}
