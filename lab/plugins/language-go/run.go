package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// loggedError is the exit code of a program that has told the engine itself
// what is wrong (pulumi.Run's).
const loggedError = 32

// Run builds the program and runs it to its end.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	binary, remove, err := build(ctx, req.GetInfo())
	if err != nil {
		return nil, err
	}
	defer remove()
	env, err := h.environment(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, req.GetArgs()...)
	cmd.Dir, cmd.Env = req.GetPwd(), env
	// The engine shows the host's own streams as the program's.
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := h.start(cmd); err != nil {
		return nil, fmt.Errorf("starting the program: %w", err)
	}
	var exit *exec.ExitError
	switch err := cmd.Wait(); {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == loggedError:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	default:
		return nil, fmt.Errorf("running the program: %w", err)
	}
}

// start starts the program as the one that Cancel interrupts.
func (h *host) start(program *exec.Cmd) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := program.Start(); err != nil {
		return err
	}
	h.program = program.Process
	return nil
}

// build gives the program's executable: the option `binary` names a ready one,
// `buildTarget` where to keep the one that is built. A kept one that is current
// is not linked again.
func build(ctx context.Context, info *pulumirpc.ProgramInfo) (binary string, remove func(), err error) {
	keep := func() {}
	dir := info.GetProgramDirectory()
	if ready := option(info.GetOptions(), "binary"); ready != "" {
		if option(info.GetOptions(), "buildTarget") != "" {
			return "", nil, errors.New("binary and buildTarget cannot both be set")
		}
		if !filepath.IsAbs(ready) {
			ready = filepath.Join(dir, ready)
		}
		return ready, keep, nil
	}
	target := option(info.GetOptions(), "buildTarget")
	remove = keep
	if target == "" {
		temp, err := os.MkdirTemp("", "pulumi-go.")
		if err != nil {
			return "", nil, fmt.Errorf("making a folder for the program: %w", err)
		}
		target = filepath.Join(temp, "program")
		remove = func() { _ = os.RemoveAll(temp) }
	} else if !filepath.IsAbs(target) {
		target = filepath.Join(dir, target)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", target, "-trimpath", "-ldflags", "-w -s", info.GetEntryPoint())
	cmd.Dir = dir
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		remove()
		return "", nil, fmt.Errorf("unable to build the program: %w\n%s", err, output.Bytes())
	}
	return target, remove, nil
}

func option(options *structpb.Struct, name string) string {
	return options.GetFields()[name].GetStringValue()
}

// environment is what pulumi.Run reads.
func (h *host) environment(req *pulumirpc.RunRequest) ([]string, error) {
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, err
	}
	secretKeys, err := json.Marshal(append([]string{}, req.GetConfigSecretKeys()...))
	if err != nil {
		return nil, err
	}
	env := os.Environ()
	for _, v := range [][2]string{
		{"PULUMI_ORGANIZATION", req.GetOrganization()},
		{"PULUMI_PROJECT", req.GetProject()},
		{"PULUMI_ROOT_DIRECTORY", req.GetInfo().GetRootDirectory()},
		{"PULUMI_STACK", req.GetStack()},
		{"PULUMI_CONFIG", string(config)},
		{"PULUMI_CONFIG_SECRET_KEYS", string(secretKeys)},
		{"PULUMI_DRY_RUN", strconv.FormatBool(req.GetDryRun())},
		{"PULUMI_PARALLEL", strconv.Itoa(int(req.GetParallel()))},
		{"PULUMI_MONITOR", req.GetMonitorAddress()},
		{"PULUMI_ENGINE", h.engine},
	} {
		if v[1] != "" {
			env = append(env, v[0]+"="+v[1])
		}
	}
	return env, nil
}
