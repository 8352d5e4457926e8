package conformance

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"kvd.test/peers/harness"
)

// later skips a case whose part of the API is not built yet, unless KVD_LATER=1 asks for it.
func later(t *testing.T) {
	t.Helper()
	if os.Getenv("KVD_LATER") != "1" {
		t.Skip("runs with KVD_LATER=1")
	}
}

func TestCase39SnapshotEndsWithItsDigest(t *testing.T) {
	s := fresh(t)
	s.put("a", "1")
	reader := must[io.ReadCloser](t)(s.etcd.Snapshot(s.ctx))
	defer reader.Close()
	data := must[[]byte](t)(io.ReadAll(reader))
	equal(t, "size modulo 512", len(data)%512, 32)
	split := len(data) - sha256.Size
	digest := sha256.Sum256(data[:split])
	equal(t, "digest fits", bytes.Equal(digest[:], data[split:]), true)
}

func TestCase40OnlyALearnerInSyncIsPromoted(t *testing.T) {
	later(t)
	t.Parallel()
	cluster := harness.StartCluster(t, 1)
	s := connect(t, cluster.ClientURLs()...)

	voter := must[*clientv3.MemberListResponse](t)(s.etcd.MemberList(s.ctx)).Members[0].ID
	_, err := s.etcd.MemberPromote(s.ctx, voter)
	refused(t, "promote a voter", err, codes.FailedPrecondition, textNotALearner)
	_, err = s.etcd.MemberPromote(s.ctx, 0x1234)
	refused(t, "promote an unknown member", err, codes.NotFound, textNotFound)

	added := must[*clientv3.MemberAddResponse](t)(s.etcd.MemberAddAsLearner(s.ctx, []string{"http://127.0.0.1:1"}))
	equal(t, "learner", added.Member.IsLearner, true)
	_, err = s.etcd.MemberPromote(s.ctx, added.Member.ID)
	refused(t, "promote a learner that never started", err, codes.FailedPrecondition, textLearnerBehind)
}
