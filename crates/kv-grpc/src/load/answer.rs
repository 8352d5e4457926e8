use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::client::{Client, Growing};
use super::pool::Held;

/// Shorter pieces of answers are not counted.
const COUNTED_BYTES: usize = 8192;

/// Counts the pieces of an answer until their last byte is sent, however long the client takes for that.
pub(crate) struct Answered {
    client: Arc<Client>,
    /// The call's place among those in flight.
    _place: Held,
    /// What was made for it before it began.
    room: Option<Arc<Held>>,
    growing: Option<Growing>,
}

impl Answered {
    pub(crate) fn new(client: Arc<Client>, place: Held, room: Option<Arc<Held>>) -> Self {
        Self {
            client,
            _place: place,
            room,
            growing: None,
        }
    }

    /// Whether the next piece may be made: it may be as large as it likes, so there has to be some room.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.room.is_some() {
            return Poll::Ready(());
        }
        if self.growing.is_none() {
            self.growing = self.client.room_to_grow();
        }
        let polled = match &mut self.growing {
            Some(growing) => growing.as_mut().poll(cx),
            None => Poll::Ready(()),
        };
        if polled.is_ready() {
            self.growing = None;
        }
        polled
    }

    /// Has a piece counted as long as anybody has it.
    pub(crate) fn count(&mut self, piece: Bytes) -> Bytes {
        let length = piece.len() as u64;
        let room = self.room.take().inspect(|room| room.set(length));
        if piece.len() < COUNTED_BYTES {
            return piece;
        }
        let held = room.unwrap_or_else(|| self.client.hold_answer(length));
        Bytes::from_owner(Counted { piece, _held: held })
    }
}

struct Counted {
    piece: Bytes,
    _held: Arc<Held>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::super::client::Load;
    use super::*;

    fn piece(length: usize) -> Bytes {
        vec![7; length].into()
    }

    #[tokio::test]
    async fn an_answer_is_counted_until_its_last_byte_is_gone() {
        let load = Load::default();
        let client = Client::of(&load);
        let room = client.room_for_answer(123).await.unwrap();
        let mut answered = Answered::new(Arc::clone(&client), client.call().unwrap(), Some(room));
        let mut sending = answered.count(piece(100_000));
        drop(answered);
        assert_eq!(load.answer_bytes(), 100_000);
        let last = sending.split_off(99_999);
        drop(sending);
        assert_eq!(load.answer_bytes(), 100_000);
        drop(last);
        assert_eq!(load.answer_bytes(), 0);
    }

    #[tokio::test]
    async fn what_is_not_counted_yet_is_not_made_while_a_client_leaves_too_much_unread() {
        let load = Load::default();
        let [slow, other] = [(); 2].map(|()| Client::of(&load));
        let stream = |client: &Arc<Client>| Answered::new(Arc::clone(client), client.call().unwrap(), None);
        let is_ready =
            async |stream: &mut Answered| poll_fn(|cx| Poll::Ready(stream.poll_room(cx).is_ready())).await;
        let (mut first, mut second) = (stream(&slow), stream(&slow));
        assert!(is_ready(&mut first).await);
        let unread = slow.hold_answer(1 << 40);
        assert!(!is_ready(&mut first).await);
        assert!(!is_ready(&mut second).await);
        assert!(is_ready(&mut stream(&other)).await);
        drop(unread);
        assert!(is_ready(&mut first).await);
    }

    #[test]
    fn a_stream_is_counted_piece_by_piece() {
        let load = Load::default();
        let client = Client::of(&load);
        let mut answered = Answered::new(Arc::clone(&client), client.call().unwrap(), None);
        let sending = [answered.count(piece(100)), answered.count(piece(10_000))];
        let more = answered.count(piece(20_000));
        assert_eq!(load.answer_bytes(), 30_000);
        drop(sending);
        assert_eq!(load.answer_bytes(), 20_000);
        drop(more);
        assert_eq!(load.answer_bytes(), 0);
    }
}
