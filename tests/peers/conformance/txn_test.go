package conformance

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

func TestCase11TxnCreatesOnceAndThenReturnsWhatIsThere(t *testing.T) {
	s := fresh(t)
	absent := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision("x"), "=", 0)}
	create := []clientv3.Op{clientv3.OpPut("x", "1")}
	read := []clientv3.Op{clientv3.OpGet("x")}

	first := s.txn(absent, create, read)
	equal(t, "first succeeded", first.Succeeded, true)
	equal(t, "revision of the first", first.Header.Revision, 2)
	second := s.txn(absent, create, read)
	equal(t, "second succeeded", second.Succeeded, false)
	equal(t, "revision of the second", second.Header.Revision, 2)
	kv := second.Responses[0].GetResponseRange().Kvs[0]
	equal(t, "key", string(kv.Key), "x")
	equal(t, "value", string(kv.Value), "1")
	equal(t, "mod revision", kv.ModRevision, 2)
}

func TestCase12RangeInATxnSeesItsPutAndInnerHeadersHoldTheRevisionOnly(t *testing.T) {
	s := fresh(t)
	got := s.txn(nil, []clientv3.Op{clientv3.OpPut("x", "new"), clientv3.OpGet("x")}, nil)
	equal(t, "revision", got.Header.Revision, 2)
	equal(t, "outer cluster id is set", got.Header.ClusterId != 0, true)
	put, read := got.Responses[0].GetResponsePut(), got.Responses[1].GetResponseRange()
	equal(t, "value", string(read.Kvs[0].Value), "new")
	equal(t, "mod revision", read.Kvs[0].ModRevision, 2)
	for what, header := range map[string]*pb.ResponseHeader{"put": put.Header, "range": read.Header} {
		equal(t, what+" revision", header.Revision, 2)
		equal(t, what+" cluster id", header.ClusterId, 0)
		equal(t, what+" member id", header.MemberId, 0)
		equal(t, what+" term", header.RaftTerm, 0)
	}
}

func TestCase13TxnThatWritesAKeyTwiceIsRefused(t *testing.T) {
	s := fresh(t)
	_, err := s.etcd.Txn(s.ctx).Then(clientv3.OpPut("x", "1"), clientv3.OpPut("x", "2")).Commit()
	refused(t, "two puts", err, codes.InvalidArgument, textDuplicateKey)
	_, err = s.etcd.Txn(s.ctx).Then(clientv3.OpPut("xy", "1"), clientv3.OpDelete("x", clientv3.WithPrefix())).Commit()
	refused(t, "put and delete", err, codes.InvalidArgument, textDuplicateKey)
	_, err = s.etcd.Txn(s.ctx).Then(clientv3.OpDelete("x", clientv3.WithPrefix()), clientv3.OpPut("xy", "1")).Commit()
	refused(t, "delete and put", err, codes.InvalidArgument, textDuplicateKey)
	_, err = s.etcd.Txn(s.ctx).Else(clientv3.OpPut("x", "1"), clientv3.OpPut("x", "2")).Commit()
	refused(t, "two puts in the branch not taken", err, codes.InvalidArgument, textDuplicateKey)
	equal(t, "revision", s.get("x").Header.Revision, 1)
}

func TestCase14BothBranchesOfANestedTxnMayPutTheSameKey(t *testing.T) {
	s := fresh(t)
	nested := clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut("x", "then")}, []clientv3.Op{clientv3.OpPut("x", "else")})
	got := s.txn(nil, []clientv3.Op{nested}, nil)
	inner := got.Responses[0].GetResponseTxn()
	equal(t, "inner succeeded", inner.Succeeded, true)
	equal(t, "inner put revision", inner.Responses[0].GetResponsePut().Header.Revision, 2)
	equal(t, "value", string(s.get("x").Kvs[0].Value), "then")
}

func TestCase15TxnWithMoreThan128ComparesIsRefused(t *testing.T) {
	s := fresh(t)
	compares := make([]clientv3.Cmp, 129)
	for index := range compares {
		compares[index] = clientv3.Compare(clientv3.Version("x"), "=", 0)
	}
	_, err := s.etcd.Txn(s.ctx).If(compares...).Then(clientv3.OpPut("x", "1")).Commit()
	refused(t, "129 compares", err, codes.InvalidArgument, textTooManyOps)
	equal(t, "128 compares", s.txn(compares[:128], []clientv3.Op{clientv3.OpPut("x", "1")}, nil).Succeeded, true)
}

func TestCase16ValueCompareOnAMissingKeyIsFalseWhateverTheResult(t *testing.T) {
	s := fresh(t)
	for _, result := range []string{"!=", "=", "<", ">"} {
		got := s.txn([]clientv3.Cmp{clientv3.Compare(clientv3.Value("missing"), result, "v")}, nil, nil)
		equal(t, "value "+result, got.Succeeded, false)
	}
}

func TestCase17TxnIsOneRevisionAndOneWatchResponse(t *testing.T) {
	s := fresh(t)
	s.put("c", "1")
	watch := s.stream(s.ctx)
	watch.create(&pb.WatchCreateRequest{Key: []byte(everything), RangeEnd: []byte(everything)})

	got := s.txn(nil, []clientv3.Op{clientv3.OpPut("b", "1"), clientv3.OpPut("a", "1"), clientv3.OpDelete("c")}, nil)
	equal(t, "revision", got.Header.Revision, 3)
	response := watch.next()
	equal(t, "revision of the response", response.Header.Revision, 3)
	equal(t, "events", len(response.Events), 3)
	want := []struct {
		key  string
		kind mvccpb.Event_EventType
	}{{"b", mvccpb.Event_PUT}, {"a", mvccpb.Event_PUT}, {"c", mvccpb.Event_DELETE}}
	for index, event := range response.Events {
		equal(t, "key", string(event.Kv.Key), want[index].key)
		equal(t, "type", event.Type, want[index].kind)
		equal(t, "mod revision", event.Kv.ModRevision, 3)
	}
}
