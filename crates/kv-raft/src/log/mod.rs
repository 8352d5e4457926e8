//! openraft's log over a [`Journal`](crate::Journal).

mod pending;
mod size;
mod store;

pub(crate) use size::LogSize;
pub(crate) use store::LogStore;

#[cfg(test)]
mod tests;
