//! Ordered bytes on disk: atomic batches, and a flush that says what is durable.
