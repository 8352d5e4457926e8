//! What a server prints holds no password, hash or token, however much it is told to print and whatever fails.

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::auth_client::AuthClient;
use kv_proto::etcdserverpb::{
    AuthEnableRequest, AuthUserAddRequest, AuthUserChangePasswordRequest, AuthUserGrantRoleRequest,
    AuthenticateRequest, PutRequest,
};
use kv_tests::Cluster;
use tonic::transport::Channel;
use tonic::{Request, Status};

const PASSWORD: &str = "xyzzy-password";
const WRONG: &str = "xyzzy-wrong";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_logs_nor_errors_hold_passwords_or_tokens() -> Result<()> {
    let mut cluster = Cluster::new(1, &["--log-level=debug", "--bcrypt-cost=4"])?;
    cluster.start_all().await?;
    let member = &mut cluster.members[0];
    let mut auth = AuthClient::new(member.channel()?);
    add(&mut auth, "root", PASSWORD).await?;
    let grant = AuthUserGrantRoleRequest {
        user: "root".into(),
        role: "root".into(),
    };
    auth.user_grant_role(grant).await?;
    auth.auth_enable(AuthEnableRequest {}).await?;
    let token = login(&mut auth, PASSWORD).await?;

    let mut errors = vec![
        login(&mut auth, WRONG).await.err(),
        add(&mut auth, "root", WRONG).await.err(),
        put(member.kv()?, &format!("{WRONG}.1")).await.err(),
    ];
    put(member.kv()?, &token).await?;
    let mut change = Request::new(AuthUserChangePasswordRequest {
        name: "root".into(),
        password: WRONG.into(),
        ..Default::default()
    });
    change.metadata_mut().insert("token", token.parse()?);
    auth.user_change_password(change).await?;
    errors.push(put(member.kv()?, &token).await.err());

    let printed = member.process()?.output().text();
    ensure!(
        printed.contains("DEBUG") || printed.contains("debug"),
        "nothing is debugged"
    );
    let (prefix, _) = token.split_once('.').context("the token has an index")?;
    for secret in [PASSWORD, WRONG, prefix, "$2a$"] {
        ensure!(!printed.contains(secret), "{secret} is in the log:\n{printed}");
        for error in &errors {
            let error = error.as_ref().context("a request that must fail did not")?;
            ensure!(!format!("{error:?}").contains(secret), "{secret} is in {error:?}");
        }
    }
    Ok(())
}

async fn add(auth: &mut AuthClient<Channel>, name: &str, password: &str) -> Result<(), Status> {
    let user = AuthUserAddRequest {
        name: name.into(),
        password: password.into(),
        ..Default::default()
    };
    auth.user_add(user).await.map(drop)
}

async fn login(auth: &mut AuthClient<Channel>, password: &str) -> Result<String, Status> {
    let request = AuthenticateRequest {
        name: "root".into(),
        password: password.into(),
    };
    Ok(auth.authenticate(request).await?.into_inner().token)
}

async fn put(
    mut kv: kv_proto::etcdserverpb::kv_client::KvClient<Channel>,
    token: &str,
) -> Result<(), Status> {
    let mut request = Request::new(PutRequest {
        key: "k".into(),
        ..Default::default()
    });
    let token = token.parse().map_err(|_| Status::internal("no text"))?;
    request.metadata_mut().insert("token", token);
    kv.put(request).await.map(drop)
}
