package etcdctl

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kvd.test/peers/harness"
)

// A script is a list of steps. A step is
//
//	$ arguments        run etcdctl, which must succeed; `!` instead of `$`: it must fail
//	< text             a line of its standard input
//	text               a line that it must print, standard output and error together
//	~ pattern          a line that it must print, as a regular expression; a named group becomes a variable
//	# text             a remark
//
// Arguments are separated by single spaces, may be quoted by ', and may contain ${variable}.
// Blank lines at the end of a step are not part of it.
type step struct {
	line      int
	arguments string
	fails     bool
	input     []string
	want      []string
}

func TestScriptsPrintWhatEtcdPrints(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			cluster := harness.StartCluster(t, 1)
			variables := map[string]string{
				"endpoint": cluster.Members[0].ClientURL,
				"peer":     cluster.Members[0].PeerURL,
			}
			for _, step := range parse(t, path) {
				run(t, path, step, variables)
			}
		})
	}
}

func parse(t *testing.T, path string) []step {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for index, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "$ "), strings.HasPrefix(line, "! "):
			steps = append(steps, step{line: index + 1, arguments: line[2:], fails: line[0] == '!'})
		case strings.HasPrefix(line, "#"):
		case len(steps) == 0:
			if line != "" {
				t.Fatalf("%s:%d: text before the first step", path, index+1)
			}
		case line == "<", strings.HasPrefix(line, "< "):
			last := &steps[len(steps)-1]
			last.input = append(last.input, strings.TrimPrefix(line[1:], " "))
		default:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

func run(t *testing.T, path string, step step, variables map[string]string) {
	t.Helper()
	arguments := split(expand(step.arguments, variables))
	output, err := etcdctl(t, []string{variables["endpoint"]}, strings.Join(step.input, "\n")+"\n", arguments...)
	if (err != nil) != step.fails {
		t.Fatalf("%s:%d: etcdctl %v: %v:\n%s", path, step.line, arguments, err, output)
	}
	got, want := trimmed(withoutLog(output)), trimmed(step.want)
	if len(got) != len(want) {
		t.Fatalf("%s:%d: etcdctl %v printed %d lines, want %d:\n%s", path, step.line, arguments, len(got), len(want), output)
	}
	for index := range want {
		if problem := match(got[index], want[index], variables); problem != "" {
			t.Fatalf("%s:%d: etcdctl %v: line %d %s", path, step.line, arguments, index+1, problem)
		}
	}
}

// match compares one line and keeps what a pattern names; it returns what is wrong.
func match(got, want string, variables map[string]string) string {
	want = expand(want, variables)
	pattern, isPattern := strings.CutPrefix(want, "~ ")
	if !isPattern {
		if got != want {
			return fmt.Sprintf("is %q, want %q", got, want)
		}
		return ""
	}
	expression := regexp.MustCompile("^(?:" + pattern + ")$")
	groups := expression.FindStringSubmatch(got)
	if groups == nil {
		return fmt.Sprintf("is %q, want a match of %s", got, pattern)
	}
	for index, name := range expression.SubexpNames() {
		if name != "" {
			variables[name] = groups[index]
		}
	}
	return ""
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

func expand(text string, variables map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string { return variables[name[2:len(name)-1]] })
}

// withoutLog leaves out what the client's own log says beside the command's output.
func withoutLog(output string) []string {
	var lines []string
	for _, line := range strings.Split(output, "\n") {
		if !strings.HasPrefix(line, `{"level":`) {
			lines = append(lines, line)
		}
	}
	return lines
}

func trimmed(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// split cuts at spaces outside quotes.
func split(text string) []string {
	var words []string
	quoted := false
	word, started := strings.Builder{}, false
	for _, char := range text {
		switch {
		case char == '\'':
			quoted, started = !quoted, true
		case char == ' ' && !quoted:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(char)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}
