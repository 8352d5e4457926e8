//! Ranges in pieces, so that neither side ever holds all of a long one.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use kv_mvcc::{RangeRequest, RangeResult, SortOrder, SortTarget, View};
use kv_proto::etcdserverpb as etcd;
use kv_server::Server;
use kv_types::{KeyRange, Revision};
use prost::Message;
use tonic::Status;

use crate::convert;
use crate::error::{range_status, status};

pub(crate) type RangeStream = Pin<Box<dyn Stream<Item = Result<etcd::RangeStreamResponse, Status>> + Send>>;

/// Keys of the first piece; later ones adapt to how large the keys are.
const FIRST_PIECE_KEYS: u64 = 10;

/// The pieces of a range. All are read from the one state of the store that there was at the beginning.
pub(crate) async fn range_stream(server: Server, request: etcd::RangeRequest) -> Result<RangeStream, Status> {
    let serializable = request.serializable;
    let all_at_once = request.limit < 0;
    let request = convert::range(request)?;
    check(&request)?;
    if !serializable {
        server.read_barrier().await.map_err(status)?;
    }
    let grant = server.grant_read(&request.range).await.map_err(status)?;
    let view = server.view();
    let header = convert::header(server.header_at(view.revision()));
    let piece_bytes = server.limits().request_bytes_max;
    let first = Pieces::new(view, request, piece_bytes, all_at_once);
    let pieces = stream::try_unfold(Some(first), move |pieces| {
        let server = server.clone();
        async move {
            let Some(pieces) = pieces else { return Ok(None) };
            let (piece, rest) = pieces.next(header)?;
            server.still_granted(grant).map_err(status)?;
            let response = etcd::RangeStreamResponse {
                range_response: Some(piece),
            };
            Ok(Some((response, rest)))
        }
    });
    Ok(pieces.boxed())
}

/// What needs all keys before the first can be sent is not for this call.
fn check(request: &RangeRequest) -> Result<(), Status> {
    let natural = matches!(
        (request.sort_order, request.sort_target),
        (SortOrder::None, _) | (SortOrder::Ascend, SortTarget::Key)
    );
    if !natural {
        return Err(Status::unimplemented(
            "RangeStream does not support custom sort orders",
        ));
    }
    let bounds = [
        request.min_mod,
        request.max_mod,
        request.min_create,
        request.max_create,
    ];
    if bounds.iter().any(Option::is_some) {
        return Err(Status::unimplemented(
            "RangeStream does not support revision filters",
        ));
    }
    Ok(())
}

/// What is left of a range.
struct Pieces {
    view: Arc<View>,
    /// From the first key that was not sent yet; at a fixed revision. A target without an order sorts within pieces,
    /// and the next one goes on after whatever key came last, as in etcd.
    request: RangeRequest,
    /// Keys that were sent.
    sent: u64,
    piece_keys: u64,
    piece_bytes: usize,
}

impl Pieces {
    /// `all_at_once`: in a single piece, which a negative limit means in etcd.
    fn new(view: Arc<View>, request: RangeRequest, piece_bytes: usize, all_at_once: bool) -> Self {
        let asked = request.revision.filter(|revision| *revision > Revision::ZERO);
        let revision = Some(asked.unwrap_or_else(|| view.revision()));
        Self {
            view,
            request: RangeRequest { revision, ..request },
            sent: 0,
            piece_keys: if all_at_once { 0 } else { FIRST_PIECE_KEYS },
            piece_bytes,
        }
    }

    /// The next piece, and what is left then. Only the last piece says more than keys.
    fn next(mut self, header: etcd::ResponseHeader) -> Result<(etcd::RangeResponse, Option<Self>), Status> {
        let left = match self.request.limit {
            0 => u64::MAX,
            limit => limit - self.sent,
        };
        let request = RangeRequest {
            limit: self.piece_keys.min(left),
            ..self.request.clone()
        };
        let result = self.view.range(&request).map_err(range_status)?;
        let keys = result.kvs.len() as u64;
        self.sent += keys;
        if self.request.count_only || !result.more || keys == left {
            return self.last(header, result).map(|piece| (piece, None));
        }
        self.begin_after(&result);
        let piece = etcd::RangeResponse {
            kvs: convert::range_response(header, result).kvs,
            ..Default::default()
        };
        self.adapt(piece.encoded_len());
        Ok((piece, Some(self)))
    }

    /// The totals are of what was sent and of what a limit has cut off.
    fn last(
        mut self,
        header: etcd::ResponseHeader,
        result: RangeResult,
    ) -> Result<etcd::RangeResponse, Status> {
        let count = if self.request.count_only {
            result.count
        } else if result.more {
            self.begin_after(&result);
            let rest = self.view.count(&self.request.range, self.request.revision);
            self.sent + rest.map_err(range_status)?
        } else {
            self.sent
        };
        Ok(convert::range_response(header, RangeResult { count, ..result }))
    }

    fn begin_after(&mut self, result: &RangeResult) {
        if let Some(last) = result.kvs.last() {
            let after = Bytes::from([&last.key[..], &[0]].concat());
            let end = self.request.range.end.clone();
            self.request.range = KeyRange { start: after, end };
        }
    }

    fn adapt(&mut self, bytes: usize) {
        if bytes < self.piece_bytes / 2 {
            self.piece_keys *= 2;
        } else if bytes > self.piece_bytes * 2 {
            self.piece_keys = (self.piece_keys / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use kv_backend::{BackendHome, MemoryHome};
    use kv_mvcc::{LeaseBook, PutLease, PutRequest, PutValue, Store, StoreOptions};
    use kv_types::LeaseId;

    use super::*;

    struct NoLeases;

    impl LeaseBook for NoLeases {
        fn exists(&self, _: LeaseId) -> bool {
            false
        }
        fn attach(&mut self, _: LeaseId, _: &Bytes) {}
        fn detach(&mut self, _: LeaseId, _: &Bytes) {}
    }

    fn put(store: &mut Store, key: String, value: Bytes) {
        let put = PutRequest {
            key: key.into(),
            value: PutValue::New(value),
            lease: PutLease::Set(None),
            prev_kv: false,
        };
        store.put(&put, &mut NoLeases).unwrap();
    }

    fn store(keys: usize, value_bytes: usize) -> Store {
        let backend = MemoryHome::default().open().unwrap();
        let mut store = Store::open(backend, StoreOptions::default()).unwrap();
        for key in 0..keys {
            put(
                &mut store,
                format!("k{key:04}"),
                Bytes::from(vec![b'v'; value_bytes]),
            );
        }
        store
    }

    fn all() -> RangeRequest {
        RangeRequest::new(KeyRange::all())
    }

    const HEADER: etcd::ResponseHeader = etcd::ResponseHeader {
        cluster_id: 1,
        member_id: 2,
        revision: 3,
        raft_term: 4,
    };

    fn pieces(store: &Store, request: RangeRequest, piece_bytes: usize) -> Vec<etcd::RangeResponse> {
        let mut rest = Some(Pieces::new(Arc::new(store.view()), request, piece_bytes, false));
        let mut pieces = Vec::new();
        while let Some(left) = rest.take() {
            let (piece, left) = left.next(HEADER).unwrap();
            pieces.push(piece);
            rest = left;
        }
        pieces
    }

    fn keys(pieces: &[etcd::RangeResponse]) -> Vec<usize> {
        pieces.iter().map(|piece| piece.kvs.len()).collect()
    }

    /// All pieces as one answer.
    fn merge(pieces: Vec<etcd::RangeResponse>) -> etcd::RangeResponse {
        let mut whole = etcd::RangeResponse::default();
        for piece in pieces {
            whole.merge(&piece.encode_to_vec()[..]).unwrap();
        }
        whole
    }

    #[test]
    fn merged_pieces_are_the_answer_to_a_range() {
        let store = store(100, 1);
        for limit in [0, 1, 9, 10, 11, 30, 99, 100, 101] {
            for revision in [None, Some(Revision::new(50))] {
                let request = RangeRequest {
                    limit,
                    revision,
                    ..all()
                };
                let whole = convert::range_response(HEADER, store.view().range(&request).unwrap());
                assert_eq!(merge(pieces(&store, request, 1 << 20)), whole, "limit {limit}");
            }
        }
    }

    #[test]
    fn only_the_last_piece_has_header_count_and_more() {
        let pieces = pieces(&store(100, 1), RangeRequest { limit: 80, ..all() }, 1 << 20);
        assert_eq!(keys(&pieces), [10, 20, 40, 10]);
        let (last, others) = pieces.split_last().unwrap();
        assert_eq!((last.header, last.count, last.more), (Some(HEADER), 100, true));
        assert!(
            others
                .iter()
                .all(|piece| (piece.header, piece.count, piece.more) == (None, 0, false))
        );
    }

    #[test]
    fn pieces_follow_the_size_of_the_keys() {
        assert_eq!(
            keys(&pieces(&store(40, 900), all(), 1000)),
            [10, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]
        );
    }

    #[test]
    fn counts_and_empty_ranges_take_one_piece() {
        let store = store(30, 1);
        let counted = pieces(
            &store,
            RangeRequest {
                count_only: true,
                ..all()
            },
            1 << 20,
        );
        assert_eq!((keys(&counted), counted[0].count), (vec![0], 30));
        let none = pieces(
            &store,
            RangeRequest::new(KeyRange::single(Bytes::from_static(b"x"))),
            1 << 20,
        );
        assert_eq!(
            (keys(&none), none[0].count, none[0].header),
            (vec![0], 0, Some(HEADER))
        );
    }

    /// Seen in a real etcd: the second piece begins after the last key of the first, which is not its greatest; the one
    /// key more that is looked at for `more` is sorted in, and may push another out; the total is of what was sent.
    #[test]
    fn a_target_without_an_order_sorts_within_pieces() {
        let mut store = store(0, 0);
        for key in (0..12).rev() {
            put(&mut store, format!("k{key:02}"), Bytes::new());
        }
        let request = RangeRequest {
            sort_target: SortTarget::Mod,
            ..all()
        };
        let pieces = pieces(&store, request, 1 << 20);
        assert_eq!(keys(&pieces), [10, 10]);
        assert_eq!((&pieces[0].kvs[9].key[..], pieces[1].count), (&b"k01"[..], 20));
    }

    #[test]
    fn a_negative_limit_means_one_piece() {
        let store = Arc::new(store(30, 1).view());
        let (piece, rest) = Pieces::new(store, all(), 1 << 20, true).next(HEADER).unwrap();
        assert_eq!((piece.kvs.len(), piece.count), (30, 30));
        assert!(rest.is_none());
    }

    #[test]
    fn later_writes_are_not_seen() {
        let mut store = store(20, 1);
        let first = Pieces::new(Arc::new(store.view()), all(), 1 << 20, false);
        let (_, rest) = first.next(HEADER).unwrap();
        put(&mut store, "k0015x".into(), Bytes::new());
        let (last, rest) = rest.unwrap().next(HEADER).unwrap();
        assert!(rest.is_none());
        assert_eq!((last.kvs.len(), last.count), (10, 20));
    }

    #[test]
    fn what_needs_all_keys_at_once_is_refused() {
        let refused = |request: RangeRequest| check(&request).unwrap_err();
        let sorted = refused(RangeRequest {
            sort_order: SortOrder::Descend,
            ..all()
        });
        assert_eq!(
            sorted.message(),
            "RangeStream does not support custom sort orders"
        );
        let filtered = refused(RangeRequest {
            max_mod: Some(Revision::new(1)),
            ..all()
        });
        assert_eq!(
            filtered.message(),
            "RangeStream does not support revision filters"
        );
        assert_eq!(filtered.code(), tonic::Code::Unimplemented);
        assert!(
            check(&RangeRequest {
                sort_order: SortOrder::Ascend,
                ..all()
            })
            .is_ok()
        );
    }
}
