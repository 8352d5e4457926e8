use std::sync::Arc;

use tonic::Status;

use super::client::too_many;
use super::framing::Framing;
use super::pool::Held;
use crate::method::Kind;

/// What each call may receive without its being counted: most requests are no longer.
const FREE_BYTES: usize = 4096;

/// Counts what is kept in memory of what a call has received.
///
/// Of a single request that is all of it, until the call has its answer. Of a stream of requests it is the last
/// one, as nothing more is taken from the connection before all that is complete has been handled.
#[derive(Debug)]
pub(crate) struct RequestBytes {
    held: Arc<Held>,
    stream: bool,
    framing: Framing,
    /// Of a single request.
    received: usize,
}

impl RequestBytes {
    pub(super) fn new(held: Held, kind: Kind) -> Self {
        Self {
            held: Arc::new(held),
            stream: kind == Kind::BidiStream,
            framing: Framing::default(),
            received: 0,
        }
    }

    /// What it holds, for whoever has the request when all is received.
    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held)
    }

    /// Takes more, unless there is too much already.
    pub(crate) fn receive(&mut self, data: &[u8]) -> Result<(), Status> {
        let before = if self.stream {
            let unfinished = self.framing.unfinished();
            self.framing.pass(data);
            unfinished
        } else {
            self.received
        };
        self.received = before + data.len();
        let counted = self.received.saturating_sub(FREE_BYTES) as u64;
        match counted.checked_sub(self.held.amount()) {
            None => self.held.set(counted),
            Some(more) if more == 0 || self.held.try_grow(more) => {}
            Some(_) => return Err(too_many()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::pool::{Pool, Share};
    use super::*;

    const BYTES_MAX: u64 = 100_000;

    fn client() -> Arc<Share> {
        Share::of(&Pool::new(BYTES_MAX))
    }

    fn request(client: &Arc<Share>, kind: Kind) -> RequestBytes {
        RequestBytes::new(client.hold_none(), kind)
    }

    #[test]
    fn a_request_without_end_is_refused_and_gives_back_what_it_took() {
        let client = client();
        let mut endless = request(&client, Kind::Unary);
        let pieces = std::iter::from_fn(|| endless.receive(&[0; 10_000]).ok()).count();
        assert_eq!(pieces, 11);
        assert!(request(&client, Kind::Unary).receive(&[0; 5000]).is_err());
        assert!(request(&client, Kind::Unary).receive(&[0; FREE_BYTES]).is_ok());
        drop(endless);
        assert!(request(&client, Kind::Unary).receive(&[0; 5000]).is_ok());
    }

    #[test]
    fn a_stream_is_counted_by_the_request_that_is_not_complete() {
        let client = client();
        let mut stream = request(&client, Kind::BidiStream);
        let message = [&[0, 0, 0, 0x27, 0x10][..], &[7; 10_000]].concat();
        for _ in 0..100 {
            stream.receive(&message).unwrap();
        }
        let begun = [&[0, 0, 0xff, 0, 0][..], &[7; 10_000]].concat();
        stream.receive(&begun).unwrap();
        let pieces = std::iter::from_fn(|| stream.receive(&[7; 10_000]).ok()).count();
        assert_eq!(pieces, 10);
    }
}
