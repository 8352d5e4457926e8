//! Ranges in pieces, so that neither side ever holds all of a long one.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use kv_mvcc::{RangeRequest, RangeResult, SortOrder, SortTarget, View};
use kv_proto::etcdserverpb as etcd;
use kv_server::Server;
use kv_types::KeyRange;
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
    let request = convert::range(request)?;
    check(&request)?;
    if !serializable {
        server.read_barrier().await.map_err(status)?;
    }
    let grant = server.grant_read(&request.range).await.map_err(status)?;
    let view = server.view();
    let header = convert::header(server.header_at(view.revision()));
    let piece_bytes = server.limits().request_bytes_max;
    let pieces = stream::try_unfold(Some(Pieces::new(view, request, piece_bytes)), move |pieces| {
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
    /// From the first key that was not sent yet; at a fixed revision; the limit is what is left of it.
    request: RangeRequest,
    /// Keys of the whole range, once they are counted.
    count: Option<u64>,
    piece_keys: u64,
    piece_bytes: usize,
}

impl Pieces {
    fn new(view: Arc<View>, request: RangeRequest, piece_bytes: usize) -> Self {
        let revision = Some(request.revision.unwrap_or_else(|| view.revision()));
        let request = RangeRequest {
            revision,
            sort_order: SortOrder::None,
            sort_target: SortTarget::Key,
            ..request
        };
        Self {
            view,
            request,
            count: None,
            piece_keys: FIRST_PIECE_KEYS,
            piece_bytes,
        }
    }

    /// The next piece, and what is left then. Only the last piece says more than keys.
    fn next(mut self, header: etcd::ResponseHeader) -> Result<(etcd::RangeResponse, Option<Self>), Status> {
        let limit = self.request.limit;
        let keys = if limit == 0 {
            self.piece_keys
        } else {
            self.piece_keys.min(limit)
        };
        let request = RangeRequest {
            limit: keys,
            ..self.request.clone()
        };
        let result = self.view.range(&request).map_err(range_status)?;
        let count = *self.count.get_or_insert(result.count);
        let sent = result.kvs.len() as u64;

        let is_last = !result.more || sent == limit || request.count_only;
        if is_last {
            let result = RangeResult { count, ..result };
            return Ok((convert::range_response(header, result), None));
        }
        if let Some(last) = result.kvs.last() {
            let after = Bytes::from([&last.key[..], &[0]].concat());
            let end = self.request.range.end.clone();
            self.request.range = KeyRange { start: after, end };
        }
        if limit != 0 {
            self.request.limit = limit - sent;
        }
        let piece = etcd::RangeResponse {
            kvs: convert::range_response(header, result).kvs,
            ..Default::default()
        };
        self.adapt(piece.encoded_len());
        Ok((piece, Some(self)))
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
    use kv_types::{LeaseId, Revision};

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
        let mut rest = Some(Pieces::new(Arc::new(store.view()), request, piece_bytes));
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

    #[test]
    fn later_writes_are_not_seen() {
        let mut store = store(20, 1);
        let first = Pieces::new(Arc::new(store.view()), all(), 1 << 20);
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
