// Command lab starts, stops and tells of the lab: the neighbours of the
// platform, on one machine. It is run from anywhere in the project, mostly by
// make.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"platform/lab/kubelet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "lab: interrupted; the same command goes on from here")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "lab",
		Short:         "The platform's neighbours on one machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		simple("build", "build the tools and plugins that are missing", build),
		simple("up", "start all that does not run", up),
		downCommand(),
		simple("status", "tell what runs", status),
		simple("doctor", "tell what is wrong, and what to do", doctor),
		simple("env", "print the lab's environment for sh: eval \"$(lab env)\"", printEnvironment),
		simple("shell", "start a shell in the lab's environment", shell),
		runs("exec", "run a command in the lab's environment", runInLab),
		runs("with-tools", "run a command that finds the lab's tools on PATH", withTools),
		simple("lock", "fail if a run, or a killed one, holds stack dev", checkLock),
		simple("summary", "print the platform's addresses, and where its passwords are", summary),
		simple("bench", "time a preview and an up without changes", bench),
		hidden(simple("serve", "run the lab's own servers in this process", serve)),
		hidden(simple(supervisor, "start the lab's processes again when they die", supervise)),
		hidden(&cobra.Command{
			Use: kubelet.RunContainerCommand, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return kubelet.RunContainer() },
		}),
	)
	return root
}

// simple is a subcommand without arguments.
func simple(name, short string, run func(context.Context, *project) error) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := findProject()
			if err != nil {
				return err
			}
			return run(cmd.Context(), p)
		},
	}
}

func hidden(c *cobra.Command) *cobra.Command {
	c.Hidden = true
	return c
}

func downCommand() *cobra.Command {
	var data bool
	c := simple("down", "stop all of the lab", func(ctx context.Context, p *project) error {
		return down(ctx, p, data)
	})
	c.Flags().BoolVar(&data, "data", false, "remove the lab's data as well")
	return c
}

// runs is a subcommand whose arguments are a command to run.
func runs(name, short string, run func(*project, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " -- COMMAND [ARGUMENT...]", Short: short, Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := findProject()
			if err != nil {
				return err
			}
			return run(p, args)
		},
	}
}
