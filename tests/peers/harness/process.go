// Package harness runs the servers that the tests of this folder talk to, on loopback and for one test each.
package harness

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running child process whose output is kept.
type Process struct {
	name    string
	command *exec.Cmd
	output  *outputLog
	ended   chan struct{}
}

// StartProcess starts a command and ends it with the test. If the test fails, the end of its output is shown.
func StartProcess(t testing.TB, name string, command *exec.Cmd) *Process {
	t.Helper()
	process := start(t, name, command)
	t.Cleanup(func() { process.finish(t) })
	return process
}

func start(t testing.TB, name string, command *exec.Cmd) *Process {
	t.Helper()
	output := &outputLog{}
	command.Stdout = output
	command.Stderr = output
	// A grandchild that holds the output open must not hold up Wait.
	command.WaitDelay = time.Second
	if err := Spawn(command); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	process := &Process{name: name, command: command, output: output, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(process.ended)
	}()
	return process
}

const terminateMax = 15 * time.Second

// finish ends the process as an operator would, by SIGTERM.
func (p *Process) finish(t testing.TB) {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(terminateMax):
		t.Errorf("%s did not end within %s of SIGTERM", p.name, terminateMax)
		p.Kill()
	}
	if t.Failed() {
		t.Logf("last output of %s:\n%s", p.name, p.output.tail(60))
	}
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// Ended says whether the process is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Exit waits for the process to end by itself, and returns its exit code.
func (p *Process) Exit(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.command.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("%s did not end within %s", p.name, limit)
		return -1
	}
}

// WaitForOutput waits until the output contains text; the test fails if the process ends or the time is up before.
func (p *Process) WaitForOutput(t testing.TB, text string, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !p.output.contains(text) {
		if p.Ended() {
			t.Fatalf("%s ended before it printed %q:\n%s", p.name, text, p.output.tail(60))
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not print %q within %s:\n%s", p.name, text, limit, p.output.tail(60))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Output returns what the process has printed so far.
func (p *Process) Output() string {
	return p.output.tail(1 << 30)
}

// outputLog keeps the first and the newest part of what a process prints.
type outputLog struct {
	lock sync.Mutex
	head bytes.Buffer
	tip  []byte
}

const (
	outputHeadMax = 1 << 20
	outputTipMax  = 1 << 20
)

var _ io.Writer = (*outputLog)(nil)

func (o *outputLog) Write(data []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	if o.head.Len() < outputHeadMax {
		o.head.Write(data)
		return len(data), nil
	}
	o.tip = append(o.tip, data...)
	if len(o.tip) > 2*outputTipMax {
		o.tip = append([]byte(nil), o.tip[len(o.tip)-outputTipMax:]...)
	}
	return len(data), nil
}

func (o *outputLog) contains(text string) bool {
	o.lock.Lock()
	defer o.lock.Unlock()
	return bytes.Contains(o.head.Bytes(), []byte(text)) || bytes.Contains(o.tip, []byte(text))
}

func (o *outputLog) tail(lineCount int) string {
	o.lock.Lock()
	defer o.lock.Unlock()
	lines := strings.Split(o.head.String()+string(o.tip), "\n")
	return strings.Join(lines[max(0, len(lines)-lineCount):], "\n")
}

// Tool returns the path of a program from an environment variable; the test fails if it is not there.
func Tool(t testing.TB, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s names no program", variable)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return path
}
