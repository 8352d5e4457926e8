//! Watchers that outlive the connection they were made on.

use std::time::Duration;

use kv_client::kv_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use kv_client::{Client, ClientError, Watch};
use tokio::time::sleep;
use tonic::{Code, Status};

use super::{Asked, hook};
use crate::failure::{Failure, describe};
use crate::print::{Page, Seen, Style};

/// Pause before another try to reach a server.
const PAUSE: Duration = Duration::from_millis(500);
/// The ID in a response that is meant for all watchers, or for one that was refused.
const NO_WATCHER: i64 = -1;

const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
const FUTURE_REVISION: &str = "etcdserver: mvcc: required revision is a future revision";
const NO_LEADER: &str = "etcdserver: no leader";

/// Watchers on one stream, which is made anew when it breaks. Each goes on behind the last event it has shown, so
/// that nothing is missed or shown twice.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    style: Style,
    watchers: Vec<Watcher>,
    stream: Option<Watch>,
    /// Requests that wait to be sent on the stream.
    pending: Vec<Pending>,
    is_outage_told: bool,
}

#[derive(Debug)]
struct Watcher {
    id: i64,
    asked: Asked,
    is_created: bool,
}

impl Watcher {
    fn request(&self) -> WatchCreateRequest {
        WatchCreateRequest {
            watch_id: self.id,
            ..self.asked.request.clone()
        }
    }
}

#[derive(Debug)]
enum Pending {
    Create(i64),
    Progress,
}

impl Session {
    pub(crate) fn new(client: Client, style: Style) -> Self {
        Self {
            client,
            style,
            watchers: Vec::new(),
            stream: None,
            pending: Vec::new(),
            is_outage_told: false,
        }
    }

    /// Adds a watcher. It starts with the next step.
    pub(crate) fn watch(&mut self, asked: Asked) {
        let id = self.watchers.iter().map(|watcher| watcher.id).max().unwrap_or(0) + 1;
        self.watchers.push(Watcher {
            id,
            asked,
            is_created: false,
        });
        self.pending.push(Pending::Create(id));
    }

    /// Asks how far all watchers have come, with the next step.
    pub(crate) fn ask_for_progress(&mut self) {
        self.pending.push(Pending::Progress);
    }

    /// Whether there is a watcher left.
    pub(crate) fn is_watching(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// Sends what is pending, and waits for a response; there may be none if the stream had to be made anew. May be
    /// dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub(crate) async fn next(&mut self) -> Result<Option<WatchResponse>, Failure> {
        if self.stream.is_none() {
            return self.connect().await.map(|()| None);
        }
        while let (Some(stream), Some(next)) = (&self.stream, self.pending.first()) {
            let sent = match next {
                Pending::Progress => stream.request_progress().await,
                Pending::Create(id) => match self.watchers.iter().find(|watcher| watcher.id == *id) {
                    Some(watcher) => stream.create(watcher.request()).await,
                    None => Ok(()),
                },
            };
            match sent {
                Ok(()) => self.pending.remove(0),
                Err(error) => return self.lose(&error).await.map(|()| None),
            };
        }
        let received = match &mut self.stream {
            Some(stream) => stream.next().await,
            None => return Ok(None),
        };
        match received {
            Ok(Some(response)) => Ok(Some(response)),
            Ok(None) => self.lose(&ClientError::Closed).await.map(|()| None),
            Err(error) => self.lose(&error).await.map(|()| None),
        }
    }

    /// Opens the stream with the first watcher, and has the others made on it.
    async fn connect(&mut self) -> Result<(), Failure> {
        let Some(first) = self.watchers.first() else {
            return Ok(());
        };
        match self.client.watch_requiring_leader(first.request()).await {
            Ok(stream) => {
                self.stream = Some(stream);
                self.is_outage_told = false;
                self.pending
                    .retain(|pending| matches!(pending, Pending::Progress));
                let others = self
                    .watchers
                    .iter()
                    .skip(1)
                    .map(|watcher| Pending::Create(watcher.id));
                self.pending.splice(..0, others);
                for watcher in &mut self.watchers {
                    watcher.is_created = false;
                }
                Ok(())
            }
            Err(error) => self.lose(&error).await,
        }
    }

    /// Gives up the stream; and the watchers too, if another stream would not help.
    async fn lose(&mut self, error: &ClientError) -> Result<(), Failure> {
        self.stream = None;
        if !is_worth_another_try(error) {
            for watcher in std::mem::take(&mut self.watchers) {
                let response = WatchResponse {
                    watch_id: watcher.id,
                    canceled: true,
                    ..Default::default()
                };
                self.tell_canceled(response, &describe(error))?;
            }
            return Ok(());
        }
        if !self.is_outage_told {
            eprintln!("Warning: cannot watch ({}), trying again", describe(error));
            self.is_outage_told = true;
        }
        sleep(PAUSE).await;
        Ok(())
    }

    /// Shows a response to whom it is for, and runs their commands.
    ///
    /// # Errors
    /// Output that cannot be written, a command that fails.
    pub(crate) async fn show(&mut self, response: WatchResponse) -> Result<(), Failure> {
        if response.canceled {
            return self.cancel(response);
        }
        if response.created {
            if let Some(watcher) = self.watcher(response.watch_id) {
                watcher.is_created = true;
                let revision = response.header.map_or(0, |header| header.revision);
                let start = &mut watcher.asked.request.start_revision;
                *start = if *start == 0 { revision + 1 } else { *start };
            }
            return Ok(());
        }
        if response.watch_id == NO_WATCHER {
            let everyone: Vec<i64> = self.watchers.iter().map(|watcher| watcher.id).collect();
            for id in everyone {
                self.show_to(id, response.clone()).await?;
            }
            return Ok(());
        }
        self.show_to(response.watch_id, response).await
    }

    async fn show_to(&mut self, id: i64, response: WatchResponse) -> Result<(), Failure> {
        let style = self.style;
        let Some(watcher) = self.watcher(id) else {
            return Ok(());
        };
        let revision = response.header.map_or(0, |header| header.revision);
        if let Some(newest) = newest_revision(&response) {
            watcher.asked.request.start_revision = newest + 1;
        }
        if response.events.is_empty() && revision != 0 {
            let mut page = Page::default();
            page.line(format!("progress notify: {revision}"));
            page.print()?;
        }
        let hook = watcher.asked.hook.clone();
        let seen = Seen(response);
        style.render(&seen).print()?;
        for event in &seen.0.events {
            hook::run(&hook, revision, event).await?;
        }
        Ok(())
    }

    /// A watcher is over: by its ID, or the oldest one that was not made yet if it was refused.
    fn cancel(&mut self, response: WatchResponse) -> Result<(), Failure> {
        let is_meant = |watcher: &Watcher| match response.watch_id {
            NO_WATCHER => !watcher.is_created,
            id => watcher.id == id,
        };
        if let Some(index) = self.watchers.iter().position(is_meant) {
            self.watchers.remove(index);
            let reason = cancel_reason(&response);
            self.tell_canceled(response, &reason)?;
        }
        Ok(())
    }

    fn tell_canceled(&self, response: WatchResponse, reason: &str) -> Result<(), Failure> {
        eprintln!("watch was canceled ({reason})");
        self.style.render(&Seen(response)).print()
    }

    fn watcher(&mut self, id: i64) -> Option<&mut Watcher> {
        self.watchers.iter_mut().find(|watcher| watcher.id == id)
    }
}

/// The revision of the last event.
fn newest_revision(response: &WatchResponse) -> Option<i64> {
    let pairs = response.events.iter().filter_map(|event| event.kv.as_ref());
    pairs.map(|pair| pair.mod_revision).max()
}

fn cancel_reason(response: &WatchResponse) -> String {
    if response.compact_revision != 0 {
        COMPACTED.to_owned()
    } else if response.cancel_reason.is_empty() {
        FUTURE_REVISION.to_owned()
    } else {
        describe(&Status::failed_precondition(&response.cancel_reason).into())
    }
}

/// Whether a stream that ended this way may do better on another connection.
fn is_worth_another_try(error: &ClientError) -> bool {
    match error {
        ClientError::Status(status) if status.message() == NO_LEADER => false,
        ClientError::Status(status) => is_passing(status),
        _ => true,
    }
}

fn is_passing(status: &Status) -> bool {
    // What tonic makes of a connection that breaks in the middle of a stream is not always "unavailable".
    matches!(status.code(), Code::Unavailable | Code::Internal)
        || (status.code() == Code::Unknown && std::error::Error::source(status).is_some())
}

#[cfg(test)]
mod tests {
    use kv_client::kv_proto::mvccpb::{Event, KeyValue};

    use super::*;

    #[test]
    fn a_canceled_watch_says_why() {
        let canceled = |compact_revision, reason: &str| WatchResponse {
            canceled: true,
            compact_revision,
            cancel_reason: reason.to_owned(),
            ..Default::default()
        };
        assert_eq!(cancel_reason(&canceled(5, "")), COMPACTED);
        assert_eq!(cancel_reason(&canceled(0, "")), FUTURE_REVISION);
        let denied = "etcdserver: permission denied";
        assert_eq!(cancel_reason(&canceled(0, denied)), denied);
        let want = "rpc error: code = FailedPrecondition desc = other";
        assert_eq!(cancel_reason(&canceled(0, "other")), want);
    }

    #[test]
    fn a_watcher_goes_on_behind_its_last_event() {
        let event = |mod_revision| Event {
            kv: Some(KeyValue {
                mod_revision,
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut response = WatchResponse::default();
        assert_eq!(newest_revision(&response), None);
        response.events = vec![event(7), event(8)];
        assert_eq!(newest_revision(&response), Some(8));
    }

    #[test]
    fn a_lost_leader_ends_the_watch_and_a_lost_connection_does_not() {
        assert!(!is_worth_another_try(&Status::unavailable(NO_LEADER).into()));
        assert!(!is_worth_another_try(&Status::permission_denied("no").into()));
        assert!(is_worth_another_try(
            &Status::unavailable("connection lost").into()
        ));
        assert!(is_worth_another_try(&ClientError::Closed));
    }
}
