package kubelet

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	utilexec "k8s.io/utils/exec"
)

// runs says whether a process of this machine has the arguments, which are
// separated by zero bytes.
func runs(t *testing.T, args string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(data), args+"\x00") {
			return true
		}
	}
	return false
}

// shell runs a script in a sandbox.
func (spec containerSpec) shell(ctx context.Context, script string) (output string, err error) {
	spec.Command = []string{"/bin/sh", "-c", script}
	if spec.Env == nil {
		spec.Env = []string{"PATH=" + programFolder + ":/usr/bin:/bin"}
	}
	var out bytes.Buffer
	err = spec.stream(ctx, strings.NewReader("from stdin\n"), &out, &out)
	return out.String(), err
}

func file(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSandbox(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "a", "a volume's file\n")
	spec := containerSpec{
		Dir:      "/var/data",
		Mounts:   []mount{{dir, "/var/data"}, {file(t, dir, "one", "a single file\n"), "/opt/one"}},
		Programs: map[string]string{"greet": file(t, t.TempDir(), "program-1.2", "#!/bin/sh\necho hello $1\n")},
	}
	out, err := spec.shell(t.Context(), "cat a /opt/one -; greet you; pwd; echo made > made")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := "a volume's file\na single file\nfrom stdin\nhello you\n/var/data\n"; out != want {
		t.Errorf("the container says %q, want %q", out, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Errorf("what the container wrote is not in its volume: %v", err)
	}
}

// A container sees the machine's system folders, and nothing of a person's.
func TestSandboxHidesTheMachine(t *testing.T) {
	hidden := file(t, t.TempDir(), "hidden", "")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	out, err := containerSpec{}.shell(t.Context(), "ls -d "+hidden+" "+here+" /home /root; ls /tmp; echo $HOME; : > /tmp/x && echo writable")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(out) {
		if line != "\n" && line != "writable\n" && !strings.Contains(line, "No such file") {
			t.Errorf("the container sees %q", line)
		}
	}
}

func TestSandboxExitCode(t *testing.T) {
	_, err := containerSpec{}.shell(t.Context(), "exit 7")
	var exit utilexec.CodeExitError
	if !errors.As(err, &exit) || exit.Code != 7 {
		t.Errorf("error %v, want exit code 7", err)
	}
}

func TestSandboxRefuses(t *testing.T) {
	for _, test := range []struct {
		spec containerSpec
		want string
	}{
		{containerSpec{Mounts: []mount{{"/nonexistent/source", "/x"}}}, "opening /nonexistent/source for /x"},
		{containerSpec{Programs: map[string]string{"p": "/nonexistent/p"}}, "opening /nonexistent/p for /lab/bin/p"},
		{containerSpec{Dir: "/nonexistent"}, "entering the container's folder"},
	} {
		out, err := test.spec.shell(t.Context(), "echo ran")
		if err == nil || !strings.Contains(out, test.want) || strings.Contains(out, "ran\n") {
			t.Errorf("%v: %q, want %q", err, out, test.want)
		}
	}
	var out bytes.Buffer
	spec := containerSpec{Command: []string{"no-such-program"}, Env: []string{"PATH=/usr/bin"}}
	if err := spec.stream(t.Context(), nil, &out, &out); err == nil || !strings.Contains(out.String(), "no-such-program") {
		t.Errorf("%v: %q, want the program's name", err, &out)
	}
}
