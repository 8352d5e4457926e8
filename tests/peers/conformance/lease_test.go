package conformance

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

const unknownLease = 0x1234

func TestCase26ShortTTLIsRaisedToTheMinimum(t *testing.T) {
	s := fresh(t)
	granted := must[*clientv3.LeaseGrantResponse](t)(s.etcd.Grant(s.ctx, 1))
	equal(t, "ttl", granted.TTL, 2)
	equal(t, "revision", granted.Revision, 1)
}

func TestCase27UnknownLeaseIsToldByTTLExceptInRevoke(t *testing.T) {
	s := fresh(t)
	alive := must[pb.Lease_LeaseKeepAliveClient](t)(s.lease.LeaseKeepAlive(s.ctx))
	for range 2 {
		if err := alive.Send(&pb.LeaseKeepAliveRequest{ID: unknownLease}); err != nil {
			t.Fatal(err)
		}
		renewed := must[*pb.LeaseKeepAliveResponse](t)(alive.Recv())
		equal(t, "keep-alive id", renewed.ID, unknownLease)
		equal(t, "keep-alive ttl", renewed.TTL, 0)
	}

	left := must[*pb.LeaseTimeToLiveResponse](t)(s.lease.LeaseTimeToLive(s.ctx, &pb.LeaseTimeToLiveRequest{ID: unknownLease}))
	equal(t, "time to live id", left.ID, unknownLease)
	equal(t, "time to live", left.TTL, -1)
	equal(t, "granted ttl", left.GrantedTTL, 0)

	_, err := s.lease.LeaseRevoke(s.ctx, &pb.LeaseRevokeRequest{ID: unknownLease})
	refused(t, "revoke", err, codes.NotFound, textNoLease)
}

func TestCase28PutWithoutLeaseDetachesTheKey(t *testing.T) {
	s := fresh(t)
	lease := s.grant(60)
	s.put("k", "1", clientv3.WithLease(lease))
	equal(t, "lease", s.get("k").Kvs[0].Lease, int64(lease))
	s.put("k", "2")
	equal(t, "lease after the second put", s.get("k").Kvs[0].Lease, 0)
	must[*clientv3.LeaseRevokeResponse](t)(s.etcd.Revoke(s.ctx, lease))
	equal(t, "keys", keys(s.get("k").Kvs), "k")
}

func TestCase29RevokeDeletesAllKeysInOneRevision(t *testing.T) {
	s := fresh(t)
	lease := s.grant(60)
	s.put("k2", "1", clientv3.WithLease(lease))
	s.put("k1", "1", clientv3.WithLease(lease))
	watch := s.stream(s.ctx)
	watch.create(&pb.WatchCreateRequest{Key: []byte(everything), RangeEnd: []byte(everything)})

	revoked := must[*clientv3.LeaseRevokeResponse](t)(s.etcd.Revoke(s.ctx, lease))
	equal(t, "revision", revoked.Header.Revision, 4)
	response := watch.next()
	equal(t, "events", len(response.Events), 2)
	for index, key := range []string{"k1", "k2"} {
		event := response.Events[index]
		equal(t, "type", event.Type, mvccpb.Event_DELETE)
		equal(t, "key", string(event.Kv.Key), key)
		equal(t, "revision of the delete", event.Kv.ModRevision, 4)
	}
	equal(t, "count", s.get("k", clientv3.WithPrefix()).Count, 0)
}

func TestCase30PutWithAnUnknownLeaseIsRefused(t *testing.T) {
	s := fresh(t)
	_, err := s.etcd.Put(s.ctx, "k", "1", clientv3.WithLease(unknownLease))
	refused(t, "put", err, codes.NotFound, textNoLease)
	equal(t, "count", s.get("k").Count, 0)
}
