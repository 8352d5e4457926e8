//! The rules of watching, each as a claim, and a comparison with a naive model.

mod catching_up;
mod creating;
mod live;
mod model;
mod progress;
mod real_store;
mod slow_streams;
mod world;
