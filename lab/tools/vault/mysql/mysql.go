// Package mysql takes the place of the plugin for MySQL, which Vault's registry
// for its own tests names.
package mysql

import "errors"

// DefaultUserNameTemplate is of no use.
const DefaultUserNameTemplate = ""

// New makes a plugin, which refuses.
func New(string) func() (any, error) {
	return func() (any, error) { return nil, errors.New("MySQL is not built into the lab's Vault") }
}
