// Command entrypoint stands for docker-entrypoint.sh of the image mariadb: it
// makes the data folder at the first start and becomes the server
// (https://github.com/MariaDB/mariadb-docker/blob/master/docker-entrypoint.sh).
// Of the image's variables it knows MARIADB_ROOT_PASSWORD and MARIADB_ROOT_HOST.
// MARIADB_ROOT is the lab's: where the server's packages are unpacked.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The image's own places.
const (
	data   = "/var/lib/mysql"
	config = "/etc/mysql/conf.d"
	socket = "/run/mysqld/mysqld.sock"
)

func main() {
	if err := run(os.Getenv("MARIADB_ROOT"), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "docker-entrypoint.sh:", err)
		os.Exit(1)
	}
}

func run(root string, args []string) error {
	if root == "" {
		return errors.New("MARIADB_ROOT is not set")
	}
	if len(args) > 0 && args[0] == "mariadbd" {
		args = args[1:]
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return err
	}
	settings := filepath.Join(os.TempDir(), "my.cnf")
	if err := os.WriteFile(settings, []byte("!includedir "+config+"/\n"), 0o600); err != nil {
		return err
	}
	if err := initialise(root); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	server := filepath.Join(root, "usr/sbin/mariadbd")
	command := append([]string{server, "--defaults-file=" + settings}, serverOptions(root, data)...)
	command = append(command, "--socket="+socket, "--pid-file="+filepath.Join(filepath.Dir(socket), "mysqld.pid"))
	return fmt.Errorf("running %s: %w", server, syscall.Exec(server, append(command, args...), os.Environ()))
}

// serverOptions lead the server to its own files.
func serverOptions(root, data string) []string {
	usr := filepath.Join(root, "usr")
	options := []string{
		"--basedir=" + usr, "--datadir=" + data,
		"--plugin-dir=" + filepath.Join(usr, "lib/mysql/plugin"),
		"--lc-messages-dir=" + filepath.Join(usr, "share/mysql"),
		"--character-sets-dir=" + filepath.Join(usr, "share/mysql/charsets"),
		"--skip-name-resolve",
	}
	if os.Getuid() == 0 {
		options = append(options, "--user=root") // else it refuses to be root
	}
	return options
}

// initialise makes the data folder once. The folder mysql comes last: without
// it, a start that was cut off begins again.
func initialise(root string) error {
	const system = "mysql"
	if _, err := os.Stat(filepath.Join(data, system)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	password := os.Getenv("MARIADB_ROOT_PASSWORD")
	if password == "" {
		return errors.New("MARIADB_ROOT_PASSWORD is not set")
	}
	fresh := filepath.Join(data, ".new")
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700)); err != nil {
		return err
	}
	options := append([]string{"--no-defaults"}, serverOptions(root, fresh)...)
	if err := command("", filepath.Join(root, "usr/bin/mariadb-install-db"), append(options,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin")...); err != nil {
		return err
	}
	if err := command(rootSQL(os.Getenv("MARIADB_ROOT_HOST"), password), filepath.Join(root, "usr/sbin/mariadbd"),
		append(options, "--bootstrap", "--log-warnings=0")...); err != nil {
		return err
	}
	entries, err := os.ReadDir(fresh)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != system {
			if err := replace(fresh, entry.Name()); err != nil {
				return err
			}
		}
	}
	if err := replace(fresh, system); err != nil {
		return err
	}
	return os.Remove(fresh)
}

func replace(fresh, name string) error {
	return errors.Join(os.RemoveAll(filepath.Join(data, name)),
		os.Rename(filepath.Join(fresh, name), filepath.Join(data, name)))
}

// rootSQL is what the image runs at the first start. Bootstrap takes one
// statement a line.
func rootSQL(host, password string) string {
	quoted := quote(password)
	lines := []string{
		"FLUSH PRIVILEGES;",
		"DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host NOT IN ('localhost');",
		"FLUSH PRIVILEGES;",
		"ALTER USER root@localhost IDENTIFIED BY " + quoted + ";",
	}
	if host != "" && host != "localhost" {
		user := "root@" + quote(host)
		lines = append(lines, "CREATE USER "+user+" IDENTIFIED BY "+quoted+";",
			"GRANT ALL ON *.* TO "+user+" WITH GRANT OPTION;")
	}
	return strings.Join(lines, "\n") + "\n"
}

func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`).Replace(text) + "'"
}

func command(stdin, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s (%w)", filepath.Base(program), strings.TrimSpace(string(out)), err)
	}
	return nil
}
