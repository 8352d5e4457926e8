//! A thin etcd v3 client over the generated stubs: several endpoints taken in turn, deadlines, and the retries
//! that are safe. Requests and responses are the wire types of [`kv_proto`].
//!
//! ```no_run
//! use kv_client::{Client, Options};
//! use kv_proto::etcdserverpb::PutRequest;
//!
//! # async fn example() -> Result<(), kv_client::ClientError> {
//! let client = Client::new(&Options::new(["127.0.0.1:2379"]))?;
//! let put = PutRequest { key: "greeting".into(), value: "hello".into(), ..Default::default() };
//! println!("written at revision {}", client.put(put).await?.header.unwrap_or_default().revision);
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod login;
mod options;
mod range_end;
mod retry;
mod stream;

pub use client::Client;
pub use error::ClientError;
pub use kv_proto;
pub use login::Login;
pub use options::Options;
pub use range_end::{FROM_KEY, prefix_end};
pub use stream::{KeepAlive, Watch};
