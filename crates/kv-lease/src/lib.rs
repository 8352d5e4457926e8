//! Leases: grant, attach, renew, and what has expired at a given time.
