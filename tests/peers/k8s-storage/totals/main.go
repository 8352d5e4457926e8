// Command totals reads the JSON output of the storage suites and compares it with what a real etcd passes.
//
//	totals RESULTS EXPECTED [--record]
//
// EXPECTED has a line `package test count` for each top-level test, where count includes the test and its subtests.
// With --record it is written instead of compared. The exit status is 1 unless each of these tests passed in full.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

const packagePrefix = "k8s.io/apiserver/"

// event is one line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// results is what a run of the suites said.
type results struct {
	// passed counts passes by "package test" with the subtests under their top-level test.
	passed map[string]int
	// tests and all count the passes of a package, top-level ones and with subtests.
	tests, all, failed map[string]int
	packages           []string
	failures           []string
	output             map[string][]string
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: totals RESULTS EXPECTED [--record]")
		os.Exit(2)
	}
	run, err := read(os.Args[1])
	if err == nil && len(os.Args) > 3 && os.Args[3] == "--record" {
		err = record(os.Args[2], run.passed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	run.print()
	missing, err := missing(os.Args[2], run.passed)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, line := range missing {
		fmt.Println(line)
	}
	if len(run.failures)+len(missing) > 0 {
		os.Exit(1)
	}
}

func read(path string) (*results, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	run := &results{
		passed: map[string]int{},
		tests:  map[string]int{},
		all:    map[string]int{},
		failed: map[string]int{},
		output: map[string][]string{},
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var next event
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			return nil, fmt.Errorf("%s: %q is not an event: %w", path, lines.Text(), err)
		}
		run.add(next)
	}
	return run, lines.Err()
}

func (r *results) add(next event) {
	name := strings.TrimPrefix(next.Package, packagePrefix)
	id := name + " " + next.Test
	top, _, isSubtest := strings.Cut(next.Test, "/")
	switch next.Action {
	case "start":
		r.packages = append(r.packages, name)
	case "output", "build-output":
		r.output[id] = append(r.output[id], next.Output)
	case "pass":
		delete(r.output, id)
		if next.Test == "" {
			return
		}
		r.passed[name+" "+top]++
		r.all[name]++
		if !isSubtest {
			r.tests[name]++
		}
	case "fail", "build-fail":
		r.failures = append(r.failures, id)
		if next.Test != "" {
			r.failed[name]++
		}
	}
}

const failureLinesMax = 40

func (r *results) print() {
	for _, name := range r.packages {
		if r.all[name]+r.failed[name] > 0 {
			fmt.Printf("%s tests %d subtests %d failed %d\n", name, r.tests[name], r.all[name], r.failed[name])
		}
	}
	for _, id := range r.failures {
		fmt.Printf("FAILED %s\n", id)
		lines := r.output[id]
		fmt.Print(strings.Join(lines[max(0, len(lines)-failureLinesMax):], ""))
	}
}

func record(path string, passed map[string]int) error {
	var lines []string
	for id, count := range passed {
		lines = append(lines, fmt.Sprintf("%s %d\n", id, count))
	}
	slices.Sort(lines)
	return os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644)
}

// missing tells each expected test of which fewer passed than with a real etcd.
func missing(path string, passed map[string]int) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		var name, test string
		var count int
		if _, err := fmt.Sscanf(line, "%s %s %d\n", &name, &test, &count); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, line, err)
		}
		if got := passed[name+" "+test]; got < count {
			found = append(found, fmt.Sprintf("MISSING %s %s: %d of %d passed", name, test, got, count))
		}
	}
	return found, nil
}
