// Package kvctl compares kvctl with the real etcdctl.
package kvctl

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

const (
	commandMax = 30 * time.Second
	followMax  = 6 * time.Second
)

// client is one of the two programs, with the cluster it writes to.
type client struct {
	// variable of the environment that names the program.
	variable string
	// ids of the cluster and addresses, by what they are called in scripts.
	ids map[string]string
}

// result is what a command printed and how it ended.
type result struct {
	out, err string
	code     int
}

func (c *client) command(ctx context.Context, t *testing.T, step step, endpoint string) *exec.Cmd {
	t.Helper()
	arguments := step.words(c.ids)
	if !slices.ContainsFunc(arguments, func(word string) bool { return strings.HasPrefix(word, "--endpoints") }) {
		arguments = append([]string{"--endpoints=" + endpoint}, arguments...)
	}
	command := exec.CommandContext(ctx, harness.Tool(t, c.variable), arguments...)
	command.Env = append(os.Environ(), step.environment...)
	return command
}

// run runs a command to its end.
func (c *client) run(t *testing.T, step step, endpoint string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandMax)
	defer cancel()
	command := c.command(ctx, t, step, endpoint)
	command.Stdin = strings.NewReader(step.input)
	var out, err strings.Builder
	command.Stdout, command.Stderr = &out, &err
	var exit *exec.ExitError
	switch failure := command.Run(); {
	case ctx.Err() != nil:
		t.Fatalf("%s: %v did not end:\n%s%s", c.variable, step.arguments, out.String(), err.String())
	case failure != nil && !errors.As(failure, &exit):
		t.Fatalf("%s: %v", c.variable, failure)
	}
	return result{out.String(), withoutLog(err.String()), command.ProcessState.ExitCode()}
}

// follow runs a command until it has printed so many lines, and a little longer to see whether more come.
func (c *client) follow(t *testing.T, step step, endpoint string) result {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lines := c.start(ctx, t, step, endpoint)
	var printed strings.Builder
	for count := 0; ; count++ {
		wait := followMax
		if count >= step.lineCount {
			wait = 300 * time.Millisecond
		}
		select {
		case line, open := <-lines:
			if !open {
				return result{printed.String(), "", -1}
			}
			printed.WriteString(line)
		case <-time.After(wait):
			return result{printed.String(), "", 0}
		}
	}
}

// start starts a command that ends with the context, and returns its lines as they come.
func (c *client) start(ctx context.Context, t *testing.T, step step, endpoint string) <-chan string {
	t.Helper()
	command := c.command(ctx, t, step, endpoint)
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Spawn(command); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(input, step.input)
	lines := make(chan string)
	go func() {
		defer command.Wait()
		defer close(lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			select {
			case lines <- scanner.Text() + "\n":
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// withoutLog leaves out what etcdctl's log says beside its output, and kvctl's one line in its place.
func withoutLog(output string) string {
	var lines []string
	for _, line := range strings.SplitAfter(output, "\n") {
		if !strings.HasPrefix(line, `{"level":`) && !strings.HasPrefix(line, "Warning: last attempt failed: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
