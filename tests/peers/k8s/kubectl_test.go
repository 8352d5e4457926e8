package k8s

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

const kubectlMax = 60 * time.Second

// kubectl runs the real kubectl and returns what it printed.
func (a *apiserver) kubectl(input string, arguments ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), kubectlMax)
	defer cancel()
	command := exec.CommandContext(ctx, os.Getenv("KUBECTL"), append([]string{"--kubeconfig", a.kubeconfig}, arguments...)...)
	command.Env = append(os.Environ(), "HOME="+a.home)
	command.Stdin = strings.NewReader(input)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err = command.Run()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, problems.String())
	}
	return out.String(), problems.String(), err
}

// must runs kubectl and ends the test if it fails.
func (a *apiserver) must(input string, arguments ...string) string {
	a.t.Helper()
	stdout, _, err := a.kubectl(input, arguments...)
	if err != nil {
		a.t.Fatal(err)
	}
	return stdout
}

// eventually repeats kubectl until it succeeds.
func (a *apiserver) eventually(input string, arguments ...string) {
	a.t.Helper()
	deadline := time.Now().Add(kubectlMax)
	for {
		_, _, err := a.kubectl(input, arguments...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// object is what the job needs of any Kubernetes object.
type object struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Data       map[string]string `json:"data,omitempty"`
	Spec       map[string]any    `json:"spec,omitempty"`
}

type metadata struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
}

// manifest is objects as one input for kubectl.
func manifest(t *testing.T, objects ...object) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return value
}

// watch is a running `kubectl get --watch` and the events it has printed so far.
type watch struct {
	t      *testing.T
	what   string
	lock   sync.Mutex
	events []watchEvent
	ended  bool
}

type watchEvent struct {
	Type   string `json:"type"`
	Object object `json:"object"`
}

// watch starts to follow a kind of objects; it ends with the test or with stop.
func (a *apiserver) watch(arguments ...string) (started *watch, stop func()) {
	a.t.Helper()
	arguments = append([]string{"--kubeconfig", a.kubeconfig, "get"}, arguments...)
	arguments = append(arguments, "--watch", "--output-watch-events", "--output", "json")
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, os.Getenv("KUBECTL"), arguments...)
	command.Env = append(os.Environ(), "HOME="+a.home)
	output, err := command.StdoutPipe()
	if err == nil {
		err = harness.Spawn(command)
	}
	if err != nil {
		cancel()
		a.t.Fatal(err)
	}
	started = &watch{t: a.t, what: strings.Join(arguments[3:], " ")}
	done := make(chan struct{})
	go func() {
		defer close(done)
		decoder := json.NewDecoder(output)
		for {
			var event watchEvent
			if decoder.Decode(&event) != nil {
				break
			}
			started.lock.Lock()
			started.events = append(started.events, event)
			started.lock.Unlock()
		}
		_ = command.Wait()
		started.lock.Lock()
		started.ended = true
		started.lock.Unlock()
	}()
	stop = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		<-done
		cancel()
	})
	a.t.Cleanup(stop)
	return started, stop
}

// waitFor waits until the watch has shown an event of this type for every name.
func (w *watch) waitFor(kind string, names []string) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		missing, ended := w.missing(kind, names)
		if len(missing) == 0 {
			return
		}
		if ended || time.Now().After(deadline) {
			w.t.Fatalf("watch of %s (ended: %v) has no %s event for %d of %d names, such as %s",
				w.what, ended, kind, len(missing), len(names), missing[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *watch) missing(kind string, names []string) ([]string, bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	seen := map[string]bool{}
	for _, event := range w.events {
		if event.Type == kind {
			seen[event.Object.Metadata.Name] = true
		}
	}
	var missing []string
	for _, name := range names {
		if !seen[name] {
			missing = append(missing, name)
		}
	}
	return missing, w.ended
}
