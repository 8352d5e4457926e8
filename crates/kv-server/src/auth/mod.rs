//! Who makes a request, and whether they may. Every way into a member ends at [`crate::Server`], so that this is the
//! one place where requests are judged.

mod board;
mod calls;
mod credentials;
mod judge;
mod passwords;
mod simple_tokens;
mod tokens;

pub(crate) use board::{AuthBoard, AuthEpoch};
pub use credentials::Credentials;
pub use judge::ReadGrant;
pub(crate) use passwords::Passwords;
pub(crate) use simple_tokens::SimpleTokens;
pub(crate) use tokens::Tokens;
