package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// request asks to run the program in a folder.
func request(t *testing.T, dir string, options map[string]any) *pulumirpc.RunRequest {
	t.Helper()
	o, err := structpb.NewStruct(options)
	if err != nil {
		t.Fatal(err)
	}
	return &pulumirpc.RunRequest{
		Pwd: dir, Project: "platform", Stack: "dev", MonitorAddress: "127.0.0.1:1", DryRun: true, Parallel: 4,
		Config: map[string]string{"platform:token": "hush"}, ConfigSecretKeys: []string{"platform:token"},
		Info: &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: ".", Options: o},
	}
}

// script makes a ready program.
func script(t *testing.T, text string) string {
	t.Helper()
	dir := folder(t, map[string]string{"program": "#!/bin/sh\n" + text})
	if err := os.Chmod(filepath.Join(dir, "program"), 0o700); err != nil { //nolint:gosec // a program must be executable
		t.Fatal(err)
	}
	return dir
}

func TestExitCodes(t *testing.T) {
	for code, want := range map[string]*pulumirpc.RunResponse{
		"0":  {},
		"32": {Bail: true}, // the program has told the engine why
		"3":  {Error: "program exited with non-zero exit code: 3"},
	} {
		got, err := (&host{}).Run(t.Context(), request(t, script(t, "exit "+code), map[string]any{"binary": "program"}))
		if err != nil || got.GetBail() != want.GetBail() || got.GetError() != want.GetError() {
			t.Errorf("exit %s: %v, %v", code, got, err)
		}
	}
}

func TestProgramGetsWhatPulumiRunReads(t *testing.T) {
	dir := script(t, "env | grep ^PULUMI_ > environment; pwd > here")
	if _, err := (&host{engine: "127.0.0.1:2"}).Run(t.Context(), request(t, dir, map[string]any{"binary": "program"})); err != nil {
		t.Fatal(err)
	}
	environment, err := os.ReadFile(filepath.Join(dir, "environment"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(environment), "\n")
	for _, want := range []string{
		"PULUMI_PROJECT=platform", "PULUMI_STACK=dev", "PULUMI_ROOT_DIRECTORY=" + dir, "PULUMI_DRY_RUN=true", "PULUMI_PARALLEL=4",
		"PULUMI_MONITOR=127.0.0.1:1", "PULUMI_ENGINE=127.0.0.1:2",
		`PULUMI_CONFIG={"platform:token":"hush"}`, `PULUMI_CONFIG_SECRET_KEYS=["platform:token"]`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "PULUMI_ORGANIZATION=") }) {
		t.Error("an empty value is set")
	}
	here, err := os.ReadFile(filepath.Join(dir, "here"))
	if err != nil || strings.TrimSpace(string(here)) != dir {
		t.Errorf("the program ran in %q, %v", here, err)
	}
}

func TestCancelInterruptsTheProgram(t *testing.T) {
	dir := script(t, "trap 'exit 9' INT; : > started; while :; do sleep 0.05; done")
	h := &host{}
	done := make(chan *pulumirpc.RunResponse, 1)
	go func() {
		response, err := h.Run(t.Context(), request(t, dir, map[string]any{"binary": "program"}))
		if err != nil {
			t.Error(err)
		}
		done <- response
	}()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("the program does not start")
		}
	}
	if _, err := h.Cancel(t.Context(), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	select {
	case response := <-done:
		if !strings.Contains(response.GetError(), "code: 9") {
			t.Errorf("%v", response)
		}
	case <-time.After(5 * time.Second):
		t.Error("the program still runs")
	}
}

var goProgram = map[string]string{
	"go.mod": "module test\n\ngo 1.24\n", "main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(32) }\n",
}

func TestProgramIsBuiltAndKept(t *testing.T) {
	dir := folder(t, goProgram)
	r := request(t, dir, map[string]any{"buildTarget": "state/program"})
	for range 2 {
		if got, err := (&host{}).Run(t.Context(), r); err != nil || !got.GetBail() {
			t.Fatalf("%v, %v", got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "program")); err != nil {
		t.Error(err)
	}
}

func TestProgramThatDoesNotBuild(t *testing.T) {
	dir := folder(t, map[string]string{"go.mod": goProgram["go.mod"], "main.go": "package main\n\nfunc main() { nothing() }\n"})
	if _, err := (&host{}).Run(t.Context(), request(t, dir, nil)); err == nil || !strings.Contains(err.Error(), "undefined: nothing") {
		t.Errorf("%v", err)
	}
	both := map[string]any{"binary": "a", "buildTarget": "b"}
	if _, err := (&host{}).Run(t.Context(), request(t, dir, both)); err == nil || !strings.Contains(err.Error(), "cannot both be set") {
		t.Errorf("%v", err)
	}
	if _, err := (&host{}).Run(t.Context(), request(t, dir, map[string]any{"binary": "missing"})); err == nil {
		t.Error("a program that is not there")
	}
}
