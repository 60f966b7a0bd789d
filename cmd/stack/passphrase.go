package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// givenPassphrase takes the stack's passphrase from the environment, or asks
// for it. It is the person's to keep: nothing of it is written down here.
func (m *maker) givenPassphrase(exists bool) error {
	devFile, err := devPassphraseFile()
	if err != nil {
		return err
	}
	// The lab's environment names the passphrase of stack dev, which every
	// clone on the machine has and no other stack may share.
	file := os.Getenv("PULUMI_CONFIG_PASSPHRASE_FILE")
	if os.Getenv("PULUMI_CONFIG_PASSPHRASE") != "" || (file != "" && file != devFile) {
		return nil
	}
	terminal := int(os.Stdin.Fd())
	if !term.IsTerminal(terminal) {
		return fmt.Errorf("stack %s needs its passphrase: set PULUMI_CONFIG_PASSPHRASE_FILE to a file that holds it, "+
			"or PULUMI_CONFIG_PASSPHRASE", m.name)
	}
	passphrase, err := m.ask(terminal, "passphrase")
	if err != nil {
		return err
	}
	if !exists {
		again, err := m.ask(terminal, "the same again")
		if err != nil {
			return err
		}
		if again != passphrase {
			return errors.New("the two passphrases differ")
		}
	}
	m.cli.setPassphrase("PULUMI_CONFIG_PASSPHRASE", passphrase)
	return nil
}

func (m *maker) ask(terminal int, what string) (string, error) {
	_, _ = fmt.Fprintf(m.out, "stack %s, %s: ", m.name, what)
	answer, err := term.ReadPassword(terminal)
	_, _ = fmt.Fprintln(m.out)
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	if len(answer) == 0 {
		return "", errors.New("the passphrase is empty")
	}
	return string(answer), nil
}
