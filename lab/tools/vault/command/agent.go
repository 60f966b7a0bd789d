// This file takes the place of agent.go, agent_generate_config.go and proxy.go,
// which log in to clouds and render templates for other programs.

package command

// AgentCommand refuses.
type AgentCommand struct {
	*BaseCommand
	ShutdownCh, SighupCh, SigUSR2Ch chan struct{}
}

const agentLeftOut = "Not built into the lab's Vault"

// Synopsis is the line in the list of commands.
func (*AgentCommand) Synopsis() string { return agentLeftOut }

// Help has no more to say.
func (*AgentCommand) Help() string { return agentLeftOut }

// Run refuses.
func (c *AgentCommand) Run([]string) int {
	c.UI.Error(agentLeftOut)
	return 1
}

type (
	// AgentGenerateConfigCommand refuses too.
	AgentGenerateConfigCommand = AgentCommand
	// ProxyCommand refuses too.
	ProxyCommand = AgentCommand
)
