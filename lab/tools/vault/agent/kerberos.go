package kerberos

import (
	"errors"

	"github.com/hashicorp/vault/command/agentproxyshared/auth"
)

func NewKerberosAuthMethod(_ *auth.AuthConfig) (auth.AuthMethod, error) {
	return nil, errors.New("log-in by kerberos is not built into the lab's Vault")
}
