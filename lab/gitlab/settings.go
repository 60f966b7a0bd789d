package gitlab

import (
	"maps"
	"strings"
)

// setting is an attribute of a group, project or hook that this stand-in keeps
// and answers, mostly without acting on it.
type setting struct {
	param
	value any
}

type settings []setting

func with(p param, value any) setting { return setting{p, value} }

// params are the parameters that set the settings.
func (s settings) params() []param {
	out := make([]param, 0, len(s))
	for _, one := range s {
		out = append(out, one.param)
	}
	return out
}

// apply stores what the call gives.
func (s settings) apply(into map[string]any, c *call) {
	for _, one := range s {
		if c.has(one.name) {
			into[one.name] = c.params[one.name]
		}
	}
}

// render writes each setting, as stored or else its default.
func (s settings) render(out fields, stored map[string]any) {
	for _, one := range s {
		out[one.name] = one.value
	}
	maps.Copy(out, stored)
}

func (s settings) get(stored map[string]any, name string) any {
	if v, ok := stored[name]; ok {
		return v
	}
	for _, one := range s {
		if one.name == name {
			return one.value
		}
	}
	return nil
}

func (s settings) text(stored map[string]any, name string) string {
	v, _ := s.get(stored, name).(string)
	return v
}

func (s settings) flag(stored map[string]any, name string) bool {
	v, _ := s.get(stored, name).(bool)
	return v
}

// number also takes what JSON made of a stored number.
func (s settings) number(stored map[string]any, name string) int {
	switch v := s.get(stored, name).(type) {
	case int:
		return v
	case float64:
		return int(v)
	}
	return 0
}

// groupSettings with the defaults of a new installation.
// https://docs.gitlab.com/17.11/ee/api/groups/#create-a-group
var groupSettings = settings{
	with(boolean("auto_devops_enabled"), nil),
	with(str("default_branch"), nil),
	with(level("default_branch_protection", "0", "1", "2", "3", "4"), fullProtection),
	with(boolean("emails_enabled"), true),
	with(boolean("lfs_enabled"), true),
	with(boolean("mentions_disabled"), nil),
	with(enum("project_creation_level", "noone", "owner", "maintainer", "developer", "administrator"), "developer"),
	with(enum("subgroup_creation_level", "owner", "maintainer"), "maintainer"),
	with(boolean("request_access_enabled"), true),
	with(boolean("require_two_factor_authentication"), false),
	with(num("two_factor_grace_period"), 48),
	with(boolean("share_with_group_lock"), false),
	with(enum("shared_runners_setting", "enabled", "disabled_and_overridable", "disabled_and_unoverridable"), "enabled"),
}

// groupPaid are parameters of other editions.
var groupPaid = paid(
	"membership_lock", "wiki_access_level", "shared_runners_minutes_limit", "extra_shared_runners_minutes_limit",
	"file_template_project_id", "ip_restriction_ranges", "allowed_email_domains_list", "prevent_forking_outside_group",
	"prevent_sharing_groups_outside_hierarchy",
)

// features can be switched by <name>_access_level and, the older way, by a
// yes or no; legacy is the name of that one.
var features = []struct{ name, legacy, value string }{
	{"issues", "issues_enabled", "enabled"},
	{"merge_requests", "merge_requests_enabled", "enabled"},
	{"wiki", "wiki_enabled", "enabled"},
	{"snippets", "snippets_enabled", "enabled"},
	{"builds", "jobs_enabled", "enabled"},
	{"container_registry", "container_registry_enabled", "enabled"},
	{"security_and_compliance", "security_and_compliance_enabled", "private"},
	{"repository", "", "enabled"},
	{"forking", "", "enabled"},
	{"pages", "", "private"},
	{"analytics", "", "enabled"},
	{"releases", "", "enabled"},
	{"environments", "", "enabled"},
	{"feature_flags", "", "enabled"},
	{"infrastructure", "", "enabled"},
	{"monitor", "", "enabled"},
	{"model_experiments", "", "enabled"},
	{"model_registry", "", "enabled"},
}

// projectSettings with the defaults of a new installation, features left out.
// https://docs.gitlab.com/17.11/ee/api/projects/#create-a-project
var projectSettings = settings{
	with(boolean("allow_merge_on_skipped_pipeline"), nil),
	with(enum("auto_cancel_pending_pipelines", "enabled", "disabled"), "enabled"),
	with(enum("auto_devops_deploy_strategy", "continuous", "manual", "timed_incremental"), "continuous"),
	with(boolean("auto_devops_enabled"), false),
	with(boolean("autoclose_referenced_issues"), true),
	with(str("build_git_strategy"), "fetch"),
	with(num("build_timeout"), 3600),
	with(str("ci_config_path"), nil),
	with(num("ci_default_git_depth"), 20),
	with(num("ci_delete_pipelines_in_seconds"), nil),
	with(boolean("ci_allow_fork_pipelines_to_run_in_parent_project"), true),
	with(boolean("ci_forward_deployment_enabled"), true),
	with(boolean("ci_forward_deployment_rollback_allowed"), true),
	with(strs("ci_id_token_sub_claim_components"), []string{"project_path", "ref_type", "ref"}),
	with(str("ci_pipeline_variables_minimum_override_role"), "developer"),
	with(boolean("ci_separated_caches"), true),
	with(boolean("emails_enabled"), true),
	with(boolean("enforce_auth_checks_on_uploads"), true),
	with(str("external_authorization_classification_label"), ""),
	with(boolean("group_runners_enabled"), true),
	with(str("issue_branch_template"), nil),
	with(boolean("keep_latest_artifact"), true),
	with(boolean("lfs_enabled"), true),
	with(str("merge_commit_template"), nil),
	with(enum("merge_method", "merge", "rebase_merge", "ff"), "merge"),
	with(boolean("mr_default_target_self"), false),
	with(boolean("only_allow_merge_if_all_discussions_are_resolved"), false),
	with(boolean("only_allow_merge_if_pipeline_succeeds"), false),
	with(boolean("packages_enabled"), true),
	with(boolean("printing_merge_request_link_enabled"), true),
	with(boolean("public_jobs"), true),
	with(boolean("remove_source_branch_after_merge"), true),
	with(str("repository_storage"), "default"),
	with(boolean("request_access_enabled"), true),
	with(boolean("resolve_outdated_diff_discussions"), false),
	with(boolean("restrict_user_defined_variables"), false),
	with(num("runner_token_expiration_interval"), nil),
	with(boolean("service_desk_enabled"), false),
	with(boolean("shared_runners_enabled"), true),
	with(boolean("show_default_award_emojis"), true),
	with(str("squash_commit_template"), nil),
	with(enum("squash_option", "never", "always", "default_on", "default_off"), "default_off"),
	with(str("suggestion_commit_message"), nil),
}

var projectPaid = paid(
	"allow_pipeline_trigger_approve_deployment", "approvals_before_merge", "ci_restrict_pipeline_cancellation_role",
	"issues_template", "merge_requests_template", "merge_pipelines_enabled", "merge_trains_enabled", "mirror",
	"mirror_branch_regex", "mirror_overwrites_diverged_branches", "mirror_trigger_builds", "mirror_user_id",
	"only_allow_merge_if_all_status_checks_passed", "only_mirror_protected_branches", "prevent_merge_without_jira_issue",
	"requirements_access_level", "group_with_project_templates_id", "use_custom_template",
)

// projectParams are what both POST and PUT of a project take.
func projectParams() []param {
	out := append(projectSettings.params(), projectPaid...)
	out = append(out, boolean("public_builds"), boolean("emails_disabled"))
	for _, f := range features {
		values := []string{"disabled", "private", "enabled"}
		if f.name == "pages" {
			values = append(values, "public")
		}
		out = append(out, enum(f.name+"_access_level", values...))
		if f.legacy != "" {
			out = append(out, boolean(f.legacy))
		}
	}
	return out
}

// applyProjectSettings stores settings and features, older names included.
func applyProjectSettings(into map[string]any, c *call) {
	projectSettings.apply(into, c)
	if c.has("public_builds") {
		into["public_jobs"] = c.flag("public_builds")
	}
	if c.has("emails_disabled") {
		into["emails_enabled"] = !c.flag("emails_disabled")
	}
	for _, f := range features {
		name := f.name + "_access_level"
		if f.legacy != "" && c.has(f.legacy) {
			into[name] = map[bool]string{true: "enabled", false: "disabled"}[c.flag(f.legacy)]
		}
		if c.has(name) {
			into[name] = c.text(name)
		}
	}
}

func renderProjectSettings(out fields, stored map[string]any) {
	for _, f := range features {
		out[f.name+"_access_level"] = f.value
	}
	projectSettings.render(out, stored)
	for _, f := range features {
		if f.legacy != "" {
			out[f.legacy] = out[f.name+"_access_level"] != "disabled"
		}
	}
	out["emails_disabled"] = out["emails_enabled"] == false
	out["can_create_merge_request_in"] = out["merge_requests_access_level"] != "disabled"
}

// validPath is GitLab's rule for the last part of a path of a user, group or
// project.
func validPath(path string) bool {
	const first = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_."
	if path == "" || len(path) > 255 || !strings.Contains(first, path[:1]) || strings.Trim(path, first+"-") != "" {
		return false
	}
	for _, r := range path {
		if !strings.ContainsRune(first+"-", r) {
			return false
		}
	}
	for _, end := range []string{".", "-", ".git", ".atom"} {
		if strings.HasSuffix(path, end) {
			return false
		}
	}
	return !strings.Contains(path, "..")
}

// reservedPaths cannot be groups at the top level: GitLab's own pages are there.
// https://docs.gitlab.com/17.11/ee/user/reserved_names/
var reservedPaths = map[string]bool{
	"-": true, "abuse_reports": true, "admin": true, "api": true, "dashboard": true, "explore": true, "files": true,
	"groups": true, "health_check": true, "help": true, "import": true, "jwt": true, "login": true, "oauth": true,
	"profile": true, "projects": true, "public": true, "s": true, "search": true, "sitemap": true, "snippets": true,
	"unsubscribes": true, "uploads": true, "users": true, "v2": true, "assets": true, "invites": true, "robots.txt": true,
}
