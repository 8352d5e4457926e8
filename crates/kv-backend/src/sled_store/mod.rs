//! The product's database: sled, used the way it is known to survive power losses.
//!
//! What a home looks like on disk:
//!
//! | path | content |
//! |---|---|
//! | `CURRENT` | format and number of the current generation ([`pointer`]) |
//! | `<number>/` | one sled database; any number but the current one is a leftover or staged |
//! | `<number>/kvd-created` | empty: `CURRENT` has named this generation once, so it is never created anew |

mod backend;
mod engine;
mod generations;
mod home;
mod metadata;
mod pointer;
mod precautions;
mod readers;
mod rescue;
mod unflushed;

pub use home::{SledHome, SledOptions};
