package conformance

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// history brings a fresh server to revision 5: a put twice, deleted at 4, put again at 5.
func history(t *testing.T) *server {
	t.Helper()
	s := fresh(t)
	s.put("a", "1")
	s.put("a", "1")
	s.delete("a")
	s.put("a", "2")
	return s
}

// letters is a fresh server with the keys a, b and c at revisions 2 to 4.
func letters(t *testing.T) *server {
	t.Helper()
	s := fresh(t)
	for _, key := range []string{"a", "b", "c"} {
		s.put(key, "value of "+key)
	}
	return s
}

func TestCase01RangeOnAnEmptyStoreIsEmptyAtRevisionOne(t *testing.T) {
	s := fresh(t)
	got := s.get("a")
	equal(t, "keys", len(got.Kvs), 0)
	equal(t, "count", got.Count, 0)
	equal(t, "more", got.More, false)
	equal(t, "revision", got.Header.Revision, 1)
}

func TestCase02EveryPutAdvancesTheRevisionEvenOfTheSameValue(t *testing.T) {
	s := fresh(t)
	equal(t, "revision of the first put", s.put("a", "1").Header.Revision, 2)
	equal(t, "revision of the second put", s.put("a", "1").Header.Revision, 3)
	kv := s.get("a").Kvs[0]
	equal(t, "create revision", kv.CreateRevision, 2)
	equal(t, "mod revision", kv.ModRevision, 3)
	equal(t, "version", kv.Version, 2)
}

func TestCase03DeleteOfNothingLeavesTheRevision(t *testing.T) {
	s := fresh(t)
	s.put("a", "1")
	s.put("a", "1")
	got := s.delete("zz")
	equal(t, "deleted", got.Deleted, 0)
	equal(t, "revision", got.Header.Revision, 3)
}

func TestCase04PutAfterDeleteStartsANewLife(t *testing.T) {
	s := fresh(t)
	s.put("a", "1")
	s.put("a", "1")
	deleted := s.delete("a")
	equal(t, "deleted", deleted.Deleted, 1)
	equal(t, "revision of the delete", deleted.Header.Revision, 4)
	equal(t, "revision of the put", s.put("a", "2").Header.Revision, 5)
	kv := s.get("a").Kvs[0]
	equal(t, "create revision", kv.CreateRevision, 5)
	equal(t, "mod revision", kv.ModRevision, 5)
	equal(t, "version", kv.Version, 1)
}

func TestCase05RangeInThePastTellsTheCurrentRevisionInItsHeader(t *testing.T) {
	s := history(t)
	got := s.get("a", clientv3.WithRev(3))
	equal(t, "revision", got.Header.Revision, 5)
	equal(t, "keys", keys(got.Kvs), "a")
	kv := got.Kvs[0]
	equal(t, "value", string(kv.Value), "1")
	equal(t, "create revision", kv.CreateRevision, 2)
	equal(t, "mod revision", kv.ModRevision, 3)
	equal(t, "version", kv.Version, 2)
	equal(t, "keys at the revision of the delete", len(s.get("a", clientv3.WithRev(4)).Kvs), 0)
}

func TestCase06RangeInTheFutureIsRefused(t *testing.T) {
	s := history(t)
	_, err := s.etcd.Get(s.ctx, "a", clientv3.WithRev(6))
	refused(t, "range at revision 6 of 5", err, codes.OutOfRange, textFuture)
}

func TestCase07CompactionEndsHistoryBelowItsRevision(t *testing.T) {
	s := history(t)
	s.compact(4)
	_, err := s.etcd.Get(s.ctx, "a", clientv3.WithRev(3))
	refused(t, "range below the compaction", err, codes.OutOfRange, textCompacted)
	equal(t, "keys at the compaction", len(s.get("a", clientv3.WithRev(4)).Kvs), 0)
	_, err = s.etcd.Compact(s.ctx, 4)
	refused(t, "the same compaction again", err, codes.OutOfRange, textCompacted)
	_, err = s.etcd.Compact(s.ctx, 6)
	refused(t, "compaction in the future", err, codes.OutOfRange, textFuture)
}

func TestCase08LimitCutsTheListAndKeepsTheCount(t *testing.T) {
	s := letters(t)
	got := s.get(everything, clientv3.WithRange(everything), clientv3.WithLimit(2))
	equal(t, "keys", keys(got.Kvs), "a,b")
	equal(t, "more", got.More, true)
	equal(t, "count", got.Count, 3)
}

func TestCase09RevisionFilterCutsTheListAndKeepsTheCount(t *testing.T) {
	s := letters(t)
	got := s.get(everything, clientv3.WithRange(everything), clientv3.WithLimit(2), clientv3.WithMinModRev(3))
	equal(t, "keys", keys(got.Kvs), "b,c")
	equal(t, "more", got.More, false)
	equal(t, "count", got.Count, 3)
}

func TestCase10CountOnlyIgnoresTheLimit(t *testing.T) {
	s := letters(t)
	got := s.get(everything, clientv3.WithRange(everything), clientv3.WithLimit(1), clientv3.WithCountOnly())
	equal(t, "keys", len(got.Kvs), 0)
	equal(t, "count", got.Count, 3)
	equal(t, "more", got.More, false)
}
