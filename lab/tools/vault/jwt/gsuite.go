// This file takes the place of provider_gsuite.go, a client of Google's directory.

package jwtauth

import (
	"context"
	"errors"
)

// GSuiteProvider refuses.
type GSuiteProvider struct{}

// Initialize refuses.
func (*GSuiteProvider) Initialize(context.Context, *jwtConfig) error {
	return errors.New("the provider gsuite is not built into the lab's Vault")
}

// SensitiveKeys are none.
func (*GSuiteProvider) SensitiveKeys() []string { return nil }
