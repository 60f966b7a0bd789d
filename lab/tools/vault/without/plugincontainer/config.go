// Package plugincontainer takes the place of Docker's client: the lab's Vault runs
// no plugin in a container.
package plugincontainer

import (
	"errors"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

// Config tells how to run a plugin's container.
type Config struct {
	Image, Tag, SHA256, Runtime, CgroupParent string
	Entrypoint, Args, Env                     []string
	Labels                                    map[string]string
	GroupAdd                                  int
	NanoCpus, Memory                          int64
	Rootless, CapIPCLock                      bool
}

// NewContainerRunner refuses.
func (*Config) NewContainerRunner(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) {
	return nil, errors.New("plugins in containers are not built into the lab's Vault")
}
