use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kv_proto::etcdserverpb as etcd;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use crate::login::{Known, Login, Session, Token};
use crate::retry::{ATTEMPTS_MAX, PAUSE, Repeat, Verdict, judge, root_cause};
use crate::{ClientError, KeepAlive, Options, Watch};

/// Flow control windows: lists can be hundreds of megabytes long.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// The next deadline of a call that has none.
const NO_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A handle on a cluster; clones share its connections. Connections are made when they are first needed.
#[derive(Clone, Debug)]
pub struct Client {
    members: Arc<Members>,
    request_timeout: Option<Duration>,
    dial_timeout: Duration,
    response_bytes_max: usize,
    session: Option<Arc<Session>>,
}

/// How often a call asks for another token.
const LOGINS_MAX: usize = 4;

#[derive(Debug)]
struct Members {
    list: Vec<(String, Channel)>,
    next: AtomicUsize,
}

impl Client {
    /// Prepares connections to the endpoints. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::NoEndpoints`], [`ClientError::Endpoint`].
    pub fn new(options: &Options) -> Result<Self, ClientError> {
        let list = options
            .endpoints
            .iter()
            .map(|endpoint| Ok((endpoint.clone(), open(endpoint, options)?)))
            .collect::<Result<Vec<_>, ClientError>>()?;
        if list.is_empty() {
            return Err(ClientError::NoEndpoints);
        }
        Ok(Self {
            members: Arc::new(Members {
                list,
                next: AtomicUsize::new(0),
            }),
            request_timeout: options.request_timeout,
            dial_timeout: options.dial_timeout,
            response_bytes_max: options.response_bytes_max,
            session: options.login.clone().map(|login| Arc::new(Session::new(login))),
        })
    }

    /// The endpoints as they were given.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.members.list.iter().map(|(endpoint, _)| &endpoint[..])
    }

    /// A connection to the next endpoint in turn, for the generated stubs.
    pub fn channel(&self) -> Channel {
        let list = &self.members.list;
        list[self.members.next.fetch_add(1, Ordering::Relaxed) % list.len()]
            .1
            .clone()
    }

    /// Makes a call in the user's name, with another token if the one it has counts no more.
    async fn call<Q: Clone, A>(
        &self,
        repeat: Repeat,
        request: Q,
        send: impl AsyncFn(Channel, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, ClientError> {
        let Some(session) = &self.session else {
            return self.call_with(None, repeat, request, send).await;
        };
        let mut logins = 0;
        loop {
            let token = self.token(session).await?;
            match self.call_with(token, repeat, request.clone(), &send).await {
                Err(ClientError::Status(status)) if logins < LOGINS_MAX && session.renews(&status) => {
                    logins += 1
                }
                result => return result,
            }
        }
    }

    /// The token that calls are to carry, if they need one.
    async fn token(&self, session: &Session) -> Result<Option<Token>, ClientError> {
        let request = match (session.known(), &session.login) {
            (Known::Token(token), _) => return Ok(Some(token)),
            (Known::NotNeeded, _) | (Known::Nothing, Login::Token(_)) => return Ok(None),
            (Known::Nothing, Login::Password { user, password }) => etcd::AuthenticateRequest {
                name: user.clone(),
                password: password.clone(),
            },
        };
        let answer = self
            .call_with(None, Repeat::Harmless, request, async |channel, request| {
                etcd::auth_client::AuthClient::new(channel)
                    .authenticate(request)
                    .await
            })
            .await;
        let token = match answer {
            Ok(answer) => {
                let token = answer.token.parse();
                Some(token.map_err(|_| ClientError::Login(Status::internal("the token is no text")))?)
            }
            Err(ClientError::Status(status)) if status.message() == AUTH_IS_OFF => None,
            Err(ClientError::Status(status)) => return Err(ClientError::Login(status)),
            Err(error) => return Err(error),
        };
        session.learn(token.clone());
        Ok(token)
    }

    async fn call_with<Q: Clone, A>(
        &self,
        token: Option<Token>,
        repeat: Repeat,
        request: Q,
        send: impl AsyncFn(Channel, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, ClientError> {
        let started = Instant::now();
        let deadline = started + self.request_timeout.unwrap_or(NO_DEADLINE);
        let give_up_connecting = started + self.request_timeout.unwrap_or(self.dial_timeout);
        let endpoints = self.members.list.len();
        let mut attempt = 0;
        let mut last = None;
        loop {
            let mut request = Request::new(request.clone());
            if let Some(token) = &token {
                request.metadata_mut().insert("token", token.clone());
            }
            let Ok(result) = timeout_at(deadline, send(self.channel(), request)).await else {
                return Err(ClientError::DeadlineExceeded { last });
            };
            let status = match result {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => status,
            };
            attempt += 1;
            match judge(&status, repeat, endpoints) {
                Verdict::NotSent if Instant::now() < give_up_connecting => {}
                Verdict::Again if attempt < ATTEMPTS_MAX => {}
                _ => return Err(status.into()),
            }
            last = Some(root_cause(&status));
            if attempt % (endpoints / 2 + 1) == 0 && timeout_at(deadline, sleep(PAUSE)).await.is_err() {
                return Err(ClientError::DeadlineExceeded { last });
            }
        }
    }
}

/// What a server answers to a login while it asks nobody who they are.
const AUTH_IS_OFF: &str = "etcdserver: authentication is not enabled";

fn open(endpoint: &str, options: &Options) -> Result<Channel, ClientError> {
    let fail = |reason: &str| ClientError::Endpoint {
        endpoint: endpoint.to_owned(),
        reason: reason.to_owned(),
    };
    let url = match endpoint.split_once("://") {
        None => format!("http://{endpoint}"),
        Some(("http", _)) => endpoint.to_owned(),
        Some(("https", _)) => return Err(fail("https needs TLS, which this client does not speak")),
        Some(_) => return Err(fail("scheme must be http")),
    };
    let channel = Endpoint::from_shared(url)
        .map_err(|error| fail(&error.to_string()))?
        .connect_timeout(options.dial_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(options.keepalive_time)
        .keep_alive_timeout(options.keepalive_timeout)
        .keep_alive_while_idle(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect_lazy();
    Ok(channel)
}

/// Unary calls: `repeat name(request type, response type) of stub`.
macro_rules! calls {
    ($($(#[$doc:meta])* $repeat:ident $stub:ident::$client:ident $name:ident($request:ident) -> $response:ident;)*) => {
        /// Each call tries the endpoints in turn. A read is sent again while a server answers "unavailable"; a write
        /// only as long as it has not left the client.
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`ClientError::Status`], [`ClientError::DeadlineExceeded`].
                pub async fn $name(&self, request: etcd::$request) -> Result<etcd::$response, ClientError> {
                    self.call(Repeat::$repeat, request, async |channel, request| {
                        etcd::$stub::$client::new(channel)
                            .max_decoding_message_size(self.response_bytes_max)
                            .$name(request)
                            .await
                    })
                    .await
                }
            )*
        }
    };
}

calls! {
    /// Reads an interval of keys.
    Harmless kv_client::KvClient range(RangeRequest) -> RangeResponse;
    /// Gives a key a value.
    Harmful kv_client::KvClient put(PutRequest) -> PutResponse;
    /// Deletes an interval of keys.
    Harmful kv_client::KvClient delete_range(DeleteRangeRequest) -> DeleteRangeResponse;
    /// Runs a transaction.
    Harmful kv_client::KvClient txn(TxnRequest) -> TxnResponse;
    /// Forgets history.
    Harmful kv_client::KvClient compact(CompactionRequest) -> CompactionResponse;
    /// Creates a lease.
    Harmless lease_client::LeaseClient lease_grant(LeaseGrantRequest) -> LeaseGrantResponse;
    /// Ends a lease and deletes its keys.
    Harmless lease_client::LeaseClient lease_revoke(LeaseRevokeRequest) -> LeaseRevokeResponse;
    /// Tells what is left of a lease.
    Harmless lease_client::LeaseClient lease_time_to_live(LeaseTimeToLiveRequest) -> LeaseTimeToLiveResponse;
    /// Lists the leases.
    Harmless lease_client::LeaseClient lease_leases(LeaseLeasesRequest) -> LeaseLeasesResponse;
    /// Lists the members.
    Harmless cluster_client::ClusterClient member_list(MemberListRequest) -> MemberListResponse;
    /// Adds a member.
    Harmful cluster_client::ClusterClient member_add(MemberAddRequest) -> MemberAddResponse;
    /// Removes a member.
    Harmful cluster_client::ClusterClient member_remove(MemberRemoveRequest) -> MemberRemoveResponse;
    /// Changes the peer URLs of a member.
    Harmful cluster_client::ClusterClient member_update(MemberUpdateRequest) -> MemberUpdateResponse;
    /// Gives a learner a vote.
    Harmful cluster_client::ClusterClient member_promote(MemberPromoteRequest) -> MemberPromoteResponse;
    /// Hands the leadership over to another member.
    Harmless maintenance_client::MaintenanceClient move_leader(MoveLeaderRequest) -> MoveLeaderResponse;
    /// Tells the state of the member asked.
    Harmless maintenance_client::MaintenanceClient status(StatusRequest) -> StatusResponse;
    /// Hashes the history the member asked has.
    Harmless maintenance_client::MaintenanceClient hash_kv(HashKvRequest) -> HashKvResponse;
    /// Reads, raises or clears alarms.
    Harmful maintenance_client::MaintenanceClient alarm(AlarmRequest) -> AlarmResponse;
    /// From now on every request needs a user.
    Harmful auth_client::AuthClient auth_enable(AuthEnableRequest) -> AuthEnableResponse;
    /// From now on no request needs a user.
    Harmful auth_client::AuthClient auth_disable(AuthDisableRequest) -> AuthDisableResponse;
    /// Tells whether requests need a user.
    Harmful auth_client::AuthClient auth_status(AuthStatusRequest) -> AuthStatusResponse;
    /// Adds a user.
    Harmful auth_client::AuthClient user_add(AuthUserAddRequest) -> AuthUserAddResponse;
    /// Tells the roles of a user.
    Harmless auth_client::AuthClient user_get(AuthUserGetRequest) -> AuthUserGetResponse;
    /// Lists the users.
    Harmless auth_client::AuthClient user_list(AuthUserListRequest) -> AuthUserListResponse;
    /// Deletes a user.
    Harmful auth_client::AuthClient user_delete(AuthUserDeleteRequest) -> AuthUserDeleteResponse;
    /// Gives a user another password.
    Harmful auth_client::AuthClient user_change_password(AuthUserChangePasswordRequest) -> AuthUserChangePasswordResponse;
    /// Gives a user a role.
    Harmful auth_client::AuthClient user_grant_role(AuthUserGrantRoleRequest) -> AuthUserGrantRoleResponse;
    /// Takes a role from a user.
    Harmful auth_client::AuthClient user_revoke_role(AuthUserRevokeRoleRequest) -> AuthUserRevokeRoleResponse;
    /// Adds a role.
    Harmful auth_client::AuthClient role_add(AuthRoleAddRequest) -> AuthRoleAddResponse;
    /// Tells the permissions of a role.
    Harmless auth_client::AuthClient role_get(AuthRoleGetRequest) -> AuthRoleGetResponse;
    /// Lists the roles.
    Harmless auth_client::AuthClient role_list(AuthRoleListRequest) -> AuthRoleListResponse;
    /// Deletes a role.
    Harmful auth_client::AuthClient role_delete(AuthRoleDeleteRequest) -> AuthRoleDeleteResponse;
    /// Gives a role a permission.
    Harmful auth_client::AuthClient role_grant_permission(AuthRoleGrantPermissionRequest) -> AuthRoleGrantPermissionResponse;
    /// Takes a permission from a role.
    Harmful auth_client::AuthClient role_revoke_permission(AuthRoleRevokePermissionRequest) -> AuthRoleRevokePermissionResponse;
    /// Has the member asked return unused space to its disk.
    Harmless maintenance_client::MaintenanceClient defragment(DefragmentRequest) -> DefragmentResponse;
    /// Asks whether the cluster could be downgraded, begins that, or gives it up.
    Harmful maintenance_client::MaintenanceClient downgrade(DowngradeRequest) -> DowngradeResponse;
}

impl Client {
    /// Reads an interval of keys in pieces, which spares the server to hold the whole answer, and merges them.
    ///
    /// # Errors
    /// [`ClientError::Status`], [`ClientError::DeadlineExceeded`].
    pub async fn range_stream(
        &self,
        request: etcd::RangeRequest,
    ) -> Result<etcd::RangeResponse, ClientError> {
        self.call(Repeat::Harmless, request, async |channel, request| {
            let mut pieces = etcd::kv_client::KvClient::new(channel)
                .max_decoding_message_size(self.response_bytes_max)
                .range_stream(request)
                .await?
                .into_inner();
            let mut whole = etcd::RangeResponse::default();
            while let Some(piece) = pieces.message().await? {
                merge(&mut whole, piece.range_response.unwrap_or_default());
            }
            Ok(Response::new(whole))
        })
        .await
    }

    /// Opens a watch stream on the next endpoint in turn, with a first watcher: a server may keep silent about a
    /// stream until it is told something.
    ///
    /// # Errors
    /// [`ClientError::Status`], [`ClientError::DeadlineExceeded`].
    pub async fn watch(&self, first: etcd::WatchCreateRequest) -> Result<Watch, ClientError> {
        self.open_watch(first, false).await
    }

    /// As [`Client::watch`]; the server ends the stream when the member it runs on has lost its leader.
    ///
    /// # Errors
    /// [`ClientError::Status`], [`ClientError::DeadlineExceeded`].
    pub async fn watch_requiring_leader(
        &self,
        first: etcd::WatchCreateRequest,
    ) -> Result<Watch, ClientError> {
        self.open_watch(first, true).await
    }

    async fn open_watch(
        &self,
        first: etcd::WatchCreateRequest,
        leader_required: bool,
    ) -> Result<Watch, ClientError> {
        let limit = self.response_bytes_max;
        self.open_stream(first, async |channel, first| {
            Watch::open(channel, first, limit, leader_required).await
        })
        .await
    }

    /// Opens a stream with a snapshot of the member asked; the bytes of its messages make the file.
    ///
    /// # Errors
    /// [`ClientError::Status`], [`ClientError::DeadlineExceeded`].
    pub async fn snapshot(&self) -> Result<Streaming<etcd::SnapshotResponse>, ClientError> {
        let limit = self.response_bytes_max;
        self.open_stream(etcd::SnapshotRequest::default(), async |channel, request| {
            let mut client =
                etcd::maintenance_client::MaintenanceClient::new(channel).max_decoding_message_size(limit);
            client.snapshot(request).await.map(Response::into_inner)
        })
        .await
    }

    /// Renews a lease on a new stream, on the next endpoint in turn; the stream can go on renewing it.
    ///
    /// # Errors
    /// [`ClientError::Status`], [`ClientError::DeadlineExceeded`].
    pub async fn lease_keep_alive(
        &self,
        id: i64,
    ) -> Result<(KeepAlive, etcd::LeaseKeepAliveResponse), ClientError> {
        self.open_stream(id, KeepAlive::open).await
    }

    /// Nothing is lost by opening a stream twice, so it may always be tried again.
    async fn open_stream<Q: Clone, S>(
        &self,
        first: Q,
        open: impl AsyncFn(Channel, Request<Q>) -> Result<S, Status>,
    ) -> Result<S, ClientError> {
        self.call(Repeat::Harmless, first, async |channel, first| {
            open(channel, first).await.map(Response::new)
        })
        .await
    }
}

/// Adds a piece of an answer; the last one has the header and the count.
fn merge(whole: &mut etcd::RangeResponse, piece: etcd::RangeResponse) {
    whole.kvs.extend(piece.kvs);
    whole.header = piece.header.or(whole.header.take());
    whole.more |= piece.more;
    whole.count = whole.count.max(piece.count);
}
