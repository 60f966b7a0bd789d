// This file takes the place of hcp_link.go, without HashiCorp's cloud.

package configutil

import (
	"errors"

	"github.com/hashicorp/hcl/hcl/ast"
)

// HCPLinkConfig is never made. It has the shape that Vault asks for.
type HCPLinkConfig struct {
	EnableAPICapability, EnablePassThroughCapability bool
	Resource                                         *struct{ Organization, Project, ID string }
}

func parseCloud(*SharedConfig, *ast.ObjectList) error {
	return errors.New("a block \"cloud\" is not built into the lab's Vault")
}
