// Package snapshot takes the state of a server to a real etcd and back, by snapshot files.
package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

const commandMax = time.Minute

// result is what a command printed and how it ended.
type result struct {
	out, err string
	code     int
}

// run runs the program that a variable of the environment names.
func run(t *testing.T, variable, input string, arguments ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandMax)
	defer cancel()
	command := exec.CommandContext(ctx, harness.Tool(t, variable), arguments...)
	command.Stdin = strings.NewReader(input)
	var out, err strings.Builder
	command.Stdout, command.Stderr = &out, &err
	var exit *exec.ExitError
	if failure := command.Run(); failure != nil && !errors.As(failure, &exit) {
		t.Fatalf("%s %v: %v", variable, arguments, failure)
	}
	return result{out.String(), err.String(), command.ProcessState.ExitCode()}
}

// succeed runs a program that must end well, and returns what it printed.
func succeed(t *testing.T, variable, input string, arguments ...string) string {
	t.Helper()
	answer := run(t, variable, input, arguments...)
	if answer.code != 0 {
		t.Fatalf("%s %v ended with %d:\n%s%s", variable, arguments, answer.code, answer.out, answer.err)
	}
	return answer.out
}

// ctl runs etcdctl on one member.
func ctl(t *testing.T, member *harness.Member, arguments ...string) string {
	t.Helper()
	return ctlWith(t, member, "", arguments...)
}

func ctlWith(t *testing.T, member *harness.Member, input string, arguments ...string) string {
	t.Helper()
	arguments = append([]string{"--endpoints=" + member.ClientURL, "--command-timeout=30s"}, arguments...)
	return succeed(t, "ETCDCTL", input, arguments...)
}

// decode reads JSON.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

type header struct {
	Revision int64 `json:"revision"`
}

type hash struct {
	Hash    uint32 `json:"hash"`
	Compact int64  `json:"compact_revision"`
	At      int64  `json:"hash_revision"`
}

// hashAt returns the hash of all history up to a revision, or up to now if that is 0.
func hashAt(t *testing.T, member *harness.Member, revision int64) hash {
	t.Helper()
	text := ctl(t, member, "endpoint", "hashkv", "-w", "json", fmt.Sprintf("--rev=%d", revision))
	return decode[[]struct{ HashKV hash }](t, text)[0].HashKV
}

// state is everything that a client can see of keys and leases.
type state struct {
	Revision int64
	Keys     string
	Leases   map[int64]string
	Hash     hash
}

func stateOf(t *testing.T, member *harness.Member) state {
	t.Helper()
	type keys struct {
		Header header          `json:"header"`
		KVs    json.RawMessage `json:"kvs"`
	}
	found := decode[keys](t, ctl(t, member, "get", "", "--from-key", "-w", "json"))
	type lease struct {
		ID int64 `json:"id"`
	}
	listed := decode[struct {
		Leases []lease `json:"leases"`
	}](t, ctl(t, member, "lease", "list", "-w", "json"))
	leases := map[int64]string{}
	for _, found := range listed.Leases {
		text := ctl(t, member, "lease", "timetolive", fmt.Sprintf("%x", found.ID), "--keys", "-w", "json")
		detail := decode[struct {
			Granted int64    `json:"granted-ttl"`
			Keys    []string `json:"keys"`
		}](t, text)
		// Their order is not told.
		slices.Sort(detail.Keys)
		leases[found.ID] = fmt.Sprint(detail.Granted, detail.Keys)
	}
	return state{found.Header.Revision, string(found.KVs), leases, hashAt(t, member, 0)}
}

func equalStates(t *testing.T, what string, got, want state) {
	t.Helper()
	if got.Keys != want.Keys {
		t.Errorf("%s: other keys: got %.2000s want %.2000s", what, got.Keys, want.Keys)
	}
	got.Keys, want.Keys = "", ""
	if got, want := fmt.Sprint(got), fmt.Sprint(want); got != want {
		t.Errorf("%s: got %s want %s", what, got, want)
	}
}

// save takes a snapshot of a member with etcdctl.
func save(t *testing.T, member *harness.Member) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "snapshot.db")
	ctl(t, member, "snapshot", "save", file)
	return file
}

// restore makes the data directories of a cluster with one of the tools, and starts it.
func restore(t *testing.T, tool, server, file string, memberCount int, flags ...string) *harness.Cluster {
	t.Helper()
	cluster := harness.NewCluster(t, memberCount)
	for _, member := range cluster.Members {
		succeed(t, tool, "", restoring(file, cluster, member, flags...)...)
	}
	cluster.Start(t, server)
	return cluster
}

func restoring(file string, cluster *harness.Cluster, member *harness.Member, flags ...string) []string {
	return append([]string{
		"snapshot", "restore", file,
		"--data-dir", member.DataDir,
		"--name", member.Name,
		"--initial-cluster", cluster.Initial(),
		"--initial-advertise-peer-urls", member.PeerURL,
	}, flags...)
}

// puts is the input of a transaction that writes some keys.
func puts(first, count int, value string) string {
	var lines strings.Builder
	lines.WriteString("\n")
	for number := range count {
		fmt.Fprintf(&lines, "put key-%05d %q\n", first+number, value)
	}
	lines.WriteString("\n\n")
	return lines.String()
}
