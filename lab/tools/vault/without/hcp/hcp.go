// Package vaulthcplib takes the place of the commands for HashiCorp's cloud, which
// the lab's Vault lacks.
package vaulthcplib

import (
	"time"

	"github.com/hashicorp/cli"
)

// HCPToken is a log-in to HashiCorp's cloud.
type HCPToken struct {
	AccessToken, ProxyAddr string
	AccessTokenExpiry      time.Time
}

// HCPTokenHelper finds a log-in.
type HCPTokenHelper interface {
	GetHCPToken(path string) (*HCPToken, error)
}

// InternalHCPTokenHelper finds none.
type InternalHCPTokenHelper struct{}

// GetHCPToken finds none.
func (InternalHCPTokenHelper) GetHCPToken(string) (*HCPToken, error) { return nil, nil }

// InitHCPCommand adds no command.
func InitHCPCommand(cli.Ui) map[string]cli.CommandFactory { return nil }
