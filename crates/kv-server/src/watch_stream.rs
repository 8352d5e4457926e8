use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use kv_auth::{Access, AuthError, AuthStore, Caller};
use kv_types::{KeyRange, Revision, WatchId};
use kv_watch::{Outgoing, StreamId, StreamReceiver, WatchCreate};
use tokio::sync::{Notify, watch};

use crate::auth::AuthEpoch;
use crate::error::RequestError;
use crate::server::Server;
use crate::watches::{StreamsState, Watches};

/// Answers to creations that wait to be sent at most; then no requests are taken.
const PENDING_MAX: usize = 256;

/// A stream of watchers. They end when it is dropped.
///
/// A watcher is judged when it is created, and again whenever users, roles or permissions change: nothing that was
/// written after its user lost the right is sent. (etcd judges it when it is created only.)
pub struct WatchStream {
    server: Server,
    watches: Arc<Watches>,
    id: StreamId,
    receiver: StreamReceiver,
    ready: Arc<Notify>,
    state: watch::Receiver<StreamsState>,
    /// All watchers of this stream were judged by this state of auth.
    judged: AuthEpoch,
    /// Watchers whose creation is not answered yet, in order.
    pending: VecDeque<Pending>,
    /// Watchers that a user created.
    owned: HashMap<WatchId, Owned>,
    /// Watchers that lost the right. Nothing of them is sent any more but their end.
    denied: HashMap<WatchId, AuthError>,
    /// Those of them that the hub does not know of yet, having no room for the answer.
    ending: Vec<WatchId>,
    /// Some were created while nobody was asked.
    has_unowned: bool,
}

/// A response on its way to a client.
#[derive(Clone, Debug)]
pub enum Streamed {
    /// What happens to a watcher.
    Response(Outgoing),
    /// A watcher has ended, or was not even created, as its user may not read what it watches.
    Denied {
        /// The watcher; none if it was not created.
        id: Option<WatchId>,
        /// Why.
        denial: AuthError,
        /// The current revision.
        revision: Revision,
    },
}

enum Pending {
    /// Created while nobody was asked.
    Unowned,
    Owned(Owned),
    Denied(AuthError),
}

/// Whose watcher it is, and of what.
#[derive(Clone, Debug)]
struct Owned {
    user: String,
    range: KeyRange,
}

impl Owned {
    fn judge(&self, auth: &AuthStore) -> Result<(), AuthError> {
        let caller = Caller {
            user: self.user.clone(),
            revision: auth.revision(),
        };
        auth.check_keys(Some(&caller), Access::Read, &self.range)
    }
}

impl WatchStream {
    pub(crate) fn new(server: Server) -> Self {
        let watches = Arc::clone(&server.shell.replica.watches);
        let judged = watches.auth().epoch();
        let (id, receiver, ready, state) = watches.open_stream();
        Self {
            server,
            watches,
            id,
            receiver,
            ready,
            state,
            judged,
            pending: VecDeque::new(),
            owned: HashMap::new(),
            denied: HashMap::new(),
            ending: Vec::new(),
            has_unowned: false,
        }
    }

    /// Creates a watcher; the answer comes through [`WatchStream::next`], before any event of it.
    ///
    /// Only while [`WatchStream::takes_requests`]: otherwise nothing is done.
    pub async fn create(&mut self, create: WatchCreate) {
        // What can start nowhere is told so, whoever asks, as in etcd.
        let is_rejected = create.start.is_some_and(|start| start < Revision::ZERO);
        let pending = match self.admit(&create.range).await {
            Err(denial) if !is_rejected => {
                self.pending.push_back(Pending::Denied(denial));
                return;
            }
            Err(_) | Ok(None) => Pending::Unowned,
            Ok(Some(owned)) => Pending::Owned(owned),
        };
        self.has_unowned |= !is_rejected && matches!(pending, Pending::Unowned);
        let created = self.watches.hub().create(self.id, create);
        debug_assert!(
            created.is_ok(),
            "a request was read that there is no room to answer"
        );
        if created.is_ok() {
            self.pending.push_back(pending);
        }
    }

    /// Whose the watcher is going to be, if anybody is asked.
    async fn admit(&self, range: &KeyRange) -> Result<Option<Owned>, AuthError> {
        let caller = match self.server.caller().await {
            Ok(caller) => caller,
            Err(RequestError::Auth(denial)) => return Err(denial),
            Err(_) => return Err(AuthError::InvalidToken),
        };
        self.watches
            .auth()
            .store()
            .check_keys(caller.as_ref(), Access::Read, range)?;
        Ok(caller.map(|caller| Owned {
            user: caller.user,
            range: range.clone(),
        }))
    }

    /// Ends a watcher, if there is one; the answer comes through [`WatchStream::next`].
    ///
    /// Only while [`WatchStream::takes_requests`]: otherwise nothing is done.
    pub fn cancel(&mut self, id: WatchId) {
        let cancelled = self.watches.hub().cancel(self.id, id);
        debug_assert!(
            cancelled.is_ok(),
            "a request was read that there is no room to answer"
        );
    }

    /// Reports progress of the whole stream if all its watchers are caught up; otherwise does nothing.
    pub fn request_progress(&mut self) {
        self.watches.hub().request_progress(self.id);
    }

    /// Whether requests may be read from the client: not while too many answers wait to be sent.
    pub fn takes_requests(&self) -> bool {
        self.receiver.takes_requests() && self.pending.len() < PENDING_MAX
    }

    /// Waits for the next response; `None` when the member is shutting down. Nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// The whole stream must end: it has watchers of nobody, and now every request needs a user.
    pub async fn next(&mut self) -> Result<Option<Streamed>, AuthError> {
        loop {
            self.judge_again()?;
            if let Some(denied) = self.next_denial() {
                return Ok(Some(denied));
            }
            if let Some(response) = self.receiver.try_next() {
                // What came into the queue after the watchers were judged may be what they must not see.
                self.judge_again()?;
                if let Some(response) = self.sift(response) {
                    return Ok(Some(response));
                }
                continue;
            }
            let judged = self.judged;
            tokio::select! {
                () = self.ready.notified() => {}
                state = self.state.wait_for(|state| state.is_stopped || state.auth != judged) => {
                    if state.is_ok_and(|state| state.is_stopped) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// A creation that was denied, if its turn has come to be answered.
    fn next_denial(&mut self) -> Option<Streamed> {
        let Some(Pending::Denied(denial)) = self.pending.front() else {
            return None;
        };
        let denial = *denial;
        self.pending.pop_front();
        Some(Streamed::Denied {
            id: None,
            denial,
            revision: self.server.view().revision(),
        })
    }

    /// Judges all watchers if auth has changed, and ends those whose user may not go on.
    fn judge_again(&mut self) -> Result<(), AuthError> {
        self.end_denied();
        let epoch = self.watches.auth().epoch();
        if epoch == self.judged {
            return Ok(());
        }
        self.judged = epoch;
        if !epoch.is_enabled() {
            return Ok(());
        }
        if self.has_unowned {
            return Err(AuthError::UserEmpty);
        }
        let auth = self.watches.auth().store();
        for (id, owned) in &self.owned {
            if let Err(denial) = owned.judge(&auth)
                && self.denied.insert(*id, denial).is_none()
            {
                self.ending.push(*id);
            }
        }
        self.end_denied();
        Ok(())
    }

    /// Tells the hub of watchers that have ended, as far as it has room.
    fn end_denied(&mut self) {
        if !self.ending.is_empty() {
            let mut hub = self.watches.hub();
            self.ending.retain(|id| hub.cancel(self.id, *id).is_err());
        }
    }

    /// What of a response of the hub the client may see.
    fn sift(&mut self, response: Outgoing) -> Option<Streamed> {
        match response {
            Outgoing::Created { id, .. } => {
                if let Some(Pending::Owned(owned)) = self.pending.pop_front() {
                    self.own(id, owned);
                }
            }
            Outgoing::Rejected { .. } => drop(self.pending.pop_front()),
            Outgoing::Events { id, .. }
            | Outgoing::Progress { id: Some(id), .. }
            | Outgoing::Compacted { id, .. }
                if self.denied.contains_key(&id) =>
            {
                return None;
            }
            Outgoing::Canceled { id, revision } => {
                self.owned.remove(&id);
                if let Some(denial) = self.denied.remove(&id) {
                    let id = Some(id);
                    return Some(Streamed::Denied { id, denial, revision });
                }
            }
            Outgoing::Compacted { id, .. } => {
                self.owned.remove(&id);
            }
            Outgoing::Events { .. } | Outgoing::Progress { .. } => {}
        }
        Some(Streamed::Response(response))
    }

    /// Takes note of a watcher, which auth may have changed for since it was created.
    fn own(&mut self, id: WatchId, owned: Owned) {
        let auth = self.watches.auth().store();
        if auth.is_enabled()
            && let Err(denial) = owned.judge(&auth)
        {
            self.denied.insert(id, denial);
            self.ending.push(id);
        }
        self.owned.insert(id, owned);
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.watches.close_stream(self.id);
    }
}
