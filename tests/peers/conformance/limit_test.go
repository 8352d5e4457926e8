package conformance

import (
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestCase31ValueOverTheRequestLimitIsRefused(t *testing.T) {
	s := fresh(t)
	_, err := s.etcd.Put(s.ctx, "k", strings.Repeat("x", 1600<<10))
	refused(t, "put of 1600 KiB", err, codes.InvalidArgument, textTooLarge)
	s.put("k", strings.Repeat("x", 1500<<10))
}

func TestCase32MessageOverTheTransportLimitIsRefused(t *testing.T) {
	s := fresh(t)
	_, err := s.kv.Put(s.ctx, &pb.PutRequest{Key: []byte("k"), Value: make([]byte, 3<<20)})
	equal(t, "code of a put of 3 MiB", status.Code(err), codes.ResourceExhausted)
	s.put("k", "the connection is still good")
}

func TestCase33EmptyKeyIsRefusedEverywhere(t *testing.T) {
	s := fresh(t)
	_, err := s.kv.Put(s.ctx, &pb.PutRequest{Value: []byte("1")})
	refused(t, "put", err, codes.InvalidArgument, textEmptyKey)
	_, err = s.kv.Range(s.ctx, &pb.RangeRequest{})
	refused(t, "range", err, codes.InvalidArgument, textEmptyKey)
	_, err = s.kv.DeleteRange(s.ctx, &pb.DeleteRangeRequest{})
	refused(t, "delete", err, codes.InvalidArgument, textEmptyKey)
	_, err = s.kv.Txn(s.ctx, &pb.TxnRequest{Compare: []*pb.Compare{{}}})
	refused(t, "compare", err, codes.InvalidArgument, textEmptyKey)

	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{}}}
	_, err = s.kv.Txn(s.ctx, &pb.TxnRequest{Failure: []*pb.RequestOp{put}})
	refused(t, "put in the branch not taken", err, codes.InvalidArgument, textEmptyKey)
	inner := &pb.TxnRequest{Success: []*pb.RequestOp{put}}
	nested := &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}}
	_, err = s.kv.Txn(s.ctx, &pb.TxnRequest{Success: []*pb.RequestOp{nested}})
	refused(t, "put in a nested txn", err, codes.InvalidArgument, textEmptyKey)
}

func TestCase34UnknownMethodIsUnimplemented(t *testing.T) {
	s := fresh(t)
	for _, method := range []string{"/etcdserverpb.KV/NoSuchMethod", "/no.such.Service/Method"} {
		err := s.etcd.ActiveConnection().Invoke(s.ctx, method, &pb.RangeRequest{}, &pb.RangeResponse{})
		equal(t, method, status.Code(err), codes.Unimplemented)
	}
}
