use std::sync::Arc;

use bytes::Bytes;

use super::client::Client;
use super::pool::Held;
use crate::method::Kind;

/// Shorter pieces of answers are not counted.
const COUNTED_BYTES: usize = 8192;

/// Counts the pieces of an answer until their last byte is sent, however long the client takes for that.
#[derive(Debug)]
pub(crate) struct Answered {
    client: Arc<Client>,
    kind: Kind,
    /// The call's place among those in flight.
    _place: Held,
    /// What was made for it before it began; for a single answer by estimate, for a stream all it may take.
    room: Option<Arc<Held>>,
}

impl Answered {
    pub(crate) fn new(client: Arc<Client>, kind: Kind, place: Held, room: Option<Arc<Held>>) -> Self {
        Self {
            client,
            kind,
            _place: place,
            room,
        }
    }

    /// Has a piece counted as long as anybody has it.
    pub(crate) fn count(&mut self, piece: Bytes) -> Bytes {
        let length = piece.len() as u64;
        let room = match self.kind {
            Kind::Unary => self.room.take().inspect(|room| room.set(length)),
            Kind::ServerStream | Kind::BidiStream => self.room.clone(),
        };
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
        let mut answered = Answered::new(
            Arc::clone(&client),
            Kind::Unary,
            client.call().unwrap(),
            Some(room),
        );
        let mut sending = answered.count(piece(100_000));
        drop(answered);
        assert_eq!(load.answer_bytes(), 100_000);
        let last = sending.split_off(99_999);
        drop(sending);
        assert_eq!(load.answer_bytes(), 100_000);
        drop(last);
        assert_eq!(load.answer_bytes(), 0);
    }

    #[test]
    fn a_stream_is_counted_piece_by_piece() {
        let load = Load::default();
        let client = Client::of(&load);
        let mut answered = Answered::new(
            Arc::clone(&client),
            Kind::BidiStream,
            client.call().unwrap(),
            None,
        );
        let sending = [answered.count(piece(100)), answered.count(piece(10_000))];
        let more = answered.count(piece(20_000));
        assert_eq!(load.answer_bytes(), 30_000);
        drop(sending);
        assert_eq!(load.answer_bytes(), 20_000);
        drop(more);
        assert_eq!(load.answer_bytes(), 0);
    }
}
