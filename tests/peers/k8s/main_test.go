// Package k8s runs a real kube-apiserver on the servers under test and works with it through the real kubectl.
package k8s

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kvd.test/peers/harness"
)

func TestKubernetesRunsOnOneMember(t *testing.T) {
	harness.Tool(t, "KUBECTL")
	cluster := harness.StartCluster(t, 1)
	server := startAPIServer(t, cluster.ClientURLs())
	server.job("job")
	server.disrupt("load", func() {
		cluster.Members[0].Kill()
		cluster.Members[0].Restart(t)
	})
	server.job("after")
}

func TestKubernetesOutlivesTheLeaderOfThreeMembers(t *testing.T) {
	harness.Tool(t, "KUBECTL")
	cluster := harness.StartCluster(t, 3)
	server := startAPIServer(t, cluster.ClientURLs())
	server.job("job")
	lost := leader(t, cluster)
	server.disrupt("load", lost.Kill)
	server.job("after")
	lost.Restart(t)
	expectEqualHashes(t, cluster)
}

// etcdctl runs the real etcdctl against all members and decodes its answer.
func etcdctl[T any](t *testing.T, cluster *harness.Cluster, arguments ...string) T {
	t.Helper()
	arguments = append(arguments, "--write-out=json", "--endpoints="+strings.Join(cluster.ClientURLs(), ","))
	output, err := exec.Command(harness.Tool(t, "ETCDCTL"), arguments...).Output()
	if err != nil {
		t.Fatalf("etcdctl %v: %v: %s", arguments, err, output)
	}
	var answer T
	if err := json.Unmarshal(output, &answer); err != nil {
		t.Fatalf("etcdctl %v: %v in %q", arguments, err, output)
	}
	return answer
}

type header struct {
	MemberID uint64 `json:"member_id"`
	Revision int64  `json:"revision"`
}

func leader(t *testing.T, cluster *harness.Cluster) *harness.Member {
	t.Helper()
	type endpoint struct {
		Endpoint string
		Status   struct {
			Header header `json:"header"`
			Leader uint64 `json:"leader"`
		}
	}
	for _, one := range etcdctl[[]endpoint](t, cluster, "endpoint", "status") {
		for _, member := range cluster.Members {
			if one.Endpoint == member.ClientURL && one.Status.Leader == one.Status.Header.MemberID {
				return member
			}
		}
	}
	t.Fatal("no member says that it leads")
	return nil
}

// expectEqualHashes waits until all members are at one revision and compares what they hold.
func expectEqualHashes(t *testing.T, cluster *harness.Cluster) {
	t.Helper()
	type endpoint struct {
		HashKV struct {
			Header header `json:"header"`
			Hash   uint32 `json:"hash"`
			// CompactRevision matters because hashes over different histories are different.
			CompactRevision int64 `json:"compact_revision"`
		}
	}
	var answers []endpoint
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		answers = etcdctl[[]endpoint](t, cluster, "endpoint", "hashkv")
		first := answers[0].HashKV
		equal := len(answers) == len(cluster.Members)
		for _, answer := range answers {
			equal = equal && answer.HashKV.Hash == first.Hash && answer.HashKV.Header.Revision == first.Header.Revision &&
				answer.HashKV.CompactRevision == first.CompactRevision
		}
		if equal {
			t.Logf("all members have hash %d at revision %d", first.Hash, first.Header.Revision)
			return
		}
	}
	t.Errorf("the members differ: %+v", answers)
}
