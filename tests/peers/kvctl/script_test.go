package kvctl

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A script is a list of steps, after `members N` if there shall be more than one. A step is
//
//	$ arguments        only reads: both clients must print the same at the same cluster
//	! arguments        the same, and only the first line of what standard error has must be the same
//	> arguments        writes: each client has a cluster of its own
//	& N arguments      goes on and on: the first N lines must be the same
//	< text             a line of standard input
//	+ NAME=value       in the environment
//	# text             a remark
//
// Arguments are separated by single spaces, may be quoted by ', and may contain ${name} of an ID or an address:
// lease and added (the newest lease and member), cluster, m0, endpoint0, peer0. \n is a line break.
type step struct {
	place       string
	kind        rune
	arguments   string
	lineCount   int
	input       string
	environment []string
}

const (
	read      = '$'
	malformed = '!'
	write     = '>'
	follow    = '&'
)

func parse(t *testing.T, path string) (memberCount int, steps []step) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	memberCount = 1
	for index, line := range strings.Split(string(text), "\n") {
		place := fmt.Sprintf("%s:%d", path, index+1)
		mark, rest, _ := strings.Cut(line, " ")
		switch mark {
		case "", "#":
		case "members":
			memberCount = number(t, place, rest)
		case "$", "!", ">":
			steps = append(steps, step{place: place, kind: rune(mark[0]), arguments: rest})
		case "&":
			count, arguments, _ := strings.Cut(rest, " ")
			lineCount := number(t, place, count)
			steps = append(steps, step{place: place, kind: follow, arguments: arguments, lineCount: lineCount})
		case "<", "+":
			if len(steps) == 0 {
				t.Fatalf("%s: text before the first step", place)
			}
			last := &steps[len(steps)-1]
			if mark == "<" {
				last.input += rest + "\n"
			} else {
				last.environment = append(last.environment, rest)
			}
		default:
			t.Fatalf("%s: what is %q?", place, line)
		}
	}
	return memberCount, steps
}

func number(t *testing.T, place, text string) int {
	t.Helper()
	number, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", place, err)
	}
	return number
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

// words cuts the arguments at spaces outside of quotes.
func (s step) words(ids map[string]string) []string {
	text := variable.ReplaceAllStringFunc(s.arguments, func(name string) string { return ids[name[2:len(name)-1]] })
	text = strings.ReplaceAll(text, `\n`, "\n")
	var words []string
	quoted, started := false, false
	word := strings.Builder{}
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
