//! Clients that want to do harm: a member's memory stays bounded, others are served meanwhile, and nothing is left of
//! them afterwards.

mod bodies;
mod connections;
mod floods;
mod readers;
mod siege;
mod watchers;
mod wire;
