// This file takes the place of kms.go and env_var_util.go: of all seals it has
// Shamir's, whose keys people hold. The others are clients of clouds.

package configutil

import (
	"crypto/rand"
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-kms-wrapping/entropy/v2"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/hcl/hcl/ast"
)

// KmsRenameDisabledSuffix marks a seal that is left for another.
const KmsRenameDisabledSuffix = "-disabled"

// KMS is a seal.
type KMS struct {
	UnusedKeys []string
	Type, Name string
	Purpose    []string
	Disabled   bool
	Config     map[string]string
	Priority   int
}

// Clone copies the seal.
func (k *KMS) Clone() *KMS {
	c := *k
	c.UnusedKeys, c.Purpose = slices.Clone(k.UnusedKeys), slices.Clone(k.Purpose)
	return &c
}

func parseKMS(_ *[]*KMS, _ *ast.ObjectList, block string, _ int) error {
	return fmt.Errorf("a block %q is not built into the lab's Vault", block)
}

// ConfigureWrapper gives what a seal encrypts with, which for Shamir's is nil: the
// key comes with the unsealing.
func ConfigureWrapper(seal *KMS, _ *[]string, _ *map[string]string, _ hclog.Logger, _ ...wrapping.Option) (wrapping.Wrapper, error) {
	if wrapping.WrapperType(seal.Type) != wrapping.WrapperTypeShamir {
		return nil, fmt.Errorf("the seal %q is not built into the lab's Vault", seal.Type)
	}
	return nil, nil
}

// EntropyMode is a use of random numbers from a seal, which only Enterprise has.
type EntropyMode int

// The modes.
const (
	EntropyUnknown EntropyMode = iota
	EntropyAugmentation
)

// Entropy is what a configuration asks of a seal's random numbers.
type Entropy struct {
	Mode     EntropyMode
	SealName string
}

// EntropySourcerInfo is a seal that gives random numbers.
type EntropySourcerInfo struct {
	Sourcer entropy.Sourcer
	Name    string
}

// CreateSecureRandomReaderFunc gives the system's random numbers.
func CreateSecureRandomReaderFunc(*SharedConfig, []*EntropySourcerInfo, hclog.Logger) (io.Reader, error) {
	return rand.Reader, nil
}
