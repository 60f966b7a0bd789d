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
		Mounts:   []mount{{dir, "/var/data", false}, {file(t, dir, "one", "a single file\n"), "/opt/one", true}},
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
		{containerSpec{Mounts: []mount{{"/nonexistent/source", "/x", false}}}, "opening /nonexistent/source for /x"},
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

// Whatever the order of the mounts, one inside another is seen.
func TestSandboxNestedMounts(t *testing.T) {
	outer, inner := t.TempDir(), t.TempDir()
	file(t, outer, "file", "outer\n")
	file(t, inner, "file", "inner\n")
	spec := containerSpec{Mounts: []mount{{inner, "/scratch/deep/", false}, {outer, "/scratch", false}}}
	out, err := spec.shell(t.Context(), "cat /scratch/file /scratch/deep/file")
	if err != nil || out != "outer\ninner\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// A volume may be mounted in a system folder; the machine's stays as it is.
func TestSandboxMountsInSystemFolders(t *testing.T) {
	dir, place := t.TempDir(), "/etc/"+filepath.Base(t.TempDir())+filepath.Base(t.Name())
	file(t, dir, "file", "mine\n")
	spec := containerSpec{Mounts: []mount{{dir, place, true}}}
	out, err := spec.shell(t.Context(), "cat "+place+"/file; test -s /etc/passwd && echo passwd")
	if err != nil || out != "mine\npasswd\n" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := os.Stat(place); !os.IsNotExist(err) {
		t.Errorf("%s is on the machine: %v", place, err)
	}
}

func TestSandboxWrites(t *testing.T) {
	dir := t.TempDir()
	spec := containerSpec{Mounts: []mount{{dir, "/open", false}, {dir, "/closed", true}}}
	for _, folder := range []string{"/closed", "/etc", "/usr", "/dev"} {
		if out, err := spec.shell(t.Context(), "touch "+folder+"/lab-test && rm "+folder+"/lab-test"); err == nil {
			t.Errorf("the container may write to %s: %s", folder, out)
		}
	}
	if out, err := spec.shell(t.Context(), "touch /open/file && echo > /dev/null"); err != nil {
		t.Errorf("the container may not write: %s", out)
	}
}

// With a container end the processes that it left behind.
func TestSandboxEndsWhole(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	name := filepath.Base(filepath.Dir(t.TempDir())) // an argument that no other process has
	ended := make(chan error, 1)
	go func() {
		_, err := containerSpec{}.shell(ctx, "sh -c 'sleep 60; :' "+name+" & wait")
		ended <- err
	}()
	eventually(t, "the process", func() bool { return runs(t, "sleep 60; :\x00"+name) })
	cancel()
	if err := <-ended; err == nil {
		t.Error("a container that was stopped ended well")
	}
	eventually(t, "the end of it all", func() bool { return !runs(t, "sleep 60; :\x00"+name) })
}
