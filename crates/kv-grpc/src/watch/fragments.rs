use std::ops::Range;
use std::sync::Arc;

use kv_proto::etcdserverpb as etcd;
use kv_watch::Event;
use prost::Message;

use super::frame::{Frame, encoded};

/// Splits a response between its events so that each frame with more than one of them stays below
/// `frame_bytes_max`. All but the last are marked as fragments.
pub(super) fn split(
    head: &etcd::WatchResponse,
    events: &Arc<[Arc<Event>]>,
    with_prev: bool,
    frame_bytes_max: usize,
) -> Vec<Frame> {
    let marked = etcd::WatchResponse {
        fragment: true,
        ..head.clone()
    };
    let head_bytes = [head, &marked].map(Message::encoded_len);
    let sizes: Vec<usize> = events
        .iter()
        .map(|event| encoded(event, with_prev).len())
        .collect();
    let parts = parts(&sizes, head_bytes, frame_bytes_max);
    let last = parts.len() - 1;
    let frame = |(index, part)| Frame {
        head: if index == last {
            head.clone()
        } else {
            marked.clone()
        },
        events: Arc::clone(events),
        part,
        with_prev,
    };
    parts.into_iter().enumerate().map(frame).collect()
}

/// Which events go together. At least one part; none is empty unless there are no events.
fn parts(sizes: &[usize], [head, marked_head]: [usize; 2], bytes_max: usize) -> Vec<Range<usize>> {
    let fits = head + sizes.iter().sum::<usize>() < bytes_max;
    let mut parts = Vec::new();
    let mut start = 0;
    let mut bytes = marked_head;
    for (index, size) in sizes.iter().enumerate() {
        if !fits && index > start && bytes + size >= bytes_max {
            parts.push(start..index);
            start = index;
            bytes = marked_head;
        }
        bytes += size;
    }
    parts.push(start..sizes.len());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::testing::{events, put};

    #[test]
    fn events_are_split_where_a_frame_would_become_too_large() {
        let check = |sizes: &[usize], expected: &[(usize, usize)]| {
            let parts: Vec<_> = parts(sizes, [10, 12], 100)
                .iter()
                .map(|part| (part.start, part.end))
                .collect();
            assert_eq!(parts, expected);
        };
        check(&[], &[(0, 0)]);
        check(&[30, 30], &[(0, 2)]);
        check(&[30, 30, 29], &[(0, 3)]);
        check(&[30, 30, 30], &[(0, 2), (2, 3)]);
        check(&[300, 30, 30, 300], &[(0, 1), (1, 3), (3, 4)]);
        check(&[300], &[(0, 1)]);
    }

    #[test]
    fn all_frames_but_the_last_are_marked() {
        let head = etcd::WatchResponse {
            watch_id: 7,
            ..Default::default()
        };
        let events = events(vec![put("a", "1", 2), put("b", "2", 2), put("c", "3", 2)]);
        let whole = split(&head, &events, false, 1000);
        assert_eq!(
            whole
                .iter()
                .map(|frame| (frame.head.fragment, frame.part.clone()))
                .collect::<Vec<_>>(),
            [(false, 0..3)]
        );
        let pieces = split(&head, &events, false, 1);
        let marks: Vec<_> = pieces
            .iter()
            .map(|frame| (frame.head.fragment, frame.part.clone()))
            .collect();
        assert_eq!(marks, [(true, 0..1), (true, 1..2), (false, 2..3)]);
    }
}
