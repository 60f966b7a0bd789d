// Command stack makes what a stack needs before its first `pulumi up`: the
// passphrase, the CA, the other one-time secrets and a first config.
//
//	go run ./cmd/stack [flags] NAME
//	go run ./cmd/stack schema
//
// It can run again at any time: what is there stays as it is. The second form
// prints the JSON schema of the stack files.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"platform/stacks"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, ".", os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

// run is the command, in the folder of the project.
func run(ctx context.Context, folder string, args []string, out io.Writer) error {
	if slices.Equal(args, []string{"schema"}) {
		schema, err := stacks.Schema()
		if err != nil {
			return err
		}
		_, err = out.Write(schema)
		return err
	}
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(folder + "/Pulumi.yaml"); err != nil {
		return fmt.Errorf("run it in the project's folder, which holds Pulumi.yaml: %w", err)
	}
	m := &maker{name: o.name, folder: folder, out: out, cli: &cli{folder: folder, env: os.Environ()}}
	if o.name == devStack {
		return m.makeDev(ctx)
	}
	return m.makeOther(ctx, o)
}

// devStack is the stack that runs on the lab.
const devStack = "dev"

// options are what the command line says of a stack.
type options struct {
	name string
	// caCertificate and caKey are the files of a CA that is there already.
	caCertificate, caKey string
	// loginSecret is the file with the secret of the login's client.
	loginSecret string
	first       firstConfig
}

// notStacks are the names below state/ that are no stack's.
var notStacks = []string{"lab", "platform", "schema"}

var stackName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,38}$`)

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("stack", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		_, _ = fmt.Fprintln(out, "usage: stack [flags] NAME")
		flags.PrintDefaults()
	}
	flags.StringVar(&o.caCertificate, "ca-certificate", "", "PEM `file` of a CA's certificate, in place of a CA of our own")
	flags.StringVar(&o.caKey, "ca-key", "", "PEM `file` of that CA's key")
	flags.StringVar(&o.loginSecret, "login-client-secret", "", "`file` with the client secret at the OpenID Connect provider")
	flags.StringVar(&o.first.Domain, "domain", "", "DNS suffix of the platform's hosts, for the first config")
	flags.StringVar(&o.first.Issuer, "login-issuer", "", "`URL` of the OpenID Connect provider, for the first config")
	flags.StringVar(&o.first.ClientID, "login-client-id", "", "client id at the provider, for the first config")
	flags.StringVar(&o.first.Administrator, "administrator", "", "e-mail `address` of the first administrator, for the first config")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.name = flags.Arg(0)
	switch {
	case flags.NArg() != 1:
		return o, errors.New("give it the name of one stack, after the flags: make stack NAME=prod")
	case !stackName.MatchString(o.name):
		return o, fmt.Errorf("%q cannot be a stack's name; write small letters, digits and hyphens, first a letter", o.name)
	case slices.Contains(notStacks, o.name):
		return o, fmt.Errorf("a stack cannot be called %s: state/ has something else of that name", o.name)
	case (o.caCertificate == "") != (o.caKey == ""):
		return o, errors.New("a CA has a certificate and a key: give both, -ca-certificate and -ca-key")
	case o.name == devStack && flags.NFlag() > 0:
		return o, errors.New("stack dev makes itself and takes no flags; its config is Pulumi.dev.yaml")
	}
	return o, nil
}

// maker makes one stack.
type maker struct {
	name   string
	folder string
	out    io.Writer
	cli    *cli
	// made says whether this run made anything.
	made bool
}

// tell prints a line about something made.
func (m *maker) tell(format string, args ...any) {
	m.made = true
	_, _ = fmt.Fprintf(m.out, "stack %s: %s\n", m.name, fmt.Sprintf(format, args...))
}

// begin makes the state's folder and says whether the stack is there already.
func (m *maker) begin(ctx context.Context) (exists bool, err error) {
	state := m.path("state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return false, fmt.Errorf("making the state's folder: %w", err)
	}
	// An older umask, or a person, may have left it open to others.
	if err := os.Chmod(state, 0o700); err != nil {
		return false, fmt.Errorf("closing the state's folder to others: %w", err)
	}
	return m.cli.exists(ctx, m.name)
}

// finish checks the stack's whole config, as the program will.
func (m *maker) finish(config map[string]entry) error {
	source := stacks.Source{Values: map[string]string{}, Secrets: map[string]bool{}, Folder: m.folder}
	for key, entry := range config {
		if name, ok := strings.CutPrefix(key, "platform:"); ok {
			source.Values[name], source.Secrets[name] = entry.Value, entry.Secret
		}
	}
	if _, err := stacks.Load(source); err != nil {
		return fmt.Errorf("%s needs a change: %w", m.file(), err)
	}
	if !m.made {
		_, _ = fmt.Fprintf(m.out, "stack %s: all there, nothing made\n", m.name)
	}
	return nil
}
