package kubelet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// runAloneCommand makes the test's program a kubelet of one container, which
// tells the container's process and waits for its end.
const runAloneCommand = "run-alone"

func runAlone() {
	spec := containerSpec{Command: []string{"sleep", "600"}, Env: []string{"PATH=/usr/bin:/bin"}}
	spec.started = func(pid int) { fmt.Println(pid) }
	fmt.Println(spec.run(context.Background(), nil, nil, nil))
	os.Exit(1)
}

// TestNoOrphans: a kubelet that is killed takes its containers with it, each time.
func TestNoOrphans(t *testing.T) {
	for range 20 {
		cmd := exec.Command("/proc/self/exe", runAloneCommand)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		eventually(t, "the container's own program", func() bool { return strings.HasPrefix(commandLine(pid), "sleep") })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		eventually(t, "the end of the container", func() bool { return commandLine(pid) == "" })
	}
}

func commandLine(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(data)
}
