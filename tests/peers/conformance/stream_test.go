package conformance

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestCase37RangeStreamDoublesItsChunksAndEndsWithTheHeader(t *testing.T) {
	s := fresh(t)
	const total = 1000
	for first := 0; first < total; first += 100 {
		var puts []clientv3.Op
		for number := first; number < first+100; number++ {
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("key%04d", number), "value"))
		}
		s.txn(nil, puts, nil)
	}

	request := &pb.RangeRequest{Key: []byte(everything), RangeEnd: []byte(everything)}
	chunks := must[pb.KV_RangeStreamClient](t)(s.kv.RangeStream(s.ctx, request))
	var sizes []int
	seen := 0
	var last *pb.RangeResponse
	for {
		message, err := chunks.Recv()
		if err == io.EOF {
			break
		}
		chunk := must[*pb.RangeStreamResponse](t)(message, err).RangeResponse
		if last != nil && (last.Header != nil || last.Count != 0 || last.More) {
			t.Errorf("chunk %d of %d keys is not the last, yet has header %v, count %d, more %v",
				len(sizes), len(last.Kvs), last.Header, last.Count, last.More)
		}
		for _, kv := range chunk.Kvs {
			equal(t, "key", string(kv.Key), fmt.Sprintf("key%04d", seen))
			seen++
		}
		sizes = append(sizes, len(chunk.Kvs))
		last = chunk
	}
	equal(t, "chunk sizes", fmt.Sprint(sizes), "[10 20 40 80 160 320 370]")
	equal(t, "keys", seen, total)
	equal(t, "count", last.Count, total)
	equal(t, "more", last.More, false)
	equal(t, "revision", last.Header.GetRevision(), 11)
}

func TestCase38StatusReportsAVersionThatClientsAccept(t *testing.T) {
	s := fresh(t)
	got := must[*pb.StatusResponse](t)(s.admin.Status(s.ctx, &pb.StatusRequest{}))
	parts := regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?$`).FindStringSubmatch(got.Version)
	if parts == nil {
		t.Fatalf("version %q is not a semantic version", got.Version)
	}
	number := func(index int) int { return must[int](t)(strconv.Atoi(parts[index])) }
	major, minor, patch := number(1), number(2), number(3)
	old := major < 3 || major == 3 && (minor < 4 || minor == 4 && patch < 31 || minor == 5 && patch < 13)
	equal(t, "version is too old for progress requests", old, false)
	equal(t, "leader is the member itself", got.Leader, got.Header.MemberId)
	equal(t, "learner", got.IsLearner, false)
}
