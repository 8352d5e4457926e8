// Package conformance checks what any etcd v3 server must do, through the official Go client. The case numbers are
// those of the API sheet's checklist.
package conformance

import (
	"context"
	"io"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kvd.test/peers/harness"
)

const (
	textCompacted     = "etcdserver: mvcc: required revision has been compacted"
	textFuture        = "etcdserver: mvcc: required revision is a future revision"
	textDuplicateKey  = "etcdserver: duplicate key given in txn request"
	textTooManyOps    = "etcdserver: too many operations in txn request"
	textNoLease       = "etcdserver: requested lease not found"
	textTooLarge      = "etcdserver: request is too large"
	textEmptyKey      = "etcdserver: key is not provided"
	textDuplicateID   = "mvcc: duplicate watch ID provided on the WatchStream"
	textNoLeader      = "etcdserver: no leader"
	textNotFound      = "etcdserver: member not found"
	textNotALearner   = "etcdserver: can only promote a learner member"
	textLearnerBehind = "etcdserver: can only promote a learner member which is in sync with leader"
)

// everything selects all keys, as key and as range end.
const everything = "\x00"

// server is a fresh single member at revision 1, with the official client and the plain stubs on its connection.
type server struct {
	t     *testing.T
	ctx   context.Context
	etcd  *clientv3.Client
	kv    pb.KVClient
	lease pb.LeaseClient
	watch pb.WatchClient
	admin pb.MaintenanceClient
}

// fresh starts a single member for one test, which may run beside others.
func fresh(t *testing.T) *server {
	t.Helper()
	t.Parallel()
	cluster := harness.StartCluster(t, 1)
	return connect(t, cluster.ClientURLs()...)
}

func connect(t *testing.T, endpoints ...string) *server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	client, err := clientv3.New(clientv3.Config{
		Endpoints:          endpoints,
		DialTimeout:        5 * time.Second,
		MaxCallSendMsgSize: 16 << 20,
		Logger:             zap.NewNop(),
	})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { client.Close() })
	connection := client.ActiveConnection()
	return &server{
		t:     t,
		ctx:   ctx,
		etcd:  client,
		kv:    pb.NewKVClient(connection),
		lease: pb.NewLeaseClient(connection),
		watch: pb.NewWatchClient(connection),
		admin: pb.NewMaintenanceClient(connection),
	}
}

// must returns value, or ends the test.
func must[T any](t *testing.T) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return value
	}
}

func (s *server) put(key, value string, options ...clientv3.OpOption) *clientv3.PutResponse {
	s.t.Helper()
	return must[*clientv3.PutResponse](s.t)(s.etcd.Put(s.ctx, key, value, options...))
}

func (s *server) get(key string, options ...clientv3.OpOption) *clientv3.GetResponse {
	s.t.Helper()
	return must[*clientv3.GetResponse](s.t)(s.etcd.Get(s.ctx, key, options...))
}

func (s *server) delete(key string, options ...clientv3.OpOption) *clientv3.DeleteResponse {
	s.t.Helper()
	return must[*clientv3.DeleteResponse](s.t)(s.etcd.Delete(s.ctx, key, options...))
}

func (s *server) compact(revision int64) {
	s.t.Helper()
	must[*clientv3.CompactResponse](s.t)(s.etcd.Compact(s.ctx, revision))
}

func (s *server) txn(compares []clientv3.Cmp, then, otherwise []clientv3.Op) *clientv3.TxnResponse {
	s.t.Helper()
	return must[*clientv3.TxnResponse](s.t)(s.etcd.Txn(s.ctx).If(compares...).Then(then...).Else(otherwise...).Commit())
}

func (s *server) grant(ttl int64) clientv3.LeaseID {
	s.t.Helper()
	return must[*clientv3.LeaseGrantResponse](s.t)(s.etcd.Grant(s.ctx, ttl)).ID
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// refused checks an error's code and exact text as it came over the wire.
func refused(t *testing.T, what string, err error, code codes.Code, text string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: succeeded, want code %v: %s", what, code, text)
		return
	}
	got := status.Convert(err)
	if coded, ok := err.(interface{ Code() codes.Code }); ok {
		// The official client turns texts that it knows into errors of its own.
		got = status.New(coded.Code(), err.Error())
	}
	if got.Code() != code || got.Message() != text {
		t.Errorf("%s: got code %v: %s, want code %v: %s", what, got.Code(), got.Message(), code, text)
	}
}

func keys(kvs []*mvccpb.KeyValue) string {
	joined := ""
	for index, kv := range kvs {
		if index > 0 {
			joined += ","
		}
		joined += string(kv.Key)
	}
	return joined
}

// stream is one watch stream, read in order.
type stream struct {
	t      *testing.T
	client pb.Watch_WatchClient
	in     chan *pb.WatchResponse
	end    chan error
}

func (s *server) stream(ctx context.Context) *stream {
	s.t.Helper()
	client := must[pb.Watch_WatchClient](s.t)(s.watch.Watch(ctx))
	opened := &stream{t: s.t, client: client, in: make(chan *pb.WatchResponse, 1024), end: make(chan error, 1)}
	go func() {
		for {
			response, err := client.Recv()
			if err != nil {
				opened.end <- err
				return
			}
			opened.in <- response
		}
	}()
	return opened
}

func (w *stream) send(request *pb.WatchRequest) {
	w.t.Helper()
	if err := w.client.Send(request); err != nil {
		w.t.Fatalf("send on the watch stream: %v", err)
	}
}

func (w *stream) sendCreate(request *pb.WatchCreateRequest) {
	w.t.Helper()
	w.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}})
}

func (w *stream) sendCancel(id int64) {
	w.t.Helper()
	request := &pb.WatchCancelRequest{WatchId: id}
	w.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: request}})
}

func (w *stream) sendProgress() {
	w.t.Helper()
	w.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
}

// create registers a watcher and returns the answer, which must be the next response.
func (w *stream) create(request *pb.WatchCreateRequest) *pb.WatchResponse {
	w.t.Helper()
	w.sendCreate(request)
	response := w.next()
	if !response.Created {
		w.t.Fatalf("answer to a create is not marked created: %v", response)
	}
	return response
}

func (w *stream) next() *pb.WatchResponse {
	w.t.Helper()
	select {
	case response := <-w.in:
		return response
	case err := <-w.end:
		w.t.Fatalf("the watch stream ended: %v", err)
	case <-time.After(10 * time.Second):
		w.t.Fatal("no response on the watch stream within 10s")
	}
	return nil
}

// ended waits for the end of the stream and returns its error.
func (w *stream) ended(limit time.Duration) error {
	w.t.Helper()
	select {
	case err := <-w.end:
		if err == io.EOF {
			w.t.Fatal("the watch stream ended without an error status")
		}
		return err
	case <-time.After(limit):
		w.t.Fatalf("the watch stream did not end within %s", limit)
	}
	return nil
}
