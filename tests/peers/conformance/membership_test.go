package conformance

import (
	"slices"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"kvd.test/peers/harness"
)

const (
	textNotStarted   = "etcdserver: re-configuration failed due to not enough started members"
	textBadURLs      = "etcdserver: given member URLs are invalid"
	textURLTaken     = "etcdserver: Peer URLs already exists"
	textTooMany      = "etcdserver: too many learner members in cluster"
	textForLearner   = "etcdserver: rpc not supported for learner"
	textNotLeader    = "etcdserver: not leader"
	textBadTarget    = "etcdserver: bad leader transferee"
	membershipMax    = 20 * time.Second
	membershipPause  = 100 * time.Millisecond
	unusedURL        = "http://127.0.0.1:1"
	anotherUnusedURL = "http://127.0.0.1:2"
	thirdUnusedURL   = "http://127.0.0.1:3"
)

// eventually repeats an attempt until it succeeds.
func eventually(t *testing.T, what string, attempt func() error) {
	t.Helper()
	deadline := time.Now().Add(membershipMax)
	for {
		err := attempt()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(membershipPause)
	}
}

func TestCase40OnlyALearnerInSyncIsPromoted(t *testing.T) {
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

func TestCase40aChangesThatMakeNoSenseAreRefused(t *testing.T) {
	s := fresh(t)
	raw := pb.NewClusterClient(s.etcd.ActiveConnection())
	listed := must[*clientv3.MemberListResponse](t)(s.etcd.MemberList(s.ctx))
	equal(t, "revision of a header", listed.Header.Revision, 0)
	own := listed.Members[0]

	// The official client refuses some of these itself.
	for _, urls := range [][]string{{}, {""}, {"127.0.0.1:1"}, {"http://127.0.0.1"}, {"http://127.0.0.1:1/x"}, {"ftp://127.0.0.1:1"}} {
		_, err := raw.MemberAdd(s.ctx, &pb.MemberAddRequest{PeerURLs: urls})
		refused(t, "add under bad URLs", err, codes.InvalidArgument, textBadURLs)
	}
	_, err := s.etcd.MemberAdd(s.ctx, own.PeerURLs)
	refused(t, "add under a taken URL", err, codes.FailedPrecondition, textURLTaken)
	_, err = s.etcd.MemberRemove(s.ctx, 0x1234)
	refused(t, "remove an unknown member", err, codes.NotFound, textNotFound)
	_, err = s.etcd.MemberUpdate(s.ctx, 0x1234, []string{unusedURL})
	refused(t, "update an unknown member", err, codes.NotFound, textNotFound)
	_, err = s.etcd.MemberRemove(s.ctx, own.ID)
	refused(t, "remove the only member", err, codes.FailedPrecondition, textNotStarted)

	learner := must[*clientv3.MemberAddResponse](t)(s.etcd.MemberAddAsLearner(s.ctx, []string{unusedURL}))
	equal(t, "members after an addition", len(learner.Members), 2)
	equal(t, "name of one that is not started", learner.Member.Name, "")
	equal(t, "revision of a header", learner.Header.Revision, 0)
	_, err = s.etcd.MemberAddAsLearner(s.ctx, []string{anotherUnusedURL})
	refused(t, "add a second learner", err, codes.FailedPrecondition, textTooMany)
	_, err = s.etcd.MemberUpdate(s.ctx, learner.Member.ID, own.PeerURLs)
	refused(t, "update to a taken URL", err, codes.FailedPrecondition, textURLTaken)
	updated := must[*clientv3.MemberUpdateResponse](t)(s.etcd.MemberUpdate(s.ctx, learner.Member.ID, []string{anotherUnusedURL}))
	moved := slices.ContainsFunc(updated.Members, func(m *pb.Member) bool { return m.PeerURLs[0] == anotherUnusedURL })
	equal(t, "URL is updated", moved, true)
	_, err = s.etcd.MoveLeader(s.ctx, learner.Member.ID)
	refused(t, "move leadership to a learner", err, codes.FailedPrecondition, textBadTarget)
	_, err = s.etcd.MoveLeader(s.ctx, 0x1234)
	refused(t, "move leadership to nobody", err, codes.FailedPrecondition, textBadTarget)
	removed := must[*clientv3.MemberRemoveResponse](t)(s.etcd.MemberRemove(s.ctx, learner.Member.ID))
	equal(t, "members after a removal", len(removed.Members), 1)
	_, err = s.etcd.MemberRemove(s.ctx, learner.Member.ID)
	refused(t, "remove a member twice", err, codes.NotFound, textNotFound)
	_, err = s.etcd.MemberPromote(s.ctx, learner.Member.ID)
	refused(t, "promote a removed member", err, codes.NotFound, textNotFound)

	// The same URLs in the same second would make the ID that was removed.
	must[*clientv3.MemberAddResponse](t)(s.etcd.MemberAdd(s.ctx, []string{thirdUnusedURL}))
	_, err = s.etcd.MemberAdd(s.ctx, []string{anotherUnusedURL})
	refused(t, "add a third before the second has started", err, codes.FailedPrecondition, textNotStarted)
}

func TestCase40bALearnerServesWhatNeedsNoVoteAndIsPromoted(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 1)
	s := connect(t, cluster.ClientURLs()...)
	s.put("a", "1")
	member := cluster.NewMember(t, "learner")
	added := must[*clientv3.MemberAddResponse](t)(s.etcd.MemberAddAsLearner(s.ctx, []string{member.PeerURL}))
	cluster.Join(t, member)

	l := connect(t, member.ClientURL)
	kv, watch, lease := l.kv, l.watch, l.lease
	read := must[*pb.RangeResponse](t)(kv.Range(l.ctx, &pb.RangeRequest{Key: []byte("a"), Serializable: true}))
	equal(t, "serializable read", keys(read.Kvs), "a")
	_, err := kv.Range(l.ctx, &pb.RangeRequest{Key: []byte("a")})
	refused(t, "linearizable read", err, codes.FailedPrecondition, textForLearner)
	_, err = kv.Range(l.ctx, &pb.RangeRequest{})
	refused(t, "malformed read", err, codes.FailedPrecondition, textForLearner)
	_, err = kv.Put(l.ctx, &pb.PutRequest{Key: []byte("a")})
	refused(t, "put", err, codes.FailedPrecondition, textForLearner)
	_, err = kv.Txn(l.ctx, &pb.TxnRequest{})
	refused(t, "transaction", err, codes.FailedPrecondition, textForLearner)
	_, err = lease.LeaseLeases(l.ctx, &pb.LeaseLeasesRequest{})
	refused(t, "list leases", err, codes.FailedPrecondition, textForLearner)
	_, err = pb.NewClusterClient(l.etcd.ActiveConnection()).MemberList(l.ctx, &pb.MemberListRequest{})
	refused(t, "list members", err, codes.FailedPrecondition, textForLearner)
	stream := must[pb.Watch_WatchClient](t)(watch.Watch(l.ctx))
	_, err = stream.Recv()
	refused(t, "watch", err, codes.FailedPrecondition, textForLearner)
	status := must[*pb.StatusResponse](t)(l.admin.Status(l.ctx, &pb.StatusRequest{}))
	equal(t, "status says learner", status.IsLearner, true)

	eventually(t, "promote", func() error {
		_, err := s.etcd.MemberPromote(s.ctx, added.Member.ID)
		return err
	})
	eventually(t, "serve as a voter", func() error {
		_, err := kv.Range(l.ctx, &pb.RangeRequest{Key: []byte("a")})
		return err
	})
	_, err = s.etcd.MemberPromote(s.ctx, added.Member.ID)
	refused(t, "promote twice", err, codes.FailedPrecondition, textNotALearner)
}

func TestCase40cARemovedMemberEndsWellAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 3)
	lead := leader(t, cluster)
	gone, stays := cluster.Members[(lead+1)%3], cluster.Members[(lead+2)%3]
	s := connect(t, stays.ClientURL)
	g := connect(t, gone.ClientURL)
	status := must[*pb.StatusResponse](t)(g.admin.Status(g.ctx, &pb.StatusRequest{}))

	_, err := g.etcd.MoveLeader(g.ctx, status.Header.MemberId)
	refused(t, "move leadership by a follower", err, codes.FailedPrecondition, textNotLeader)
	l := connect(t, cluster.Members[lead].ClientURL)
	must[*clientv3.MoveLeaderResponse](t)(l.etcd.MoveLeader(l.ctx, status.Header.MemberId))
	eventually(t, "the leader moves", func() error {
		_, err := g.etcd.MoveLeader(g.ctx, status.Header.MemberId)
		return err
	})

	// It leads now. A new cluster counts as unhealthy for some seconds.
	eventually(t, "remove the leader", func() error {
		_, err := s.etcd.MemberRemove(s.ctx, status.Header.MemberId)
		return err
	})
	equal(t, "exit code", gone.Exit(t), 0)
	eventually(t, "write", func() error {
		_, err := s.etcd.Put(s.ctx, "a", "1")
		return err
	})
	list := must[*clientv3.MemberListResponse](t)(s.etcd.MemberList(s.ctx))
	equal(t, "members left", len(list.Members), 2)
}
