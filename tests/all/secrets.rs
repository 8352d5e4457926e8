//! What clients store, and who they say they are, is in nothing that a member prints.

use std::time::Duration;

use anyhow::{Result, ensure};
use kv_proto::etcdserverpb::auth_client::AuthClient;
use kv_proto::etcdserverpb::compare::{CompareTarget, TargetUnion};
use kv_proto::etcdserverpb::request_op::Request as Operation;
use kv_proto::etcdserverpb::watch_client::WatchClient;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_proto::etcdserverpb::{
    AuthUserAddRequest, AuthenticateRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest,
    RequestOp, TxnRequest, WatchCreateRequest, WatchRequest,
};
use kv_tests::{Cluster, Member, leak};
use tonic::Request;

/// In every key, value, password and token; not like anything else.
const SECRET: &str = "qzXv7-wKj9";

fn put(key: &str) -> PutRequest {
    PutRequest {
        key: format!("{key}/{SECRET}").into(),
        value: SECRET.into(),
        prev_kv: true,
        ..PutRequest::default()
    }
}

fn range(sort_order: i32) -> RangeRequest {
    RangeRequest {
        key: SECRET.into(),
        range_end: format!("{SECRET}/").into(),
        sort_order,
        ..RangeRequest::default()
    }
}

/// One that compares, and puts twice what it must put once if `twice`.
fn txn(twice: bool) -> TxnRequest {
    let op = RequestOp {
        request: Some(Operation::RequestPut(put("txn"))),
    };
    TxnRequest {
        compare: vec![Compare {
            target: CompareTarget::Value.into(),
            key: SECRET.into(),
            target_union: Some(TargetUnion::Value(SECRET.into())),
            ..Compare::default()
        }],
        success: vec![op.clone()],
        failure: vec![op; 1 + usize::from(twice)],
    }
}

/// Requests that are carried out, and requests that are refused at every stage.
async fn keys_and_values(member: &Member) -> Result<()> {
    let mut client = member.kv()?;
    client.put(put("a")).await?;
    client.range(range(0)).await?;
    client.txn(txn(false)).await?;
    client
        .delete_range(DeleteRangeRequest {
            key: format!("a/{SECRET}").into(),
            prev_kv: true,
            ..DeleteRangeRequest::default()
        })
        .await?;
    let too_large = PutRequest {
        value: SECRET.repeat(200_000).into(),
        ..put("large")
    };
    let no_lease = PutRequest {
        lease: 99,
        ..put("lease")
    };
    let both = PutRequest {
        ignore_value: true,
        ..put("both")
    };
    for refused in [too_large, no_lease, both] {
        let refused = client.put(refused).await;
        ensure!(
            refused.is_err_and(|status| leak(status.message(), SECRET).is_none()),
            "a bad put"
        );
    }
    ensure!(client.range(range(77)).await.is_err(), "an unknown order");
    ensure!(client.txn(txn(true)).await.is_err(), "a key that is put twice");
    let mut with_token = Request::new(put("token"));
    with_token.metadata_mut().insert("token", SECRET.parse()?);
    with_token.metadata_mut().insert("authorization", SECRET.parse()?);
    client.put(with_token).await?;
    Ok(())
}

async fn watchers(member: &Member) -> Result<()> {
    let create = |range_end: &str| WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest {
            key: SECRET.into(),
            range_end: range_end.to_owned().into(),
            start_revision: 1,
            ..WatchCreateRequest::default()
        })),
    };
    // The second one has no keys in it.
    let requests = tokio_stream::iter([create(&format!("{SECRET}/")), create("a")]);
    let mut responses = WatchClient::new(member.channel()?)
        .watch(requests)
        .await?
        .into_inner();
    for _ in 0..2 {
        let response = responses.message().await?;
        ensure!(response.is_some_and(|response| response.created), "no answer");
    }
    Ok(())
}

async fn passwords(member: &Member) -> Result<()> {
    let mut client = AuthClient::new(member.channel()?);
    let user = AuthUserAddRequest {
        name: "user".into(),
        password: SECRET.into(),
        ..AuthUserAddRequest::default()
    };
    client.user_add(user.clone()).await?;
    ensure!(client.user_add(user).await.is_err(), "a user is added once");
    let authenticate = AuthenticateRequest {
        name: "user".into(),
        password: format!("not {SECRET}"),
    };
    ensure!(
        client.authenticate(authenticate).await.is_err(),
        "auth is not enabled"
    );
    Ok(())
}

#[tokio::test]
async fn no_key_value_password_or_token_is_ever_printed() -> Result<()> {
    let mut cluster = Cluster::new(1, &["--log-level=debug"])?;
    cluster.start_all().await?;
    let member = &cluster.members[0];
    keys_and_values(member).await?;
    watchers(member).await?;
    passwords(member).await?;
    let process = cluster.members[0].process()?;
    process.terminate().await?;
    process.wait(Duration::from_secs(30)).await?;
    let text = process.output().text();
    ensure!(text.contains("DEBUG"), "it says what it does:\n{text}");
    for line in text.lines() {
        let leak = leak(line, SECRET);
        ensure!(
            leak.is_none(),
            "the secret is there {}: {line}",
            leak.unwrap_or_default()
        );
    }
    Ok(())
}
