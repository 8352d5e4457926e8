//! The watch stream: the member decides what is sent and in which order, this turns it into messages.

mod fragments;
mod frame;
mod service;

pub(crate) use frame::WatchCodec;
pub(crate) use service::watch;
#[cfg(test)]
pub(crate) use service::watch_create;

#[cfg(test)]
mod testing {
    use std::sync::Arc;

    use bytes::Bytes;
    use kv_mvcc::{Change, Row};
    use kv_types::{Revision, RowRevision, Version};
    use kv_watch::Event;

    pub(super) fn put(key: &'static str, value: &'static str, revision: i64) -> Row {
        Row {
            revision: RowRevision::new(Revision::new(revision), 0),
            key: Bytes::from_static(key.as_bytes()),
            value: Bytes::from_static(value.as_bytes()),
            create_revision: Revision::new(revision),
            version: Version::FIRST,
            lease: None,
            tombstone: false,
        }
    }

    pub(super) fn tombstone(key: &'static str, revision: i64) -> Row {
        let row = put(key, "", revision);
        Row {
            create_revision: Revision::ZERO,
            version: Version::ZERO,
            tombstone: true,
            ..row
        }
    }

    pub(super) fn events(rows: Vec<Row>) -> Arc<[Arc<Event>]> {
        let event = |row| {
            Arc::new(Event::new(&Change {
                row: Arc::new(row),
                prev: None,
            }))
        };
        rows.into_iter().map(event).collect()
    }
}
