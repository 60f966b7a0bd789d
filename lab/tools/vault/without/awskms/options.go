// Package awskms takes the place of the seal by AWS, of which Vault's core takes
// an option for all other seals.
package awskms

import (
	"github.com/hashicorp/go-hclog"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
)

// WithLogger is no option: only AWS's seal heeds it.
func WithLogger(hclog.Logger) wrapping.Option { return nil }
