// Package etcdctl runs the real etcdctl against the server under test.
package etcdctl

import (
	"bufio"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

const commandMax = 30 * time.Second

// etcdctl runs one command to its end and returns what it printed.
func etcdctl(t *testing.T, endpoints []string, input string, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandMax)
	defer cancel()
	arguments = append([]string{"--endpoints=" + strings.Join(endpoints, ",")}, arguments...)
	command := exec.CommandContext(ctx, harness.Tool(t, "ETCDCTL"), arguments...)
	command.Stdin = strings.NewReader(input)
	output, err := command.CombinedOutput()
	return string(output), err
}

func must(t *testing.T, endpoints []string, arguments ...string) string {
	t.Helper()
	output, err := etcdctl(t, endpoints, "", arguments...)
	if err != nil {
		t.Fatalf("etcdctl %v: %v:\n%s", arguments, err, output)
	}
	return output
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return value
}

func TestWatchPrintsEventsAsTheyHappen(t *testing.T) {
	t.Parallel()
	endpoints := harness.StartCluster(t, 1).ClientURLs()
	must(t, endpoints, "put", "job/a", "before")
	// The history from revision 2 on shows that the watch runs, whenever it got to start.
	lines := follow(t, endpoints, "watch", "job/", "--prefix", "--prev-kv", "--rev=2")
	expectLines(t, lines, "PUT", "job/a", "before")
	must(t, endpoints, "put", "job/a", "now")
	must(t, endpoints, "put", "other", "not watched")
	must(t, endpoints, "del", "job/a")
	expectLines(t, lines, "PUT", "job/a", "before", "job/a", "now", "DELETE", "job/a", "now", "job/a", "")
}

func TestKeptAliveLeaseLivesAndARevokedOneEndsTheCommand(t *testing.T) {
	t.Parallel()
	endpoints := harness.StartCluster(t, 1).ClientURLs()
	granted := must(t, endpoints, "lease", "grant", "2")
	lease := strings.Fields(granted)[1]
	must(t, endpoints, "put", "k", "v", "--lease="+lease)
	lines := follow(t, endpoints, "lease", "keep-alive", lease)
	renewed := "lease " + lease + " keepalived with TTL(2)"
	// Renewals come every third of the TTL: ten of them span more than three lives of a lease that nobody renews.
	for range 10 {
		expectLines(t, lines, renewed)
	}
	if got := must(t, endpoints, "get", "k"); got != "k\nv\n" {
		t.Errorf("the key of a lease that is kept alive reads %q", got)
	}
	must(t, endpoints, "lease", "revoke", lease)
	for line := range lines {
		if line == "lease "+lease+" expired or revoked." {
			return
		}
		if line != renewed {
			t.Fatalf("keep-alive printed %q", line)
		}
	}
	t.Fatal("keep-alive did not say that the lease is gone")
}

func TestExpiredLeaseTakesItsKeys(t *testing.T) {
	t.Parallel()
	endpoints := harness.StartCluster(t, 1).ClientURLs()
	lease := strings.Fields(must(t, endpoints, "lease", "grant", "2"))[1]
	must(t, endpoints, "put", "k", "v", "--lease="+lease)
	granted := time.Now()
	lines := follow(t, endpoints, "watch", "k", "--rev=2")
	expectLines(t, lines, "PUT", "k", "v", "DELETE", "k", "")
	if took := time.Since(granted); took < 1500*time.Millisecond || took > 8*time.Second {
		t.Errorf("a lease of 2s ended after %s", took)
	}
}

// follow starts a command that runs on and returns its lines as they come.
func follow(t *testing.T, endpoints []string, arguments ...string) <-chan string {
	t.Helper()
	arguments = append([]string{"--endpoints=" + strings.Join(endpoints, ",")}, arguments...)
	command := exec.Command(harness.Tool(t, "ETCDCTL"), arguments...)
	output, err := command.StdoutPipe()
	if err == nil {
		err = harness.Spawn(command)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := make(chan string, 1024)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return lines
}

func expectLines(t *testing.T, lines <-chan string, want ...string) {
	t.Helper()
	for _, line := range want {
		select {
		case got, open := <-lines:
			if !open || got != line {
				t.Fatalf("printed %q (open: %v), want %q", got, open, line)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("no output within 15s, want %q", line)
		}
	}
}

type header struct {
	ClusterID uint64 `json:"cluster_id"`
	MemberID  uint64 `json:"member_id"`
	Revision  int64  `json:"revision"`
	RaftTerm  uint64 `json:"raft_term"`
}

func TestThreeMembersAgree(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 3)
	one, all := cluster.ClientURLs()[:1], cluster.ClientURLs()
	must(t, all, "put", "a", "1")

	type members struct {
		Header  header `json:"header"`
		Members []struct {
			ID         uint64   `json:"ID"`
			Name       string   `json:"name"`
			PeerURLs   []string `json:"peerURLs"`
			ClientURLs []string `json:"clientURLs"`
		} `json:"members"`
	}
	listed := decode[members](t, must(t, one, "member", "list", "-w", "json"))
	if len(listed.Members) != 3 {
		t.Fatalf("%d members are listed", len(listed.Members))
	}
	for index, member := range listed.Members {
		if index > 0 && member.ID <= listed.Members[index-1].ID {
			t.Error("members are not listed by ID")
		}
		for _, known := range cluster.Members {
			if member.Name == known.Name && (member.PeerURLs[0] != known.PeerURL || member.ClientURLs[0] != known.ClientURL) {
				t.Errorf("member %s is listed as %+v", known.Name, member)
			}
		}
	}

	health := must(t, one, "endpoint", "health", "--cluster")
	if strings.Count(health, "is healthy: successfully committed proposal: took = ") != 3 {
		t.Errorf("health of the cluster: %s", health)
	}

	type status struct {
		Endpoint string
		Status   struct {
			Header  header `json:"header"`
			Version string `json:"version"`
			DBSize  int64  `json:"dbSize"`
			Leader  uint64 `json:"leader"`
		}
	}
	leaders := map[uint64]bool{}
	leading := 0
	statuses := decode[[]status](t, must(t, one, "endpoint", "status", "--cluster", "-w", "json"))
	for _, answer := range statuses {
		leaders[answer.Status.Leader] = true
		if answer.Status.Leader == answer.Status.Header.MemberID {
			leading++
		}
		if answer.Status.Version == "" || answer.Status.Header.ClusterID != listed.Header.ClusterID {
			t.Errorf("status: %+v", answer)
		}
	}
	if len(statuses) != 3 || len(leaders) != 1 || leading != 1 {
		t.Errorf("members disagree about the leader: %+v", statuses)
	}

	type hash struct {
		Endpoint string
		HashKV   struct {
			Header header `json:"header"`
			Hash   uint32 `json:"hash"`
		}
	}
	// A read through each member makes it apply the write first.
	for _, url := range all {
		if got := must(t, []string{url}, "get", "a"); got != "a\n1\n" {
			t.Errorf("%s reads %q", url, got)
		}
	}
	hashes := map[uint32]bool{}
	answers := decode[[]hash](t, must(t, one, "endpoint", "hashkv", "--cluster", "-w", "json"))
	for _, answer := range answers {
		hashes[answer.HashKV.Hash] = true
	}
	if len(answers) != 3 || len(hashes) != 1 {
		t.Errorf("members hold different data: %+v", answers)
	}
}
