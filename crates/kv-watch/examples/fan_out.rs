//! What one put costs the hub: `cargo run --release -p kv-watch --example fan_out`.
//!
//! Prints the median and the worst time of `on_applied` for several populations of watchers.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kv_mvcc::{Change, ReadError, Row};
use kv_types::{KeyRange, Revision, RowRevision, Version};
use kv_watch::{Filters, History, Hub, HubOptions, StreamId, StreamReceiver, WatchCreate};

const PUTS: i64 = 2000;

/// A store of which nothing but the revision is asked.
struct At(Revision);

impl History for At {
    fn revision(&self) -> Revision {
        self.0
    }

    fn compacted(&self) -> Option<Revision> {
        None
    }

    fn row(&self, _: RowRevision) -> Result<Option<Arc<Row>>, ReadError> {
        Ok(None)
    }

    fn changes(
        &self,
        _: Revision,
        _: Revision,
        _: &mut dyn FnMut(Change) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        Ok(())
    }
}

fn range(from: String, to: String) -> KeyRange {
    KeyRange::from_wire(from.into(), to.into())
}

fn put(key: &str, revision: i64) -> Change {
    let main = Revision::new(revision);
    let row = Row {
        revision: RowRevision::first_of(main),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::from_static(&[b'x'; 512]),
        create_revision: main,
        version: Version::FIRST,
        lease: None,
        tombstone: false,
    };
    Change {
        row: Arc::new(row),
        prev: None,
    }
}

/// Watches each of the ranges, `watchers_per_stream` on a stream.
fn watching(ranges: &[KeyRange], watchers_per_stream: usize) -> (Hub, Vec<(StreamId, StreamReceiver)>) {
    let mut hub = Hub::new(HubOptions::default(), Revision::INITIAL, Arc::new(|| {}));
    let mut streams = Vec::new();
    for ranges in ranges.chunks(watchers_per_stream) {
        let (id, receiver) = hub.open_stream(Duration::ZERO, 0.0, Arc::new(|| {}));
        for range in ranges {
            let create = WatchCreate {
                range: range.clone(),
                start: None,
                id: None,
                filters: Filters::default(),
                prev_kv: true,
                progress_notify: true,
                fragment: false,
            };
            hub.create(id, create).expect("answers are taken at once");
            receiver.try_next();
        }
        streams.push((id, receiver));
    }
    (hub, streams)
}

fn measure(name: &str, ranges: &[KeyRange], watchers_per_stream: usize, keys: &[String]) {
    let (mut hub, streams) = watching(ranges, watchers_per_stream);
    let mut times = Vec::new();
    let mut responses = 0;
    for (revision, key) in (2..PUTS + 2).zip(keys.iter().cycle()) {
        let change = put(key, revision);
        let start = Instant::now();
        hub.on_applied(&At(Revision::new(revision)), &[change]);
        times.push(start.elapsed());
        for (_, receiver) in &streams {
            responses += std::iter::from_fn(|| receiver.try_next()).count();
        }
    }
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let sent = responses / times.len();
    println!("{name}: median {median:?}, worst {worst:?}, {sent} responses per put");
}

fn main() {
    let keys: Vec<String> = (0..10_000)
        .map(|at| format!("/registry/pods/{at:05}/object"))
        .collect();
    let one = range("/registry/pods/".into(), "/registry/pods0".into());
    measure(
        "1,000 watchers of one range, a stream each",
        &vec![one.clone(); 1000],
        1,
        &keys,
    );
    measure(
        "1,000 watchers of one range, one hundred on a stream",
        &vec![one; 1000],
        100,
        &keys,
    );
    let prefixes: Vec<_> = (0..10_000)
        .map(|at| {
            range(
                format!("/registry/pods/{at:05}/"),
                format!("/registry/pods/{at:05}0"),
            )
        })
        .collect();
    measure("10,000 ranges, one matches", &prefixes, 100, &keys);
    let nested: Vec<_> = (0..10_000)
        .map(|at| range(format!("/registry/pods/{at:05}/"), "\0".into()))
        .collect();
    measure("10,000 open ranges, one matches", &nested, 100, &keys[..1]);
    let singles: Vec<_> = keys.iter().map(|key| range(key.clone(), String::new())).collect();
    measure("10,000 single keys, one matches", &singles, 100, &keys);
}
