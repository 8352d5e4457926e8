use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use kv_proto::etcdserverpb as etcd;
use kv_server::{RequestError, Server};
use prost::Message;
use tonic::codec::{Codec, Streaming};
use tonic::{Code, Status};
use tower::{Service, service_fn};

use crate::body::{Ending, Received, Sent, code_of};
use crate::calls::{Call, Calls};
use crate::codec::MessageCodec;
use crate::error::{NO_LEADER, Refusal, status};
use crate::load::{Answered, Client, Load, too_many};
use crate::method::{Kind, unknown};
use crate::services::cost::Cost;
use crate::services::recipes::{election, lock};
use crate::services::{auth, cluster, health, kv, lease, maintenance, range_stream};
use crate::watch::{WatchCodec, watch};
use crate::{Method, access, leader, oversize};

/// The gRPC services of a member, as a service for HTTP/2 requests. Clones share everything.
#[derive(Clone)]
pub struct Grpc {
    server: Server,
    calls: Arc<Calls>,
    load: Arc<Load>,
    client: Arc<Client>,
}

impl Grpc {
    /// Serves this member.
    pub fn new(server: Server) -> Self {
        let load = Arc::default();
        Self {
            server,
            calls: Arc::default(),
            client: Client::of(&load),
            load,
        }
    }

    /// A clone for one more connection: what its client may take is counted apart from all others.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        Self {
            client: Client::of(&self.load),
            ..self.clone()
        }
    }

    /// What is counted of the calls.
    pub fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Looks at what comes before the message.
    fn admit(&self, method: Method, headers: &HeaderMap) -> Result<(), Status> {
        if !method.is_for_learners() && self.server.is_learner() {
            return Err(status(RequestError::Learner));
        }
        let mut versions = headers.get_all("client-api-version").iter();
        if versions.any(|version| str::from_utf8(version.as_bytes()).is_err()) {
            return Err(Refusal::InvalidClientApiVersion.into());
        }
        if leader::is_required(headers) && self.server.leader().is_none() {
            return Err(Status::unavailable(NO_LEADER));
        }
        Ok(())
    }

    /// When a stream of this method must end although both sides would go on.
    fn ending(&self, method: Method, headers: &HeaderMap) -> Option<Ending> {
        if method.kind() == Kind::Unary || !leader::is_required(headers) {
            return None;
        }
        let patience = leader::ELECTION_TIMEOUTS * self.server.election_timeout();
        Some(Box::pin(leader::lost(self.server.leader_watch(), patience)))
    }
}

/// The body of a request, as any HTTP server has it.
pub trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>> + Send> + Send + Unpin + 'static
{
}

impl<B> RequestBody for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>> + Send> + Send + Unpin + 'static
{
}

/// The answer to one HTTP request.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<tonic::body::Body>, Infallible>> + Send>>;

impl<B: RequestBody> Service<Request<B>> for Grpc {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let Some(method) = Method::from_path(request.uri().path()) else {
            let response = Status::unimplemented(unknown(request.uri().path())).into_http();
            return Box::pin(async { Ok(response) });
        };
        let mut call = self.calls.start(method);
        let admitted = self.admit(method, request.headers());
        let place = match admitted.and_then(|()| self.client.call()) {
            Ok(place) => place,
            Err(status) => {
                call.ended(status.code());
                return Box::pin(async move { Ok(status.into_http()) });
            }
        };
        let ending = self.ending(method, request.headers());
        let server = self
            .server
            .with_credentials(access::credentials(request.headers()));
        let client = Arc::clone(&self.client);
        let kept = client.request(method.kind());
        let held = kept.held();
        let request = request.map(|body| Received::new(body, Arc::clone(&self.calls), kept));
        Box::pin(async move {
            let mut response = match access::judge(&server, method).await {
                Ok(()) => dispatch(server, &client, method, request).await,
                Err(status) => status.into_http(),
            };
            // Of a single request nothing is left now.
            drop(held);
            let room = response.extensions_mut().remove();
            let answered = Answered::new(client, place, room);
            Ok(observe(response, call, answered, ending))
        })
    }
}

/// Lets the outcome of a call be counted, now if it is known.
fn observe(
    response: Response<tonic::body::Body>,
    mut call: Call,
    answered: Answered,
    ending: Option<Ending>,
) -> Response<tonic::body::Body> {
    let Some(code) = code_of(response.headers()) else {
        return response.map(|body| tonic::body::Body::new(Sent::new(body, call, answered, ending)));
    };
    // A response of headers alone. Only tonic itself says that a value of its own is out of range.
    let status = match code {
        Code::OutOfRange => Status::from_header_map(response.headers()).map(oversize::correct),
        _ => None,
    };
    call.ended(status.as_ref().map_or(code, Status::code));
    status.map_or(response, Status::into_http)
}

async fn dispatch<B: RequestBody>(
    server: Server,
    client: &Arc<Client>,
    method: Method,
    request: Request<B>,
) -> Response<tonic::body::Body> {
    match method {
        Method::Range => range(client, server, request).await,
        Method::Put => unary(server, request, kv::put).await,
        Method::DeleteRange => costly(client, server, request, kv::delete_range).await,
        Method::Txn => costly(client, server, request, kv::txn).await,
        Method::Compact => unary(server, request, kv::compact).await,
        Method::RangeStream => server_stream(server, request, range_stream::range_stream).await,
        Method::Watch => bidi_stream(WatchCodec, server, request, watch).await,
        Method::LeaseGrant => unary(server, request, lease::grant).await,
        Method::LeaseRevoke => unary(server, request, lease::revoke).await,
        Method::LeaseKeepAlive => {
            let codec = MessageCodec::<etcd::LeaseKeepAliveResponse, etcd::LeaseKeepAliveRequest>::default();
            bidi_stream(codec, server, request, lease::keep_alive).await
        }
        Method::LeaseTimeToLive => unary(server, request, lease::time_to_live).await,
        Method::LeaseLeases => unary(server, request, lease::leases).await,
        Method::MemberList => unary(server, request, cluster::member_list).await,
        Method::MemberAdd => unary(server, request, cluster::member_add).await,
        Method::MemberRemove => unary(server, request, cluster::member_remove).await,
        Method::MemberUpdate => unary(server, request, cluster::member_update).await,
        Method::MemberPromote => unary(server, request, cluster::member_promote).await,
        Method::MoveLeader => unary(server, request, cluster::move_leader).await,
        Method::Alarm => unary(server, request, maintenance::alarm).await,
        Method::Status => unary(server, request, maintenance::member_status).await,
        Method::HashKv => unary(server, request, maintenance::hash_kv).await,
        Method::Defragment => unary(server, request, maintenance::defragment).await,
        Method::Hash => unary(server, request, maintenance::hash).await,
        Method::Downgrade => unary(server, request, maintenance::downgrade).await,
        Method::Snapshot => server_stream(server, request, maintenance::snapshot).await,
        Method::AuthEnable => unary(server, request, auth::enable).await,
        Method::AuthDisable => unary(server, request, auth::disable).await,
        Method::AuthStatus => unary(server, request, auth::auth_status).await,
        Method::Authenticate => unary(server, request, auth::authenticate).await,
        Method::UserAdd => unary(server, request, auth::user_add).await,
        Method::UserGet => unary(server, request, auth::user_get).await,
        Method::UserList => unary(server, request, auth::user_list).await,
        Method::UserDelete => unary(server, request, auth::user_delete).await,
        Method::UserChangePassword => unary(server, request, auth::user_change_password).await,
        Method::UserGrantRole => unary(server, request, auth::user_grant_role).await,
        Method::UserRevokeRole => unary(server, request, auth::user_revoke_role).await,
        Method::RoleAdd => unary(server, request, auth::role_add).await,
        Method::RoleGet => unary(server, request, auth::role_get).await,
        Method::RoleList => unary(server, request, auth::role_list).await,
        Method::RoleDelete => unary(server, request, auth::role_delete).await,
        Method::RoleGrantPermission => unary(server, request, auth::role_grant_permission).await,
        Method::RoleRevokePermission => unary(server, request, auth::role_revoke_permission).await,
        Method::Lock => unary(server, request, lock::lock).await,
        Method::Unlock => unary(server, request, lock::unlock).await,
        Method::Campaign => unary(server, request, election::campaign).await,
        Method::Proclaim => unary(server, request, election::proclaim).await,
        Method::Leader => unary(server, request, election::leader).await,
        Method::Observe => server_stream(server, request, election::observe).await,
        Method::Resign => unary(server, request, election::resign).await,
        Method::HealthCheck => unary(server, request, health::check).await,
        Method::HealthWatch => server_stream(server, request, health::watch).await,
    }
}

/// The gRPC framing around a handler, with the limits on messages.
fn framing<C: Codec>(codec: C, server: &Server) -> tonic::server::Grpc<C> {
    let receive_max = server.limits().message_bytes_max();
    tonic::server::Grpc::new(codec).apply_max_message_size_config(Some(receive_max), Some(usize::MAX))
}

async fn unary<B, Q, A, F>(
    server: Server,
    request: Request<B>,
    handler: impl Fn(Server, Q) -> F + Send,
) -> Response<tonic::body::Body>
where
    B: RequestBody,
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>>,
{
    let mut framing = framing(MessageCodec::<A, Q>::default(), &server);
    let service = service_fn(move |request: tonic::Request<Q>| {
        let answer = handler(server.clone(), request.into_inner());
        async { answer.await.map(tonic::Response::new) }
    });
    framing.unary(service, request).await
}

/// How often a range is read anew because its answer was larger than there was room for.
const RANGE_ATTEMPTS: usize = 3;

/// A range, once there is room for its answer; if that turns out larger than estimated, once there is room for that.
async fn range<B: RequestBody>(
    client: &Arc<Client>,
    server: Server,
    request: Request<B>,
) -> Response<tonic::body::Body> {
    let codec = MessageCodec::<etcd::RangeResponse, etcd::RangeRequest>::default();
    let mut framing = framing(codec, &server);
    let service = service_fn(move |request: tonic::Request<etcd::RangeRequest>| {
        let (client, server) = (Arc::clone(client), server.clone());
        async move {
            let request = request.into_inner();
            let mut bytes = request.answer_bytes(&server);
            for _ in 0..RANGE_ATTEMPTS {
                let room = client.room_for_answer(bytes).await?;
                let answer = kv::range(server.clone(), request.clone()).await?;
                bytes = answer.encoded_len() as u64;
                if room.try_set(bytes) {
                    let mut answer = tonic::Response::new(answer);
                    answer.extensions_mut().insert(room);
                    return Ok(answer);
                }
            }
            Err(too_many())
        }
    });
    framing.unary(service, request).await
}

/// As [`unary`], once there is room for an answer of the size that the request's is going to have.
async fn costly<B, Q, A, F>(
    client: &Arc<Client>,
    server: Server,
    request: Request<B>,
    handler: impl Fn(Server, Q) -> F + Clone + Send,
) -> Response<tonic::body::Body>
where
    B: RequestBody,
    Q: Message + Default + Cost + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>>,
{
    let mut framing = framing(MessageCodec::<A, Q>::default(), &server);
    let service = service_fn(move |request: tonic::Request<Q>| {
        let (client, server, handler) = (Arc::clone(client), server.clone(), handler.clone());
        async move {
            let request = request.into_inner();
            let room = client.room_for_answer(request.answer_bytes(&server)).await?;
            let answer = handler(server, request).await?;
            // What is done must be told.
            room.set(answer.encoded_len() as u64);
            let mut answer = tonic::Response::new(answer);
            answer.extensions_mut().insert(room);
            Ok(answer)
        }
    });
    framing.unary(service, request).await
}

async fn server_stream<B, Q, A, S, F>(
    server: Server,
    request: Request<B>,
    handler: impl Fn(Server, Q) -> F + Send,
) -> Response<tonic::body::Body>
where
    B: RequestBody,
    Q: Message + Default + 'static,
    A: Message + 'static,
    S: futures_util::Stream<Item = Result<A, Status>> + Send + 'static,
    F: Future<Output = Result<S, Status>>,
{
    let mut framing = framing(MessageCodec::<A, Q>::default(), &server);
    let service = service_fn(move |request: tonic::Request<Q>| {
        let answers = handler(server.clone(), request.into_inner());
        async { answers.await.map(tonic::Response::new) }
    });
    framing.server_streaming(service, request).await
}

async fn bidi_stream<B, C, S, F>(
    codec: C,
    server: Server,
    request: Request<B>,
    handler: impl Fn(Server, Streaming<C::Decode>) -> F + Send,
) -> Response<tonic::body::Body>
where
    B: RequestBody,
    C: Codec,
    S: futures_util::Stream<Item = Result<C::Encode, Status>> + Send + 'static,
    F: Future<Output = Result<S, Status>>,
{
    let mut framing = framing(codec, &server);
    let service = service_fn(move |request: tonic::Request<Streaming<C::Decode>>| {
        let answers = handler(server.clone(), request.into_inner());
        async { answers.await.map(tonic::Response::new) }
    });
    framing.streaming(service, request).await
}
