// Package hcp_link takes the place of the link to HashiCorp's cloud. A
// configuration that asks for it is refused where it is read.
package hcp_link

import (
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"
)

// HCPLinkVault is never made.
type HCPLinkVault struct{}

// NewHCPLink has no link to make.
func NewHCPLink(config *configutil.HCPLinkConfig, _ *vault.Core, _ hclog.Logger) (*HCPLinkVault, error) {
	if config != nil {
		return nil, errors.New("the link to HCP is not built into the lab's Vault")
	}
	return nil, nil
}

// Shutdown has nothing to end.
func (*HCPLinkVault) Shutdown() error { return nil }

// GetScadaSessionStatus is empty.
func (*HCPLinkVault) GetScadaSessionStatus() string { return "" }

// GetConnectionStatusMessage is empty.
func (*HCPLinkVault) GetConnectionStatusMessage(string) string { return "" }
