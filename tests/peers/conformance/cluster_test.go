package conformance

import (
	"context"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kvd.test/peers/harness"
)

// leader returns the position of the leader among the members.
func leader(t *testing.T, cluster *harness.Cluster) int {
	t.Helper()
	for index, member := range cluster.Members {
		s := connect(t, member.ClientURL)
		got := must[*pb.StatusResponse](t)(s.admin.Status(s.ctx, &pb.StatusRequest{}))
		if got.Leader == got.Header.MemberId {
			return index
		}
	}
	t.Fatal("no member says that it leads")
	return 0
}

// readsUntilGood repeats a linearizable read until it succeeds after `from`; any failure must be code 14.
func readsUntilGood(s *server, from <-chan struct{}) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		after := false
		select {
		case <-from:
			after = true
		default:
		}
		ctx, cancel := context.WithTimeout(s.ctx, 15*time.Second)
		_, err := s.kv.Range(ctx, &pb.RangeRequest{Key: []byte("a")})
		cancel()
		if err == nil && after {
			return
		}
		if err != nil && status.Code(err) != codes.Unavailable {
			s.t.Errorf("read through a surviving member: %v", err)
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("reads do not recover: %v", err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCase35ReadsRecoverFromTheLossOfTheLeaderWithoutAClientRestart(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 3)
	all := connect(t, cluster.ClientURLs()...)
	all.put("a", "1")
	lost := leader(t, cluster)

	killed := make(chan struct{})
	done := make(chan struct{})
	readers := 0
	for index, member := range cluster.Members {
		if index == lost {
			continue
		}
		single := connect(t, member.ClientURL)
		readers++
		go func() {
			readsUntilGood(single, killed)
			done <- struct{}{}
		}()
	}
	cluster.Members[lost].Kill()
	close(killed)
	for range readers {
		<-done
	}

	equal(t, "value through the old client", string(all.get("a").Kvs[0].Value), "1")
	all.put("a", "2")
	equal(t, "value after a new write", string(all.get("a").Kvs[0].Value), "2")
}

func TestCase36WithoutQuorumOnlySerializableReadsGoOn(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 3)
	s := connect(t, cluster.Members[0].ClientURL)
	s.put("a", "1")
	// The member's own state holds the write once a read through it has returned.
	s.get("a")
	watch := s.stream(clientv3.WithRequireLeader(s.ctx))
	watch.create(onKey("a"))

	cluster.Members[1].Kill()
	cluster.Members[2].Kill()
	start := time.Now()

	type outcome struct {
		err  error
		took time.Duration
	}
	linearizable := make(chan outcome, 1)
	go func() {
		began := time.Now()
		// Not through the official client: that one would repeat the read.
		_, err := s.kv.Range(s.ctx, &pb.RangeRequest{Key: []byte("a")})
		linearizable <- outcome{err, time.Since(began)}
	}()

	equal(t, "serializable read", keys(s.get("a", clientv3.WithSerializable()).Kvs), "a")
	err := watch.ended(15 * time.Second)
	refused(t, "watch that requires a leader", err, codes.Unavailable, textNoLeader)
	t.Logf("the watch ended after %s", time.Since(start).Round(time.Millisecond))

	read := <-linearizable
	equal(t, "code of the linearizable read", status.Code(read.err), codes.Unavailable)
	t.Logf("the linearizable read ended after %s: %v", read.took.Round(time.Millisecond), read.err)
	if read.took > 8*time.Second {
		t.Errorf("linearizable read was refused only after %s", read.took)
	}
	equal(t, "serializable read at the end", keys(s.get("a", clientv3.WithSerializable()).Kvs), "a")

	refusedWatch := s.stream(clientv3.WithRequireLeader(s.ctx))
	refused(t, "new watch that requires a leader", refusedWatch.ended(5*time.Second), codes.Unavailable, textNoLeader)
}
