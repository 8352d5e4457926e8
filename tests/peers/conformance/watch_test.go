package conformance

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

func onKey(key string) *pb.WatchCreateRequest {
	return &pb.WatchCreateRequest{Key: []byte(key)}
}

func TestCase18WatchFromACompactedRevisionIsCreatedAndThenCanceled(t *testing.T) {
	s := history(t)
	s.compact(4)
	watch := s.stream(s.ctx)
	request := onKey("a")
	request.StartRevision = 1
	created := watch.create(request)
	equal(t, "canceled at once", created.Canceled, false)
	equal(t, "revision of the created response", created.Header.Revision, 5)

	canceled := watch.next()
	equal(t, "watch id", canceled.WatchId, created.WatchId)
	equal(t, "created", canceled.Created, false)
	equal(t, "canceled", canceled.Canceled, true)
	equal(t, "compact revision", canceled.CompactRevision, 4)
	equal(t, "reason", canceled.CancelReason, "")
	equal(t, "events", len(canceled.Events), 0)
	equal(t, "revision", canceled.Header.GetRevision(), 0)
}

func TestCase19WatchFromAFutureRevisionIsSilentUntilThen(t *testing.T) {
	s := fresh(t)
	current := s.put("a", "0").Header.Revision
	watch := s.stream(s.ctx)
	request := onKey("a")
	request.StartRevision = current + 5
	equal(t, "canceled", watch.create(request).Canceled, false)

	for range 6 {
		s.put("a", "1")
	}
	response := watch.next()
	equal(t, "revision of the first event", response.Events[0].Kv.ModRevision, current+5)
	seen := response.Events[len(response.Events)-1].Kv.ModRevision
	if seen < current+6 {
		equal(t, "revision of the second event", watch.next().Events[0].Kv.ModRevision, current+6)
	}
}

func TestCase20SecondWatcherWithTheSameIDIsRefused(t *testing.T) {
	s := fresh(t)
	watch := s.stream(s.ctx)
	request := onKey("a")
	request.WatchId = 7
	first := watch.create(request)
	equal(t, "first id", first.WatchId, 7)
	equal(t, "first canceled", first.Canceled, false)

	second := watch.create(request)
	equal(t, "second id", second.WatchId, -1)
	equal(t, "second canceled", second.Canceled, true)
	equal(t, "reason", second.CancelReason, textDuplicateID)

	s.put("a", "1")
	equal(t, "id of the event", watch.next().WatchId, 7)
}

func TestCase21ServerNumbersWatchersFromZero(t *testing.T) {
	s := fresh(t)
	watch := s.stream(s.ctx)
	equal(t, "first id", watch.create(onKey("a")).WatchId, 0)
	equal(t, "second id", watch.create(onKey("b")).WatchId, 1)
}

func TestCase22ProgressRequestIsAnsweredOnceForTheWholeStream(t *testing.T) {
	s := fresh(t)
	watch := s.stream(s.ctx)
	watch.create(onKey("a"))
	watch.create(onKey("b"))
	s.put("a", "1")
	equal(t, "event", len(watch.next().Events), 1)
	current := s.put("unwatched", "1").Header.Revision

	watch.sendProgress()
	progress := watch.next()
	equal(t, "watch id", progress.WatchId, -1)
	equal(t, "events", len(progress.Events), 0)
	equal(t, "created", progress.Created, false)
	equal(t, "canceled", progress.Canceled, false)
	equal(t, "revision", progress.Header.Revision, current)

	watch.sendCancel(1)
	equal(t, "next response is the cancellation", watch.next().Canceled, true)
}

func TestCase23PrevKVHoldsTheValueBeforeTheEvent(t *testing.T) {
	s := fresh(t)
	watch := s.stream(s.ctx)
	request := onKey("a")
	request.PrevKv = true
	watch.create(request)
	s.put("a", "old")
	s.put("a", "new")
	s.delete("a")

	var events []*mvccpb.Event
	for len(events) < 3 {
		events = append(events, watch.next().Events...)
	}
	created, updated, deleted := events[0], events[1], events[2]
	equal(t, "creation has a previous value", created.PrevKv != nil, false)
	equal(t, "creation is one", created.Kv.CreateRevision, created.Kv.ModRevision)
	equal(t, "value before the update", string(updated.PrevKv.GetValue()), "old")
	equal(t, "revision before the update", updated.PrevKv.GetModRevision(), 2)
	equal(t, "version after the update", updated.Kv.Version, 2)
	equal(t, "value before the delete", string(deleted.PrevKv.GetValue()), "new")
	equal(t, "type of the delete", deleted.Type, mvccpb.Event_DELETE)
	equal(t, "key of the delete", string(deleted.Kv.Key), "a")
	equal(t, "revision of the delete", deleted.Kv.ModRevision, 4)
	equal(t, "create revision of the delete", deleted.Kv.CreateRevision, 0)
	equal(t, "version of the delete", deleted.Kv.Version, 0)
	equal(t, "value of the delete", len(deleted.Kv.Value), 0)
}

func TestCase24CancelOfAnUnknownWatcherIsNotAnswered(t *testing.T) {
	s := fresh(t)
	watch := s.stream(s.ctx)
	watch.sendCancel(99)
	watch.sendCreate(onKey("a"))
	equal(t, "first response is the create's", watch.next().Created, true)
}

func TestCase25HalfClosedWatchStreamStillGetsEvents(t *testing.T) {
	s := fresh(t)
	watch := s.stream(s.ctx)
	watch.create(onKey("a"))
	if err := watch.client.CloseSend(); err != nil {
		t.Fatal(err)
	}
	// A server that took the half-close for the end would have ended the stream by the time of the put.
	s.get("a")
	s.put("a", "1")
	equal(t, "events", len(watch.next().Events), 1)
}
