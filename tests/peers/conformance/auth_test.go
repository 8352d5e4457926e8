package conformance

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"kvd.test/peers/harness"
)

const (
	textUserEmpty    = "etcdserver: user name is empty"
	textDenied       = "etcdserver: permission denied"
	textInvalidToken = "etcdserver: invalid auth token"
	textAuthFailed   = "etcdserver: authentication failed, invalid user ID or password"
	textOldRevision  = "etcdserver: revision of auth store is old"
)

// guarded is a server with auth enabled: root; alice, who reads and writes what begins with a; and bob, who may do
// nothing. The key secret hangs on one lease, the key a1 on another.
type guarded struct {
	*server
	auth    pb.AuthClient
	cluster pb.ClusterClient
	tokens  map[string]string
	secret  int64
	own     int64
}

func guard(t *testing.T) *guarded {
	t.Helper()
	t.Parallel()
	cluster := harness.StartCluster(t, 1)
	s := connect(t, cluster.ClientURLs()...)
	// A plain connection: the official client tries other tokens by itself.
	plain := must[*grpc.ClientConn](t)(grpc.NewClient(strings.TrimPrefix(cluster.ClientURLs()[0], "http://"), grpc.WithTransportCredentials(insecure.NewCredentials())))
	t.Cleanup(func() { plain.Close() })
	s.kv, s.lease, s.watch, s.admin = pb.NewKVClient(plain), pb.NewLeaseClient(plain), pb.NewWatchClient(plain), pb.NewMaintenanceClient(plain)
	g := &guarded{
		server:  s,
		auth:    pb.NewAuthClient(plain),
		cluster: pb.NewClusterClient(plain),
		tokens:  map[string]string{"wrong": "nosuchtoken.1"},
	}
	g.secret, g.own = int64(s.grant(600)), int64(s.grant(600))
	s.put("secret", "v", clientv3.WithLease(clientv3.LeaseID(g.secret)))
	s.put("a1", "v", clientv3.WithLease(clientv3.LeaseID(g.own)))
	for _, user := range []string{"root", "alice", "bob"} {
		must[*clientv3.AuthUserAddResponse](t)(s.etcd.UserAdd(s.ctx, user, user+"pw"))
	}
	for _, role := range []string{"root", "as", "none"} {
		must[*clientv3.AuthRoleAddResponse](t)(s.etcd.RoleAdd(s.ctx, role))
	}
	must[*clientv3.AuthRoleGrantPermissionResponse](t)(s.etcd.RoleGrantPermission(s.ctx, "as", "a", "b", clientv3.PermissionType(clientv3.PermReadWrite)))
	for user, role := range map[string]string{"root": "root", "alice": "as", "bob": "none"} {
		must[*clientv3.AuthUserGrantRoleResponse](t)(s.etcd.UserGrantRole(s.ctx, user, role))
	}
	must[*clientv3.AuthEnableResponse](t)(s.etcd.AuthEnable(s.ctx))
	for _, user := range []string{"root", "alice", "bob"} {
		g.tokens[user] = g.login(user, user+"pw")
	}
	return g
}

func (g *guarded) login(user, password string) string {
	g.t.Helper()
	answer := must[*pb.AuthenticateResponse](g.t)(g.auth.Authenticate(g.ctx, &pb.AuthenticateRequest{Name: user, Password: password}))
	return answer.Token
}

// as is a context of one of the identities: none, wrong, bob, alice, root.
func (g *guarded) as(who string) context.Context {
	ctx, cancel := context.WithTimeout(g.ctx, 15*time.Second)
	g.t.Cleanup(cancel)
	if token := g.tokens[who]; token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", token)
	}
	return ctx
}

// answer is a status in one line: the code, and the text unless it is OK.
func answer(err error) string {
	if err == nil {
		return "OK"
	}
	got := status.Convert(err)
	return fmt.Sprintf("%v %s", got.Code(), strings.TrimPrefix(got.Message(), "etcdserver: "))
}

// unary makes a row's call from a stub's method and what makes the request.
func unary[Q, A any](method func(g *guarded) func(context.Context, *Q, ...grpc.CallOption) (*A, error), request func(g *guarded) *Q) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		_, err := method(g)(ctx, request(g))
		return err
	}
}

// identities are the columns of the table, in order.
var identities = []string{"none", "wrong", "bob", "alice", "root"}

const (
	empty   = "InvalidArgument user name is empty"
	invalid = "Unauthenticated invalid auth token"
	denied  = "PermissionDenied permission denied"
	ok      = "OK"
)

// access is the table: each RPC by what none, wrong, bob, alice and root are answered.
var access = []struct {
	name string
	call func(*guarded, context.Context) error
	want [5]string
}{
	{"Range own", rangeOf("a", "b", false), [5]string{empty, invalid, denied, ok, ok}},
	{"Range serializable", rangeOf("a", "", true), [5]string{empty, invalid, denied, ok, ok}},
	{"Range other", rangeOf("secret", "", false), [5]string{empty, invalid, denied, denied, ok}},
	{"Range beyond", rangeOf("a", "c", false), [5]string{empty, invalid, denied, denied, ok}},
	{"Range from key", rangeOf("a", everything, false), [5]string{empty, invalid, denied, denied, ok}},
	{"RangeStream own", streamOf("a", "b"), [5]string{empty, invalid, denied, ok, ok}},
	{"RangeStream other", streamOf("a", "c"), [5]string{empty, invalid, denied, denied, ok}},
	{"Put own", putOf(&pb.PutRequest{Key: []byte("a2"), PrevKv: true}), [5]string{empty, invalid, denied, ok, ok}},
	{"Put other", putOf(&pb.PutRequest{Key: []byte("x")}), [5]string{empty, invalid, denied, denied, ok}},
	{"Put on a lease with other keys", func(g *guarded, ctx context.Context) error {
		return putOf(&pb.PutRequest{Key: []byte("a3"), Lease: g.secret})(g, ctx)
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"Put on the own lease", func(g *guarded, ctx context.Context) error {
		return putOf(&pb.PutRequest{Key: []byte("a3"), Lease: g.own})(g, ctx)
	}, [5]string{empty, invalid, denied, ok, ok}},
	{"DeleteRange own", deleteOf("a5", "a6"), [5]string{empty, invalid, denied, ok, ok}},
	{"DeleteRange other", deleteOf("a5", "c"), [5]string{empty, invalid, denied, denied, ok}},
	{"Txn own", txnOf("a", "a"), [5]string{empty, invalid, denied, ok, ok}},
	{"Txn compares other", txnOf("x", "a"), [5]string{empty, invalid, denied, denied, ok}},
	{"Txn puts other in the branch not taken", txnOf("a", "x"), [5]string{empty, invalid, denied, denied, ok}},
	{"Txn reads other only", func(g *guarded, ctx context.Context) error {
		_, err := g.kv.Txn(ctx, &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("x")}}}}})
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"Compact", func(g *guarded, ctx context.Context) error {
		_, err := g.kv.Compact(ctx, &pb.CompactionRequest{Revision: 1})
		if err != nil && err.Error() == "rpc error: code = OutOfRange desc = "+textCompacted {
			return nil
		}
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"Watch own", watchOf("a", "b"), [5]string{"canceled rpc error: code = InvalidArgument desc = etcdserver: user name is empty", "canceled rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", watchDenied, ok, ok}},
	{"Watch other", watchOf("a", "c"), [5]string{"canceled rpc error: code = InvalidArgument desc = etcdserver: user name is empty", "canceled rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", watchDenied, watchDenied, ok}},
	{"Watch from key", watchOf("a", everything), [5]string{"canceled rpc error: code = InvalidArgument desc = etcdserver: user name is empty", "canceled rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", watchDenied, watchDenied, ok}},
	{"LeaseGrant", func(g *guarded, ctx context.Context) error {
		_, err := g.lease.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 60})
		return err
	}, [5]string{empty, invalid, ok, ok, ok}},
	{"LeaseTimeToLive", timeToLiveOf(false), [5]string{empty, invalid, ok, ok, ok}},
	{"LeaseTimeToLive keys", timeToLiveOf(true), [5]string{empty, invalid, denied, denied, ok}},
	{"LeaseTimeToLive own keys", func(g *guarded, ctx context.Context) error {
		_, err := g.lease.LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: g.own, Keys: true})
		return err
	}, [5]string{empty, invalid, denied, ok, ok}},
	{"LeaseLeases", func(g *guarded, ctx context.Context) error {
		_, err := g.lease.LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"LeaseKeepAlive other", keepAliveOf(func(g *guarded) int64 { return g.secret }), [5]string{empty, invalid, denied, denied, ok}},
	{"LeaseKeepAlive own", keepAliveOf(func(g *guarded) int64 { return g.own }), [5]string{empty, invalid, denied, ok, ok}},
	{"LeaseKeepAlive unknown", keepAliveOf(func(*guarded) int64 { return unknownLease }), [5]string{empty, invalid, ok, ok, ok}},
	{"LeaseRevoke other", func(g *guarded, ctx context.Context) error {
		_, err := g.lease.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: g.secret})
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"LeaseRevoke own", func(g *guarded, ctx context.Context) error {
		_, err := g.lease.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: g.own})
		if err != nil && status.Convert(err).Code() == codes.NotFound {
			return nil
		}
		return err
	}, [5]string{empty, invalid, denied, ok, ok}},
	{"MemberList", func(g *guarded, ctx context.Context) error {
		_, err := g.cluster.MemberList(ctx, &pb.MemberListRequest{Linearizable: true})
		return err
	}, [5]string{empty, invalid, ok, ok, ok}},
	{"Status", func(g *guarded, ctx context.Context) error {
		_, err := g.admin.Status(ctx, &pb.StatusRequest{})
		return err
	}, [5]string{empty, invalid, ok, ok, ok}},
	{"Alarm list", func(g *guarded, ctx context.Context) error {
		_, err := g.admin.Alarm(ctx, &pb.AlarmRequest{})
		return err
	}, [5]string{empty, invalid, ok, ok, ok}},
	{"HashKV", func(g *guarded, ctx context.Context) error {
		_, err := g.admin.HashKV(ctx, &pb.HashKVRequest{})
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"AuthStatus", unary(func(g *guarded) func(context.Context, *pb.AuthStatusRequest, ...grpc.CallOption) (*pb.AuthStatusResponse, error) {
		return g.auth.AuthStatus
	}, func(*guarded) *pb.AuthStatusRequest { return &pb.AuthStatusRequest{} }), [5]string{ok, statusWithWrongToken, ok, ok, ok}},
	{"Authenticate", unary(func(g *guarded) func(context.Context, *pb.AuthenticateRequest, ...grpc.CallOption) (*pb.AuthenticateResponse, error) {
		return g.auth.Authenticate
	}, func(*guarded) *pb.AuthenticateRequest {
		return &pb.AuthenticateRequest{Name: "bob", Password: "bobpw"}
	}), [5]string{ok, ok, ok, ok, ok}},
	{"AuthEnable", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.AuthEnable(ctx, &pb.AuthEnableRequest{})
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"UserList", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.UserList(ctx, &pb.AuthUserListRequest{})
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"UserGet alice", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.UserGet(ctx, &pb.AuthUserGetRequest{Name: "alice"})
		return err
	}, [5]string{empty, invalid, denied, ok, ok}},
	{"RoleList", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.RoleList(ctx, &pb.AuthRoleListRequest{})
		return err
	}, [5]string{empty, invalid, denied, denied, ok}},
	{"RoleGet as", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.RoleGet(ctx, &pb.AuthRoleGetRequest{Role: "as"})
		return err
	}, [5]string{empty, invalid, denied, ok, ok}},
}

// administration are the RPCs that only root may call and that change something: root is tried on what is not there.
var administration = []struct {
	name string
	call func(*guarded, context.Context) error
	root string
}{
	{"UserAdd", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "alice", Password: "x"})
		return err
	}, "FailedPrecondition user name already exists"},
	{"UserDelete", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.UserDelete(ctx, &pb.AuthUserDeleteRequest{Name: "root"})
		return err
	}, "InvalidArgument invalid auth management"},
	{"UserChangePassword", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.UserChangePassword(ctx, &pb.AuthUserChangePasswordRequest{Name: "x", Password: "x"})
		return err
	}, "FailedPrecondition user name not found"},
	{"UserGrantRole", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "alice", Role: "x"})
		return err
	}, "FailedPrecondition role name not found"},
	{"UserRevokeRole", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.UserRevokeRole(ctx, &pb.AuthUserRevokeRoleRequest{Name: "alice", Role: "x"})
		return err
	}, "FailedPrecondition role is not granted to the user"},
	{"RoleAdd", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: "as"})
		return err
	}, "FailedPrecondition role name already exists"},
	{"RoleDelete", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.RoleDelete(ctx, &pb.AuthRoleDeleteRequest{Role: "root"})
		return err
	}, "InvalidArgument invalid auth management"},
	{"RoleGrantPermission", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.RoleGrantPermission(ctx, &pb.AuthRoleGrantPermissionRequest{Name: "as"})
		return err
	}, "InvalidArgument permission not given"},
	{"RoleRevokePermission", func(g *guarded, ctx context.Context) error {
		_, err := g.auth.RoleRevokePermission(ctx, &pb.AuthRoleRevokePermissionRequest{Role: "as", Key: []byte("a")})
		return err
	}, "FailedPrecondition permission is not granted to the role"},
}

const watchDenied = "canceled rpc error: code = PermissionDenied desc = etcdserver: permission denied"

// statusWithWrongToken: whoever brings a token has it looked at, even where none is needed.
const statusWithWrongToken = invalid

func rangeOf(key, end string, serializable bool) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		_, err := g.kv.Range(ctx, &pb.RangeRequest{Key: []byte(key), RangeEnd: []byte(end), Serializable: serializable})
		return err
	}
}

func streamOf(key, end string) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		stream, err := g.kv.RangeStream(ctx, &pb.RangeRequest{Key: []byte(key), RangeEnd: []byte(end)})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
}

func putOf(request *pb.PutRequest) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		_, err := g.kv.Put(ctx, request)
		return err
	}
}

func deleteOf(key, end string) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		_, err := g.kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end), PrevKv: true})
		return err
	}
}

// txnOf compares one key and puts another in a nested branch that is not taken.
func txnOf(compared, written string) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(written)}}}
		nested := &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Failure: []*pb.RequestOp{put}}}}
		_, err := g.kv.Txn(ctx, &pb.TxnRequest{
			Compare: []*pb.Compare{{Key: []byte(compared), Result: pb.Compare_EQUAL, Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: 0}}},
			Success: []*pb.RequestOp{nested},
		})
		return err
	}
}

func watchOf(key, end string) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		answer := g.stream(ctx).create(&pb.WatchCreateRequest{Key: []byte(key), RangeEnd: []byte(end)})
		if answer.Canceled {
			return status.Error(codes.Canceled, answer.CancelReason)
		}
		return nil
	}
}

func timeToLiveOf(keys bool) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		_, err := g.lease.LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: g.secret, Keys: keys})
		return err
	}
}

func keepAliveOf(id func(*guarded) int64) func(*guarded, context.Context) error {
	return func(g *guarded, ctx context.Context) error {
		alive, err := g.lease.LeaseKeepAlive(ctx)
		if err != nil {
			return err
		}
		if err := alive.Send(&pb.LeaseKeepAliveRequest{ID: id(g)}); err != nil {
			return err
		}
		_, err = alive.Recv()
		return err
	}
}

func TestAuthEachRPCByEachIdentity(t *testing.T) {
	g := guard(t)
	check := func(name, who string, err error, want string) {
		t.Helper()
		got := answer(err)
		if strings.HasPrefix(want, "canceled ") {
			got = strings.Replace(got, "Canceled ", "canceled ", 1)
		}
		equal(t, name+" by "+who, got, want)
	}
	for _, row := range access {
		for column, who := range identities {
			check(row.name, who, row.call(g, g.as(who)), row.want[column])
		}
	}
	for _, row := range administration {
		for column, want := range []string{empty, invalid, denied, denied, row.root} {
			who := identities[column]
			check(row.name, who, row.call(g, g.as(who)), want)
		}
	}
	// Last, as it ends what the others need.
	for column, want := range []string{empty, invalid, denied, denied, ok} {
		who := identities[column]
		_, err := g.auth.AuthDisable(g.as(who), &pb.AuthDisableRequest{})
		check("AuthDisable", who, err, want)
	}
	equal(t, "Range by none with auth disabled", answer(rangeOf("secret", "", false)(g, g.as("none"))), ok)
}

func TestAuthIsEnabledOnlyWithRoot(t *testing.T) {
	s := fresh(t)
	_, err := s.etcd.AuthEnable(s.ctx)
	refused(t, "enable without root", err, codes.FailedPrecondition, "etcdserver: root user does not exist")
	must[*clientv3.AuthUserAddResponse](t)(s.etcd.UserAdd(s.ctx, "root", "pw"))
	_, err = s.etcd.AuthEnable(s.ctx)
	refused(t, "enable without the role", err, codes.FailedPrecondition, "etcdserver: root user does not have root role")
	_, err = s.etcd.Authenticate(s.ctx, "root", "pw")
	refused(t, "log in while disabled", err, codes.FailedPrecondition, "etcdserver: authentication is not enabled")
	must[*clientv3.AuthUserGrantRoleResponse](t)(s.etcd.UserGrantRole(s.ctx, "root", "root"))
	_, err = s.etcd.RoleGet(s.ctx, "root")
	refused(t, "role root that was never added", err, codes.FailedPrecondition, "etcdserver: role name not found")
	must[*clientv3.AuthEnableResponse](t)(s.etcd.AuthEnable(s.ctx))
	state := must[*clientv3.AuthStatusResponse](t)(s.etcd.AuthStatus(s.ctx))
	equal(t, "enabled", state.Enabled, true)
	equal(t, "auth revision", state.AuthRevision, 3)
	equal(t, "revision", state.Header.Revision, 1)
}

func TestAuthPasswords(t *testing.T) {
	g := guard(t)
	for _, wrong := range [][2]string{{"alice", "x"}, {"nobody", "x"}, {"alice", ""}} {
		_, err := g.auth.Authenticate(g.ctx, &pb.AuthenticateRequest{Name: wrong[0], Password: wrong[1]})
		refused(t, "log in as "+wrong[0], err, codes.InvalidArgument, textAuthFailed)
	}
	long := strings.Repeat("x", 73)
	_, err := g.auth.UserAdd(g.as("root"), &pb.AuthUserAddRequest{Name: "long", Password: long})
	refused(t, "long password", err, codes.Unknown, "bcrypt: password length exceeds 72 bytes")

	_, err = g.auth.UserChangePassword(g.as("root"), &pb.AuthUserChangePasswordRequest{Name: "alice", Password: "new"})
	equal(t, "change", err, nil)
	err = rangeOf("a", "b", false)(g, g.as("alice"))
	refused(t, "token of the old password", err, codes.Unauthenticated, textInvalidToken)
	_, err = g.auth.Authenticate(g.ctx, &pb.AuthenticateRequest{Name: "alice", Password: "alicepw"})
	refused(t, "old password", err, codes.InvalidArgument, textAuthFailed)
	g.tokens["alice"] = g.login("alice", "new")
	equal(t, "new token", answer(rangeOf("a", "b", false)(g, g.as("alice"))), ok)

	bearer := metadata.AppendToOutgoingContext(g.ctx, "authorization", "Bearer "+g.tokens["alice"])
	equal(t, "token as bearer", answer(rangeOf("a", "b", false)(g, bearer)), ok)
}

func TestAuthTokenWorksOnEveryMember(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 3)
	urls := cluster.ClientURLs()
	s := connect(t, urls[0])
	must[*clientv3.AuthUserAddResponse](t)(s.etcd.UserAdd(s.ctx, "root", "pw"))
	must[*clientv3.AuthUserGrantRoleResponse](t)(s.etcd.UserGrantRole(s.ctx, "root", "root"))
	must[*clientv3.AuthEnableResponse](t)(s.etcd.AuthEnable(s.ctx))
	for round := range 5 {
		token := must[*clientv3.AuthenticateResponse](t)(s.etcd.Authenticate(s.ctx, "root", "pw")).Token
		for _, url := range urls {
			other := connect(t, url)
			ctx := metadata.AppendToOutgoingContext(s.ctx, "token", token)
			_, err := other.kv.Put(ctx, &pb.PutRequest{Key: []byte("k")})
			equal(t, fmt.Sprintf("put %d on %s", round, url), answer(err), ok)
		}
	}
}

// The official client logs in by itself, and again when users and roles have changed.
func TestAuthOfficialClientFollowsChanges(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t, 1)
	s := connect(t, cluster.ClientURLs()...)
	must[*clientv3.AuthUserAddResponse](t)(s.etcd.UserAdd(s.ctx, "root", "pw"))
	must[*clientv3.AuthUserGrantRoleResponse](t)(s.etcd.UserGrantRole(s.ctx, "root", "root"))
	must[*clientv3.AuthEnableResponse](t)(s.etcd.AuthEnable(s.ctx))
	client := must[*clientv3.Client](t)(clientv3.New(clientv3.Config{Endpoints: cluster.ClientURLs(), Username: "root", Password: "pw"}))
	defer client.Close()
	for round := range 3 {
		must[*clientv3.AuthUserAddResponse](t)(client.UserAdd(s.ctx, fmt.Sprint("u", round), "x"))
		must[*clientv3.PutResponse](t)(client.Put(s.ctx, "k", "v"))
	}
	must[*clientv3.AuthUserChangePasswordResponse](t)(client.UserChangePassword(s.ctx, "root", "pw"))
	must[*clientv3.GetResponse](t)(client.Get(s.ctx, "k"))
	_, err := clientv3.New(clientv3.Config{Endpoints: cluster.ClientURLs(), Username: "root", Password: "no"})
	equal(t, "wrong password", err, error(rpctypes.ErrAuthFailed))
}

// A read grant on one key shows nothing of later keys, whatever the form of the request.
func TestAuthGrantOnOneKeyLeaksNoLaterKeys(t *testing.T) {
	g := guard(t)
	grant := &pb.AuthRoleGrantPermissionRequest{Name: "none", Perm: &authpb.Permission{PermType: authpb.READ, Key: []byte("k")}}
	_, err := g.auth.RoleGrantPermission(g.as("root"), grant)
	equal(t, "grant", err, nil)
	equal(t, "the key", answer(rangeOf("k", "", false)(g, g.as("bob"))), ok)
	for _, end := range []string{everything, "l", "k\x00\x00", "zzz"} {
		equal(t, "range to "+end, answer(rangeOf("k", end, false)(g, g.as("bob"))), denied)
		equal(t, "stream to "+end, answer(streamOf("k", end)(g, g.as("bob"))), denied)
		equal(t, "watch to "+end, status.Convert(watchOf("k", end)(g, g.as("bob"))).Message(), strings.TrimPrefix(watchDenied, "canceled "))
	}
	watch := g.stream(g.as("bob"))
	equal(t, "watch of the key", watch.create(&pb.WatchCreateRequest{Key: []byte("k")}).Canceled, false)
	for _, key := range []string{"k1", "l", "k"} {
		equal(t, "put", answer(putOf(&pb.PutRequest{Key: []byte(key)})(g, g.as("root"))), ok)
	}
	response := watch.next()
	equal(t, "events", len(response.Events), 1)
	equal(t, "key", string(response.Events[0].Kv.Key), "k")
}
