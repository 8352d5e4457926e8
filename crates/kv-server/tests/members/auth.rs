//! Users on whole members: who is let in, who sees what, and what becomes of open watches.

use std::time::Duration;

use kv_mvcc::{PutLease, PutRequest, PutValue, RangeRequest};
use kv_server::{
    AuthError, Credentials, Permission, PermissionKind, RequestError, Server, Streamed, WatchStream,
};
use kv_types::{KeyRange, WatchId};
use kv_watch::{Filters, Outgoing, WatchCreate};

use crate::cluster::{Cluster, PATIENCE, Pace};

const PACE: Pace = Pace {
    election_timeout: Duration::from_millis(1500),
    snapshot_count: 10_000,
};

fn range(key: &str, end: &str) -> KeyRange {
    KeyRange::from_wire(key.to_owned().into(), end.to_owned().into())
}

async fn put(server: &Server, key: &str) -> Result<(), RequestError> {
    let request = PutRequest {
        key: key.to_owned().into(),
        value: PutValue::New("v".into()),
        lease: PutLease::Set(None),
        prev_kv: false,
    };
    server.put(request).await.map(drop)
}

async fn grant(server: &Server, role: &str, key: &str, end: &str) {
    let permission = Permission {
        kind: PermissionKind::Read,
        range: range(key, end),
    };
    server
        .role_grant_permission(role.into(), Some(permission))
        .await
        .unwrap();
}

/// A handle of a user who has logged in.
async fn login(server: &Server, user: &str) -> Server {
    let token = server.authenticate(user, user).await.unwrap();
    server.with_credentials(Credentials::token(&token))
}

/// Users `root` and `u`, whose passwords are their names; `u` reads from `a` up to `c`. Gives root's handle.
async fn enable(server: &Server) -> Server {
    for user in ["root", "u"] {
        server.user_add(user.into(), Some(user.into())).await.unwrap();
    }
    server.role_add("r".into()).await.unwrap();
    grant(server, "r", "a", "c").await;
    server
        .user_grant_role("root".into(), "root".into())
        .await
        .unwrap();
    server.user_grant_role("u".into(), "r".into()).await.unwrap();
    server.auth_enable().await.unwrap();
    login(server, "root").await
}

async fn create(stream: &mut WatchStream, key: &str, end: &str) {
    stream
        .create(WatchCreate {
            range: range(key, end),
            start: None,
            id: None,
            filters: Filters::default(),
            prev_kv: false,
            progress_notify: false,
            fragment: false,
        })
        .await;
}

async fn next(stream: &mut WatchStream) -> Result<Streamed, AuthError> {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap();
    next.map(|streamed| streamed.unwrap())
}

async fn created(stream: &mut WatchStream) -> WatchId {
    match next(stream).await.unwrap() {
        Streamed::Response(Outgoing::Created { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

async fn event(stream: &mut WatchStream) -> String {
    match next(stream).await.unwrap() {
        Streamed::Response(Outgoing::Events { events, .. }) => {
            assert_eq!(events.len(), 1);
            format!("{events:?}")
        }
        other => panic!("{other:?}"),
    }
}

async fn check_denied(stream: &mut WatchStream, want: Option<WatchId>, why: AuthError) {
    match next(stream).await.unwrap() {
        Streamed::Denied { id, denial, .. } => assert_eq!((id, denial), (want, why)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_watch_ends_with_the_right_and_shows_nothing_written_later() {
    let cluster = Cluster::start(1, PACE, 31).await;
    let server = cluster.server(1);
    let root = enable(&server).await;
    let mut stream = login(&server, "u").await.watch_stream();
    create(&mut stream, "a", "c").await;
    create(&mut stream, "a", "d").await;
    create(&mut stream, "b", "").await;
    let both = created(&mut stream).await;
    check_denied(&mut stream, None, AuthError::PermissionDenied).await;
    let one = created(&mut stream).await;

    put(&root, "a").await.unwrap();
    event(&mut stream).await;
    // Only the first watcher loses the right; what is written then waits in the stream's queue already when it is
    // asked for more.
    root.role_revoke_permission("r".into(), range("a", "c"))
        .await
        .unwrap();
    grant(&root, "r", "b", "").await;
    put(&root, "a").await.unwrap();
    put(&root, "b").await.unwrap();
    let mut ended = false;
    let mut events = 0;
    while !ended || events == 0 {
        match next(&mut stream).await.unwrap() {
            Streamed::Denied { id, denial, .. } => {
                assert_eq!((id, denial), (Some(both), AuthError::PermissionDenied));
                ended = true;
            }
            Streamed::Response(Outgoing::Events { id, .. }) => {
                assert_eq!(id, one, "an event of a watcher that lost the right");
                events += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    root.user_delete("u".into()).await.unwrap();
    check_denied(&mut stream, Some(one), AuthError::PermissionDenied).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_of_nobody_ends_when_auth_is_enabled() {
    let cluster = Cluster::start(1, PACE, 32).await;
    let server = cluster.server(1);
    let mut stream = server.watch_stream();
    create(&mut stream, "a", "").await;
    created(&mut stream).await;
    let root = enable(&server).await;
    assert_eq!(next(&mut stream).await.unwrap_err(), AuthError::UserEmpty);
    // Without auth nobody is asked again.
    root.auth_disable().await.unwrap();
    let mut stream = server.watch_stream();
    create(&mut stream, "a", "").await;
    created(&mut stream).await;
    put(&server, "a").await.unwrap();
    event(&mut stream).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_and_tokens_hold_on_every_member_and_end_on_every_member() {
    let cluster = Cluster::start(3, PACE, 33).await;
    let servers = cluster.servers();
    let root = enable(&servers[0]).await;
    put(&root, "a").await.unwrap();
    let token = servers[0].authenticate("u", "u").await.unwrap();
    let as_user = |server: &Server| server.with_credentials(Credentials::token(&token));
    let read = |key: &'static str| RangeRequest::new(range(key, ""));
    for server in &servers {
        let user = as_user(server);
        assert_eq!(user.range(read("a"), false).await.unwrap().kvs.len(), 1);
        let denied = Err(RequestError::Auth(AuthError::PermissionDenied));
        assert_eq!(user.range(read("c"), false).await.map(drop), denied);
        assert_eq!(put(&user, "a").await, denied);
        let nobody = server.range(read("a"), false).await;
        assert_eq!(nobody.map(drop), Err(AuthError::UserEmpty.into()));
        let member = server.with_credentials(Credentials::Member);
        assert_eq!(member.range(read("a"), false).await.unwrap().kvs.len(), 1);
    }
    root.user_change_password("u".into(), "new".into()).await.unwrap();
    for server in &servers {
        server.read_barrier().await.unwrap();
        let user = as_user(server);
        let gone = Err(RequestError::Auth(AuthError::InvalidToken));
        assert_eq!(user.range(read("a"), false).await.map(drop), gone);
    }
    assert!(servers[1].authenticate("u", "new").await.is_ok());
    cluster.stop().await;
}
