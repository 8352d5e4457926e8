//! Watchers: synced and unsynced, batches, progress, cancellation.
