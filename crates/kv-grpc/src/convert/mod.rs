//! Between the wire and the plain operations: requests are checked on their way in, and only checked ones come
//! out.

mod intervals;
mod request;
mod response;
mod txn;

pub(crate) use request::{delete, put, range};
pub(crate) use response::{delete_response, header, key_value, put_response, range_response, txn_response};
pub(crate) use txn::txn;
