package conformance

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"kvd.test/peers/harness"
)

const (
	textNoSpace         = "etcdserver: mvcc: database space exceeded"
	textCorrupt         = "etcdserver: corrupt cluster"
	textDowngradeTarget = "etcdserver: invalid downgrade target version"
	textDowngradeFormat = "etcdserver: wrong downgrade target version format"
	textDowngradeRuns   = "etcdserver: cluster has a downgrade job in progress"
)

func (s *server) alarm(action pb.AlarmRequest_AlarmAction, member uint64, kind pb.AlarmType) string {
	s.t.Helper()
	request := &pb.AlarmRequest{Action: action, MemberID: member, Alarm: kind}
	response := must[*pb.AlarmResponse](s.t)(s.admin.Alarm(s.ctx, request))
	var listed []string
	for _, alarm := range response.Alarms {
		listed = append(listed, fmt.Sprintf("%d %s", alarm.MemberID, alarm.Alarm))
	}
	return strings.Join(listed, ", ")
}

func (s *server) status() *pb.StatusResponse {
	s.t.Helper()
	return must[*pb.StatusResponse](s.t)(s.admin.Status(s.ctx, &pb.StatusRequest{}))
}

func TestAlarmsAreRaisedListedAndDisarmedOneByOne(t *testing.T) {
	s := fresh(t)
	none, noSpace, corrupt := pb.AlarmType_NONE, pb.AlarmType_NOSPACE, pb.AlarmType_CORRUPT
	get, raise, disarm := pb.AlarmRequest_GET, pb.AlarmRequest_ACTIVATE, pb.AlarmRequest_DEACTIVATE
	equal(t, "none at first", s.alarm(get, 0, none), "")
	equal(t, "disarm what is not raised", s.alarm(disarm, 7, noSpace), "")
	equal(t, "raise no alarm", s.alarm(raise, 7, none), "")
	equal(t, "raise", s.alarm(raise, 7, noSpace), "7 NOSPACE")
	equal(t, "raise again", s.alarm(raise, 7, noSpace), "7 NOSPACE")
	equal(t, "list all", s.alarm(get, 0, none), "7 NOSPACE")
	equal(t, "list others", s.alarm(get, 7, corrupt), "")
	equal(t, "list this kind, whatever the member", s.alarm(get, 9, noSpace), "7 NOSPACE")
	equal(t, "disarm another's", s.alarm(disarm, 9, noSpace), "")
	errors := strings.Join(strings.Fields(strings.Join(s.status().Errors, ",")), " ")
	equal(t, "errors of the status", errors, "memberID:7 alarm:NOSPACE")
	equal(t, "disarm", s.alarm(disarm, 7, noSpace), "7 NOSPACE")
	equal(t, "none at last", s.alarm(get, 0, none), "")
	equal(t, "no errors", len(s.status().Errors), 0)
}

// refuses checks which requests an alarm stands in the way of.
func (s *server) refuses(code codes.Code, text string, others bool) {
	s.t.Helper()
	check := func(what string, isRefused bool, err error) {
		s.t.Helper()
		if isRefused {
			refused(s.t, what, err, code, text)
		} else if err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	_, err := s.etcd.Put(s.ctx, "a", "2")
	check("put", true, err)
	_, err = s.etcd.Grant(s.ctx, 100)
	check("grant", true, err)
	put := clientv3.OpPut("b", "1")
	_, err = s.etcd.Txn(s.ctx).Then(clientv3.OpTxn(nil, nil, []clientv3.Op{put})).Commit()
	check("txn that might put", true, err)
	_, err = s.etcd.Txn(s.ctx).Then(clientv3.OpGet("a")).Commit()
	check("txn that reads", false, err)
	_, err = s.etcd.Txn(s.ctx).Then(clientv3.OpDelete("none")).Commit()
	check("txn that deletes", others, err)
	_, err = s.etcd.Get(s.ctx, "a")
	check("range", false, err)
	_, err = s.etcd.Delete(s.ctx, "none")
	check("delete", others, err)
	_, err = s.etcd.Compact(s.ctx, s.get("a").Header.Revision)
	check("compact", others, err)
}

func TestAlarmNoSpaceRefusesWhatGrowsAndCorruptWhatWrites(t *testing.T) {
	s := fresh(t)
	s.put("a", "1")
	lease := s.grant(100)
	member := s.status().Header.MemberId
	s.alarm(pb.AlarmRequest_ACTIVATE, member, pb.AlarmType_NOSPACE)
	s.refuses(codes.ResourceExhausted, textNoSpace, false)
	s.alarm(pb.AlarmRequest_ACTIVATE, member, pb.AlarmType_CORRUPT)
	s.refuses(codes.DataLoss, textCorrupt, true)
	_, err := s.etcd.Revoke(s.ctx, lease)
	refused(t, "revoke", err, codes.DataLoss, textCorrupt)
	s.alarm(pb.AlarmRequest_DEACTIVATE, member, pb.AlarmType_NOSPACE)
	s.alarm(pb.AlarmRequest_DEACTIVATE, member, pb.AlarmType_CORRUPT)
	s.put("a", "3")
	must[*clientv3.LeaseRevokeResponse](t)(s.etcd.Revoke(s.ctx, lease))
}

// page fetches a page of a member.
func page(t *testing.T, member *harness.Member, path string) (int, string) {
	t.Helper()
	response := must[*http.Response](t)(http.Get(member.ClientURL + path))
	defer response.Body.Close()
	body := must[[]byte](t)(io.ReadAll(response.Body))
	return response.StatusCode, string(body)
}

func TestAFullQuotaRaisesTheAlarmEverywhereUntilItIsDisarmed(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 3, "--quota-backend-bytes", strconv.Itoa(4<<20))
	s := connect(t, cluster.Members[1].ClientURL)
	equal(t, "quota", s.status().DbSizeQuota, int64(4<<20))
	// Nothing that could be made smaller.
	value := make([]byte, 1<<20)
	must[int](t)(rand.Read(value))
	var err error
	for number := 0; err == nil && number < 20; number++ {
		_, err = s.etcd.Put(s.ctx, fmt.Sprint("large", number), string(value))
	}
	refused(t, "a put too many", err, codes.ResourceExhausted, textNoSpace)
	raiser := s.status().Header.MemberId
	raised := s.alarm(pb.AlarmRequest_GET, 0, pb.AlarmType_NONE)
	equal(t, raised, strings.Contains(raised, fmt.Sprintf("%d NOSPACE", raiser)), true)
	for _, member := range cluster.Members {
		other := connect(t, member.ClientURL)
		_, err := other.etcd.Put(other.ctx, "small", "1")
		refused(t, "a small put to "+member.Name, err, codes.ResourceExhausted, textNoSpace)
		code, body := page(t, member, "/health")
		equal(t, "health", fmt.Sprint(code, " ", body), `503 {"health":"false","reason":"ALARM NOSPACE"}`+"\n")
		code, _ = page(t, member, "/health?exclude=NOSPACE")
		equal(t, "health without the alarm", code, 200)
		code, _ = page(t, member, "/readyz")
		equal(t, "ready", code, 200)
	}
	// What an operator does about it.
	revision := s.delete("large", clientv3.WithPrefix()).Header.Revision
	must[*clientv3.CompactResponse](t)(s.etcd.Compact(s.ctx, revision, clientv3.WithCompactPhysical()))
	for _, member := range cluster.Members {
		must[*clientv3.DefragmentResponse](t)(s.etcd.Defragment(s.ctx, member.ClientURL))
	}
	_, err = s.etcd.Put(s.ctx, "small", "1")
	refused(t, "a small put before it is disarmed", err, codes.ResourceExhausted, textNoSpace)
	must[*clientv3.AlarmResponse](t)(s.etcd.AlarmDisarm(s.ctx, &clientv3.AlarmMember{}))
	s.put("small", "1")
}

func TestAnAlarmAndItsEndSurviveARestart(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 1)
	member := cluster.Members[0]
	s := connect(t, member.ClientURL)
	s.alarm(pb.AlarmRequest_ACTIVATE, 7, pb.AlarmType_CORRUPT)
	member.Kill()
	member.Restart(t)
	s = connect(t, member.ClientURL)
	equal(t, "after a restart", s.alarm(pb.AlarmRequest_GET, 0, pb.AlarmType_NONE), "7 CORRUPT")
	code, body := page(t, member, "/readyz/data_corruption")
	equal(t, "not ready", code, 503)
	equal(t, "why", strings.Contains(body, "alarm activated: CORRUPT"), true)
	s.alarm(pb.AlarmRequest_DEACTIVATE, 7, pb.AlarmType_CORRUPT)
	member.Kill()
	member.Restart(t)
	s = connect(t, member.ClientURL)
	equal(t, "after another", s.alarm(pb.AlarmRequest_GET, 0, pb.AlarmType_NONE), "")
}

func (s *server) hashKV(revision int64) (*pb.HashKVResponse, error) {
	return s.admin.HashKV(s.ctx, &pb.HashKVRequest{Revision: revision})
}

func TestHashesAreEqualOnAllMembersAndRefusedBelowACompaction(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 3)
	s := connect(t, cluster.ClientURLs()...)
	for number := range 20 {
		s.put(fmt.Sprint("k", number%4), fmt.Sprint(number))
	}
	last := s.delete("k1").Header.Revision
	s.compact(9)
	whole := map[uint32]bool{}
	for _, member := range cluster.Members {
		m := connect(t, member.ClientURL)
		m.get("k0")
		hash := must[*pb.HashKVResponse](t)(m.hashKV(15))
		first := must[*pb.HashKVResponse](t)(s.hashKV(15))
		equal(t, "hash", hash.Hash, first.Hash)
		equal(t, "compaction", hash.CompactRevision, int64(9))
		equal(t, "revision of the hash", hash.HashRevision, int64(15))
		equal(t, "revision", hash.Header.Revision, last)
		hash = must[*pb.HashKVResponse](t)(m.hashKV(0))
		equal(t, "revision of the newest hash", hash.HashRevision, last)
		_, err := m.hashKV(8)
		refused(t, "below the compaction", err, codes.OutOfRange, textCompacted)
		_, err = m.hashKV(last + 1)
		refused(t, "in the future", err, codes.OutOfRange, textFuture)
		response := must[*pb.HashResponse](t)(m.admin.Hash(m.ctx, &pb.HashRequest{}))
		equal(t, "revision of the whole hash", response.Header.Revision, last)
		whole[response.Hash] = true
	}
	if len(whole) == 0 || whole[0] {
		t.Errorf("hashes of everything: %v", whole)
	}
}

func TestADowngradeIsValidatedEnabledAndCancelled(t *testing.T) {
	s := fresh(t)
	version := strings.Split(s.status().Version, ".")
	minor := must[int](t)(strconv.Atoi(version[1]))
	current, target := version[0]+"."+version[1], fmt.Sprintf("%s.%d", version[0], minor-1)
	ask := func(action pb.DowngradeRequest_DowngradeAction, version string) (*pb.DowngradeResponse, error) {
		return s.admin.Downgrade(s.ctx, &pb.DowngradeRequest{Action: action, Version: version})
	}
	validate, enable, cancel := pb.DowngradeRequest_VALIDATE, pb.DowngradeRequest_ENABLE, pb.DowngradeRequest_CANCEL
	for _, action := range []pb.DowngradeRequest_DowngradeAction{validate, enable} {
		_, err := ask(action, "x")
		refused(t, "no version", err, codes.InvalidArgument, textDowngradeFormat)
		_, err = ask(action, current)
		refused(t, "the current version", err, codes.InvalidArgument, textDowngradeTarget)
		_, err = ask(action, "3.2")
		refused(t, "an old version", err, codes.InvalidArgument, textDowngradeTarget)
	}
	equal(t, "cluster version", must[*pb.DowngradeResponse](t)(ask(validate, target)).Version, current)
	equal(t, "cancel nothing", must[*pb.DowngradeResponse](t)(ask(cancel, "")).Version, current)
	equal(t, "not enabled", s.status().DowngradeInfo.Enabled, false)
	must[*pb.DowngradeResponse](t)(ask(enable, target+".0"))
	info := s.status().DowngradeInfo
	equal(t, "enabled", info.Enabled, true)
	equal(t, "target", info.TargetVersion, target+".0")
	_, err := ask(validate, target)
	refused(t, "while one runs", err, codes.FailedPrecondition, textDowngradeRuns)
	must[*pb.DowngradeResponse](t)(ask(cancel, ""))
	equal(t, "cancelled", s.status().DowngradeInfo.Enabled, false)
}
