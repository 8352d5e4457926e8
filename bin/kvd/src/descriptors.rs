use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process open as many files and connections as the system allows it to: what it begins with is meant for
/// programs that cannot deal with many. Go's programs do the same.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Without it there are fewer connections; nothing depends on it.
    let _ = setrlimit(Resource::Nofile, raised);
}
