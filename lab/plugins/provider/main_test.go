package provider_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"platform/lab/plugins/provider"
)

// asPlugin makes the test's own binary a plugin.
const asPlugin = "PLATFORM_TEST_AS_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		provider.Serve("test", (&store{}).plugin())
		return
	}
	os.Exit(m.Run())
}

// process starts the plugin as the engine does and reads the port.
func process(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asPlugin+"=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port := strings.TrimSuffix(line, "\n")
	if _, err := strconv.Atoi(port); err != nil {
		t.Fatalf("the first line is %q, not a port", line)
	}
	return cmd, "127.0.0.1:" + port
}

// engine is an address that answers as a living engine's does.
func engine(t *testing.T) string {
	t.Helper()
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: cancel, Init: func(*grpc.Server) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(cancel) })
	return "127.0.0.1:" + strconv.Itoa(handle.Port)
}

func ends(t *testing.T, cmd *exec.Cmd, within time.Duration) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the plugin ended with %v", err)
		}
	case <-time.After(within):
		t.Errorf("the plugin still runs after %v", within)
	}
}

func TestProcessAnswersUntilInterrupted(t *testing.T) {
	t.Parallel()
	cmd, address := process(t, "--logtostderr", "-v=9", engine(t))
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	info, err := pulumirpc.NewResourceProviderClient(connection).GetPluginInfo(t.Context(), &emptypb.Empty{})
	if err != nil || info.GetVersion() != "1.2.3" {
		t.Errorf("plugin info: %v, %v", info, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ends(t, cmd, 3*time.Second)
}

func TestProcessEndsWithItsEngine(t *testing.T) {
	t.Parallel()
	// Nobody listens there: port 1 is reserved.
	cmd, _ := process(t, "127.0.0.1:1")
	ends(t, cmd, 8*time.Second)
}
