package harbor

import (
	"math"
	"slices"
)

// unlimited is the storage of a project without a limit.
const unlimited = -1

// setting is one key of the configuration.
type setting struct {
	// first is the value after the installation; values of its kind are taken.
	first any
	// allowed values, if not all are.
	allowed []string
	// password says that the value is never told.
	password bool
}

// settings are Harbor's src/lib/config/metadata/metadatalist.go, as far as users
// can change them.
var settings = map[string]setting{
	"auth_mode":                      {first: "db_auth", allowed: []string{"db_auth", "ldap_auth", "uaa_auth", "http_auth", "oidc_auth"}},
	"primary_auth_mode":              {first: false},
	"self_registration":              {first: false},
	"read_only":                      {first: false},
	"notification_enable":            {first: true},
	"banner_message":                 {first: ""},
	"session_timeout":                {first: 60},
	"token_expiration":               {first: 30},
	"robot_token_duration":           {first: 30},
	"robot_name_prefix":              {first: "robot$"},
	"storage_per_project":            {first: unlimited},
	"disabled_audit_log_event_types": {first: ""},

	"project_creation_restriction": {first: "everyone", allowed: []string{"everyone", "adminonly"}},
	"quota_per_project_enable":     {first: true},
	"scanner_skip_update_pulltime": {first: false},
	"audit_log_forward_endpoint":   {first: ""},
	"skip_audit_log_database":      {first: false},
	"scan_all_policy":              {first: map[string]any{"type": "none", "parameter": nil}},

	"oidc_name":          {first: ""},
	"oidc_endpoint":      {first: ""},
	"oidc_client_id":     {first: ""},
	"oidc_client_secret": {first: "", password: true},
	"oidc_scope":         {first: ""},
	"oidc_groups_claim":  {first: ""},
	"oidc_group_filter":  {first: ""},
	"oidc_admin_group":   {first: ""},
	"oidc_user_claim":    {first: ""},
	"oidc_verify_cert":   {first: true},
	"oidc_auto_onboard":  {first: false},
	"oidc_logout":        {first: false},

	"ldap_url":                        {first: ""},
	"ldap_base_dn":                    {first: ""},
	"ldap_filter":                     {first: ""},
	"ldap_uid":                        {first: "cn"},
	"ldap_scope":                      {first: 2},
	"ldap_search_dn":                  {first: ""},
	"ldap_search_password":            {first: "", password: true},
	"ldap_timeout":                    {first: 5},
	"ldap_verify_cert":                {first: true},
	"ldap_group_base_dn":              {first: ""},
	"ldap_group_search_filter":        {first: ""},
	"ldap_group_search_scope":         {first: 2},
	"ldap_group_attribute_name":       {first: ""},
	"ldap_group_admin_dn":             {first: ""},
	"ldap_group_membership_attribute": {first: "memberof"},
	"ldap_group_attach_parallel":      {first: false},
}

// takes says whether a value, decoded from JSON, is one of the setting's.
func (s setting) takes(value any) bool {
	switch s.first.(type) {
	case string:
		text, ok := value.(string)
		return ok && (s.allowed == nil || slices.Contains(s.allowed, text))
	case int:
		n, ok := value.(float64)
		return ok && n == math.Trunc(n)
	case bool:
		_, ok := value.(bool)
		return ok
	}
	_, ok := value.(map[string]any)
	return ok
}

func (d *data) setting(name string) any {
	if value, ok := d.Settings[name]; ok {
		return value
	}
	return settings[name].first
}

func (d *data) robotPrefix() string { return d.setting("robot_name_prefix").(string) }

func (d *data) defaultStorage() int64 {
	if n, ok := d.setting("storage_per_project").(float64); ok {
		return int64(n)
	}
	return unlimited
}

func (c *call) readConfiguration() (any, error) {
	if err := c.require(nil, "configuration", "read"); err != nil {
		return nil, err
	}
	out := fields{}
	for name, s := range settings {
		if !s.password {
			out[name] = fields{"value": c.data.setting(name), "editable": true}
		}
	}
	return out, nil
}

// writeConfiguration changes all that is given, or nothing. The mode of log-in
// may change, since there is no user but admin.
func (c *call) writeConfiguration() (any, error) {
	if err := c.require(nil, "configuration", "update"); err != nil {
		return nil, err
	}
	given := map[string]any{}
	if err := c.body(&given); err != nil {
		return nil, err
	}
	for name, value := range given {
		s, ok := settings[name]
		switch {
		case !ok:
			return nil, unknown("the setting %q", name)
		case !s.takes(value):
			return nil, badRequest("invalid value for %s", name)
		case s.password:
			hash, err := c.server.secrets.hash(value.(string))
			if err != nil {
				return nil, err
			}
			// Nobody is ever logged in with it here: that it is set is enough.
			value = hash
		}
		c.data.Settings[name] = value
	}
	return nil, nil
}
