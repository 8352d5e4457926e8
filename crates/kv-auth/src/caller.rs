use kv_types::AuthRevision;

/// Who makes a request, and at which auth revision that was found out.
///
/// A user that TLS vouches for (the common name of a client certificate) is to become one here, too, in
/// `kv_server`, where tokens are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's name.
    pub user: String,
    /// The auth revision.
    pub revision: AuthRevision,
}
