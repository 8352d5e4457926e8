package kvctl

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

// attempts to see the same in two commands one after the other, while time goes by.
const attempts = 3

func TestKvctlPrintsWhatEtcdctlPrints(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			memberCount, steps := parse(t, path)
			theirs, ours := newClient(t, "ETCDCTL", memberCount), newClient(t, "CTL_BIN", memberCount)
			for _, step := range steps {
				compare(t, theirs, ours, step)
			}
		})
	}
}

func newClient(t *testing.T, variable string, memberCount int) *client {
	t.Helper()
	cluster := harness.StartCluster(t, memberCount)
	c := &client{variable: variable, ids: map[string]string{}}
	for index, member := range cluster.Members {
		c.ids[fmt.Sprintf("endpoint%d", index)] = member.ClientURL
		c.ids[fmt.Sprintf("peer%d", index)] = member.PeerURL
	}
	etcdctl := &client{variable: "ETCDCTL"}
	answer := etcdctl.run(t, step{arguments: "member list -w json"}, c.ids["endpoint0"])
	var listed struct {
		Header struct {
			Cluster uint64 `json:"cluster_id"`
		} `json:"header"`
		Members []struct {
			ID   uint64 `json:"ID"`
			Name string `json:"name"`
		} `json:"members"`
	}
	if err := json.Unmarshal([]byte(answer.out), &listed); err != nil {
		t.Fatalf("%v in %+v", err, answer)
	}
	c.ids["cluster"] = strconv.FormatUint(listed.Header.Cluster, 16)
	for _, member := range listed.Members {
		c.ids[member.Name] = strconv.FormatUint(member.ID, 16)
	}
	return c
}

func compare(t *testing.T, theirs, ours *client, step step) {
	t.Helper()
	var want, got result
	for attempt := range attempts {
		want, got = step.both(t, theirs, ours)
		if want == got || step.kind == write || step.kind == follow {
			break
		}
		time.Sleep(time.Duration(attempt) * 100 * time.Millisecond)
	}
	if want != got {
		t.Errorf("%s: %s\netcdctl (%d):\n%s%s\nkvctl (%d):\n%s%s",
			step.place, step.arguments, want.code, want.out, want.err, got.code, got.out, got.err)
	}
}

// both runs a step with both clients: at one cluster if it only reads, and if it writes at one cluster each, whose
// own names are then made equal.
func (s step) both(t *testing.T, theirs, ours *client) (want, got result) {
	t.Helper()
	endpoint := theirs.ids["endpoint0"]
	switch s.kind {
	case write:
		want = theirs.run(t, s, endpoint)
		got = ours.run(t, s, ours.ids["endpoint0"])
		theirs.learn(want)
		ours.learn(got)
		want, got = theirs.anonymous(want), ours.anonymous(got)
	case follow:
		reader := &client{variable: ours.variable, ids: theirs.ids}
		want, got = theirs.follow(t, s, endpoint), reader.follow(t, s, endpoint)
	default:
		reader := &client{variable: ours.variable, ids: theirs.ids}
		want, got = theirs.run(t, s, endpoint), reader.run(t, s, endpoint)
	}
	if s.kind == malformed {
		want.err, got.err = firstLine(want.err), firstLine(got.err)
	}
	return want.leveled(), got.leveled()
}

var added = regexp.MustCompile(`Member +([0-9a-f]+) added`)

var granted = regexp.MustCompile(`lease ([0-9a-f]{16}) granted`)

// learn keeps the ID of a lease, or of a member.
func (c *client) learn(r result) {
	if groups := granted.FindStringSubmatch(r.out); groups != nil {
		c.ids["lease"] = groups[1]
	}
	if groups := added.FindStringSubmatch(r.out); groups != nil {
		c.ids["added"] = groups[1]
	}
}

// anonymous replaces what differs from cluster to cluster: IDs, in both notations, and addresses.
func (c *client) anonymous(r result) result {
	for name, id := range c.ids {
		r = r.replaced(id, "<"+name+">")
		if number, err := strconv.ParseUint(id, 16, 64); err == nil {
			r = r.replaced(strconv.FormatUint(number, 10), "<"+name+">")
		}
	}
	// Members come in the order of their IDs, and a short ID has more spaces before it.
	r.out = initial.ReplaceAllStringFunc(r.out, func(line string) string {
		members := strings.Split(strings.Trim(line[len(initialName):], `"`), ",")
		slices.Sort(members)
		return initialName + strings.Join(members, ",")
	})
	r.out = padding.ReplaceAllString(r.out, "<")
	r.out = term.ReplaceAllString(r.out, "${1}<term>")
	return r
}

func (r result) replaced(old, new string) result {
	r.out, r.err = strings.ReplaceAll(r.out, old, new), strings.ReplaceAll(r.err, old, new)
	return r
}

const initialName = "ETCD_INITIAL_CLUSTER="

var (
	initial = regexp.MustCompile(initialName + `"[^"]*"`)
	padding = regexp.MustCompile(` +<`)
	term    = regexp.MustCompile(`("raft_term":|"RaftTerm" : )\d+`)
	took    = regexp.MustCompile(`(took = |"took":"|"Took" : )[0-9.]+(µ|m|)s`)
	// The column of a table that depends on how long something took has the width that it takes.
	column = regexp.MustCompile(` +TOOK +│| [0-9.]+(µ|m|)s │|─+`)
)

// stty is what etcdctl's helper says when a password does not come from a terminal.
var stty = regexp.MustCompile(`(?m)^stty: .*\n`)

// leveled replaces what differs from run to run and from program to program.
func (r result) leveled() result {
	r.out = took.ReplaceAllString(r.out, "${1}<took>")
	if strings.Contains(r.out, " TOOK ") {
		r.out = column.ReplaceAllString(r.out, "│")
	}
	r.err = stty.ReplaceAllString(r.err, "")
	return r.replaced("etcdctl", "kvctl")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
