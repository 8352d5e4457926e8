package snapshot

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"kvd.test/peers/harness"
)

// fill writes what a snapshot has to keep: many keys and large ones, several versions, deletions, a compaction, changes
// of one revision, leases with and without keys.
func fill(t *testing.T, member *harness.Member) {
	t.Helper()
	for round := range 12 {
		ctlWith(t, member, puts(round*70, 100, strings.Repeat("v", 10*round)), "txn")
	}
	ctlWith(t, member, strings.Repeat("large", 100_000), "put", "large")
	ctl(t, member, "del", "key-00100", "key-00150")
	ctl(t, member, "compaction", "8", "--physical")
	lease := strings.Fields(ctl(t, member, "lease", "grant", "3000"))[1]
	ctl(t, member, "put", "leased", "1", "--lease="+lease)
	ctl(t, member, "put", "leased-too", "1", "--lease="+lease)
	ctl(t, member, "lease", "grant", "4000")
	ctl(t, member, "put", "gone", "1")
	ctl(t, member, "del", "gone")
}

func TestStateGoesToEtcdAndBackUnchanged(t *testing.T) {
	t.Parallel()
	source := harness.StartCluster(t, 1).Members[0]
	fill(t, source)
	want := stateOf(t, source)
	file := save(t, source)

	there := restore(t, "ETCDUTL", "ETCD", file, 1).Members[0]
	equalStates(t, "in etcd", stateOf(t, there), want)
	ctl(t, there, "put", "more", "1")
	ctl(t, there, "compaction", "14", "--physical")
	ctl(t, there, "del", "large")
	want = stateOf(t, there)

	back := restore(t, "RESTORE_BIN", "KVD_BIN", save(t, there), 3)
	for _, member := range back.Members {
		equalStates(t, "back in "+member.Name, stateOf(t, member), want)
	}
	// It is a cluster that works.
	ctl(t, back.Members[1], "put", "more", "2")
	for _, member := range back.Members {
		now := stateOf(t, member)
		if now.Revision != want.Revision+1 {
			t.Errorf("%s is at revision %d after another write, not at %d", member.Name, now.Revision, want.Revision+1)
		}
	}
	// A snapshot of what was restored is one, too.
	again := restore(t, "ETCDUTL", "ETCD", save(t, back.Members[2]), 1).Members[0]
	equalStates(t, "in etcd again", stateOf(t, again), stateOf(t, back.Members[0]))
}

type fileStatus struct {
	Hash     uint32 `json:"hash"`
	Revision int64  `json:"revision"`
	Keys     int    `json:"totalKey"`
	Size     int64  `json:"totalSize"`
	Version  string `json:"version"`
}

func TestBothToolsSayTheSameOfAFile(t *testing.T) {
	t.Parallel()
	source := harness.StartCluster(t, 1).Members[0]
	fill(t, source)
	for name, file := range map[string]string{
		"a snapshot": save(t, source),
		"etcd's":     save(t, restore(t, "ETCDUTL", "ETCD", save(t, source), 1).Members[0]),
	} {
		theirs := succeed(t, "ETCDUTL", "", "snapshot", "status", file, "-w", "json")
		ours := succeed(t, "RESTORE_BIN", "", "snapshot", "status", file, "-w", "json")
		if theirs != ours {
			t.Errorf("%s: etcdutl says %sand not %s", name, theirs, ours)
		}
		// As of this member: 12 rounds of 100 keys, 30 of which are those of the round before; 50 deleted; 3 others.
		if status := decode[fileStatus](t, theirs); status.Keys != 12*70+30-50+3 {
			t.Errorf("%s: %+v", name, status)
		}
	}
}

func TestASnapshotAmongWritesIsOfOneMoment(t *testing.T) {
	t.Parallel()
	source := harness.StartCluster(t, 3).Members[1]
	fill(t, source)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		count := 0
		defer func() { done <- count }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			input := puts(count%7*50, 100, fmt.Sprint("round ", count))
			run(t, "ETCDCTL", input, "--endpoints="+source.ClientURL, "txn")
			count++
		}
	}()
	var files []string
	for range 5 {
		files = append(files, save(t, source))
	}
	close(stop)
	if <-done == 0 {
		t.Fatal("nothing was written meanwhile")
	}
	for _, file := range files {
		status := decode[fileStatus](t, succeed(t, "ETCDUTL", "", "snapshot", "status", file, "-w", "json"))
		restored := restore(t, "ETCDUTL", "ETCD", file, 1).Members[0]
		got, want := hashAt(t, restored, 0), hashAt(t, source, status.Revision)
		if got != want {
			t.Errorf("at revision %d: %+v, and %+v in the source", status.Revision, got, want)
		}
	}
}

func TestARaisedRevisionIsTheSameAsEtcds(t *testing.T) {
	t.Parallel()
	source := harness.StartCluster(t, 1).Members[0]
	fill(t, source)
	file, before := save(t, source), stateOf(t, source).Revision
	flags := []string{"--bump-revision", "1000000", "--mark-compacted"}
	want := stateOf(t, restore(t, "ETCDUTL", "ETCD", file, 1, flags...).Members[0])
	raised := restore(t, "RESTORE_BIN", "KVD_BIN", file, 1, flags...).Members[0]
	got := stateOf(t, raised)
	equalStates(t, "raised", got, want)
	if got.Revision != before+1_000_000 {
		t.Errorf("raised from %d to %d", before, got.Revision)
	}
	answer := run(t, "ETCDCTL", "", "--endpoints="+raised.ClientURL, "get", "large", fmt.Sprintf("--rev=%d", before))
	if !strings.Contains(answer.err, "required revision has been compacted") {
		t.Errorf("a read of the past: %+v", answer)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	t.Parallel()
	source := harness.StartCluster(t, 1).Members[0]
	fill(t, source)
	good, err := os.ReadFile(save(t, source))
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)/2] ^= 1
	for name, bytes := range map[string][]byte{
		"cut by a byte":       good[:len(good)-1],
		"cut in half":         good[:len(good)/2/4096*4096+32],
		"without a digest":    good[:len(good)-32],
		"with a flipped bit":  flipped,
		"with a wrong digest": append(append([]byte(nil), good[:len(good)-32]...), make([]byte, 32)...),
		"no snapshot":         []byte(strings.Repeat("not a snapshot", 1000)),
		"empty":               nil,
	} {
		file := t.TempDir() + "/bad.db"
		if err := os.WriteFile(file, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		cluster := harness.NewCluster(t, 1)
		answer := run(t, "RESTORE_BIN", "", restoring(file, cluster, cluster.Members[0])...)
		if answer.code != 1 || !strings.Contains(answer.err, "Error: ") {
			t.Errorf("%s: %+v", name, answer)
		}
	}
	// What is there already stays as it is.
	cluster := harness.NewCluster(t, 1)
	mine := cluster.Members[0].DataDir + "/mine"
	if err := os.MkdirAll(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	answer := run(t, "RESTORE_BIN", "", restoring(save(t, source), cluster, cluster.Members[0])...)
	if answer.code != 1 || !strings.Contains(answer.err, "not empty") {
		t.Errorf("a directory with something in it: %+v", answer)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestUsersAndRolesGoAlong(t *testing.T) {
	t.Parallel()
	source := harness.StartCluster(t, 1).Members[0]
	ctl(t, source, "put", "mine", "1")
	ctl(t, source, "put", "other", "1")
	for _, user := range []string{"root:secret", "alice:word"} {
		ctl(t, source, "user", "add", user)
	}
	ctl(t, source, "user", "add", "certificate", "--no-password")
	ctl(t, source, "role", "add", "reader")
	ctl(t, source, "role", "grant-permission", "reader", "read", "mine")
	ctl(t, source, "role", "grant-permission", "reader", "readwrite", "shared/", "--prefix")
	ctl(t, source, "role", "grant-permission", "reader", "write", "z", "--from-key")
	ctl(t, source, "user", "grant-role", "alice", "reader")
	ctl(t, source, "auth", "enable")
	file := t.TempDir() + "/snapshot.db"
	save := func(member *harness.Member) {
		t.Helper()
		ctl(t, member, "--user=root:secret", "snapshot", "save", file)
	}
	ask := func(member *harness.Member) string {
		t.Helper()
		answers := ""
		for _, question := range []string{"role get reader", "user list", "user get alice", "auth status"} {
			answers += ctl(t, member, append([]string{"--user=root:secret"}, strings.Fields(question)...)...)
		}
		return answers
	}
	want := ask(source)
	save(source)
	there := restore(t, "ETCDUTL", "ETCD", file, 1).Members[0]
	save(there)
	back := restore(t, "RESTORE_BIN", "KVD_BIN", file, 1).Members[0]
	for _, member := range []*harness.Member{there, back} {
		if got := ask(member); got != want {
			t.Errorf("%s has\n%swant\n%s", member.DataDir, got, want)
		}
		if read := ctl(t, member, "--user=alice:word", "get", "mine"); read != "mine\n1\n" {
			t.Errorf("alice reads %q", read)
		}
		for _, arguments := range [][]string{
			{"--user=alice:word", "get", "other"},
			{"--user=alice:wrong", "get", "mine"},
			{"get", "mine"},
		} {
			arguments = append([]string{"--endpoints=" + member.ClientURL}, arguments...)
			if answer := run(t, "ETCDCTL", "", arguments...); answer.code == 0 {
				t.Errorf("%v: %s", arguments, answer.out)
			}
		}
	}
}
