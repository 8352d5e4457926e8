use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use kv_raft::{Call, Flow, Peer, Transport, TransportError};
use kv_types::{ClusterId, MemberId};

use super::cluster::{Node, eventually, listen, options};
use crate::PeerTransport;

const TIMEOUT: Duration = Duration::from_secs(5);

fn peer(id: u64, url: &str) -> Peer {
    Peer {
        id: MemberId::new(id),
        urls: vec![url.into()],
    }
}

async fn read_index(transport: &PeerTransport, to: &Peer) -> Result<Bytes, TransportError> {
    transport
        .call(to, Call::ReadIndex, Bytes::from_static(&[1]), TIMEOUT)
        .await
}

#[tokio::test]
async fn messages_for_another_cluster_or_member_are_refused_unseen() {
    let (listener, url) = listen().await;
    let _node = Node::start(1, listener, url.clone()).await;
    assert!(
        read_index(&PeerTransport::new(options(2)), &peer(1, &url))
            .await
            .is_ok()
    );

    let wrong_member = read_index(&PeerTransport::new(options(2)), &peer(3, &url))
        .await
        .unwrap_err();
    let TransportError::NotSent(reason) = wrong_member else {
        panic!("{wrong_member:?}");
    };
    assert!(
        reason.contains("member ID mismatch: the request is for 3, this member is 1"),
        "{reason}"
    );

    let mut stranger = options(2);
    stranger.identity.cluster = ClusterId::new(0xbad);
    let transport = PeerTransport::new(stranger);
    let wrong_cluster = read_index(&transport, &peer(1, &url)).await.unwrap_err();
    let TransportError::NotSent(reason) = wrong_cluster else {
        panic!("{wrong_cluster:?}");
    };
    assert!(
        reason.contains("cluster ID mismatch: the request is for bad, this member belongs to c1"),
        "{reason}"
    );

    let mut answers = transport.stream(
        &peer(1, &url),
        Flow::Append,
        futures_util::stream::empty().boxed(),
    );
    assert!(matches!(
        answers.next().await,
        Some(Err(TransportError::NotSent(_)))
    ));
}

#[tokio::test]
async fn messages_that_are_none_are_refused_and_harm_nobody() {
    let (listener, url) = listen().await;
    let node = Node::start(1, listener, url.clone()).await;
    let transport = PeerTransport::new(options(2));
    for call in Call::ALL {
        for message in [&b""[..], b"\x02", b"\xff\xff\xff\xff", &[1; 60]] {
            let answer = transport
                .call(&peer(1, &url), call, Bytes::copy_from_slice(message), TIMEOUT)
                .await;
            // Some of these are messages; none may end the member.
            drop(answer);
        }
    }
    for flow in [Flow::Append, Flow::Snapshot] {
        let junk = futures_util::stream::iter([Bytes::from_static(b"junk")]).boxed();
        let mut answers = transport.stream(&peer(1, &url), flow, junk);
        assert!(matches!(answers.next().await, Some(Err(_))), "{flow}");
    }
    assert_eq!(node.raft.status().failure, None);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_told_apart_from_one_that_does_not_answer() {
    let (listener, url) = listen().await;
    let transport = PeerTransport::new(options(2));
    // The listener accepts, but nobody speaks.
    let silent = transport
        .call(
            &peer(1, &url),
            Call::ReadIndex,
            Bytes::new(),
            Duration::from_millis(300),
        )
        .await;
    assert!(matches!(silent, Err(TransportError::Lost(_))), "{silent:?}");
    drop(listener);
    let (other_listener, other_url) = listen().await;
    drop(other_listener);
    let gone = read_index(&transport, &peer(1, &other_url)).await;
    assert!(matches!(gone, Err(TransportError::NotSent(_))), "{gone:?}");
    let nonsense = read_index(&transport, &peer(1, "ftp://x")).await;
    assert!(
        matches!(nonsense, Err(TransportError::NotSent(_))),
        "{nonsense:?}"
    );
    // The second of two URLs will do.
    let (listener, url) = listen().await;
    let _node = Node::start(1, listener, url.clone()).await;
    let two = Peer {
        id: MemberId::new(1),
        urls: vec![other_url, url],
    };
    assert!(read_index(&transport, &two).await.is_ok());
}

#[tokio::test]
async fn a_peer_that_comes_back_is_reached_again_soon() {
    let (listener, url) = listen().await;
    let address = listener.local_addr().unwrap();
    let node = Node::start(1, listener, url.clone()).await;
    let transport = PeerTransport::new(options(2));
    assert!(read_index(&transport, &peer(1, &url)).await.is_ok());
    drop(node);
    // Its connections end with its tasks.
    let gone = std::time::Instant::now();
    while read_index(&transport, &peer(1, &url)).await.is_ok() {
        assert!(gone.elapsed() < TIMEOUT);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let listener = eventually("port", || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).ok()?;
        socket.listen(16).ok()
    })
    .await;
    let _node = Node::start(1, listener, url.clone()).await;
    let began = std::time::Instant::now();
    while read_index(&transport, &peer(1, &url)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn messages_beyond_the_bound_are_refused() {
    let (listener, url) = listen().await;
    let _node = Node::start(1, listener, url.clone()).await;
    let mut small = options(2);
    small.message_bytes_max = 1024;
    let transport = PeerTransport::new(small);
    let large = transport
        .call(&peer(1, &url), Call::Ask, vec![1; 2048].into(), TIMEOUT)
        .await;
    assert!(large.is_err());
    assert!(read_index(&transport, &peer(1, &url)).await.is_ok());
}
