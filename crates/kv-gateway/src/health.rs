//! Whether the member is well: `/health`, `/livez` and `/readyz`.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use kv_mvcc::RangeRequest;
use kv_server::{Alarm, AlarmKind, RequestError, Server};
use kv_types::KeyRange;
use serde::Serialize;

use crate::page::{Page, TEXT, error, page};

/// The query of a request, as pairs; a name alone has an empty value.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[derive(Serialize)]
struct Health {
    health: &'static str,
    reason: String,
}

/// Answers `/health`: first the alarms that the query does not exclude, then the leader, then a read. With `serializable=true` only the member itself is asked.
pub(crate) async fn health(server: &Server, query: &str, counts: &HealthCounts) -> Page {
    let serializable = pairs(query).any(|pair| pair == ("serializable", "true"));
    let alarm = standing_alarm(&server.local_alarms(), query);
    let reason = if let Some(alarm) = alarm {
        Err(format!("ALARM {}", alarm.name()))
    } else if !serializable && server.leader().is_none() {
        Err("RAFT NO LEADER".to_owned())
    } else {
        read(server, serializable)
            .await
            .map_err(|error| format!("RANGE ERROR:{error}"))
    };
    counts.health(reason.is_ok());
    let health = match &reason {
        Ok(()) => Health {
            health: "true",
            reason: String::new(),
        },
        Err(reason) => Health {
            health: "false",
            reason: reason.clone(),
        },
    };
    let body = serde_json::to_string(&health).expect("a struct of strings has a JSON form");
    match reason {
        Ok(()) => page(TEXT, body),
        Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, &body),
    }
}

/// The first alarm that is raised and not excluded.
fn standing_alarm(alarms: &[Alarm], query: &str) -> Option<AlarmKind> {
    let is_excluded = |kind: AlarmKind| pairs(query).any(|pair| pair == ("exclude", kind.name()));
    let mut kinds = alarms.iter().map(|alarm| alarm.kind);
    kinds.find(|kind| !is_excluded(*kind))
}

/// Reads one key; the error is the text that a client would see.
async fn read(server: &Server, serializable: bool) -> Result<(), String> {
    let request = RangeRequest {
        limit: 1,
        keys_only: true,
        ..RangeRequest::new(KeyRange::all())
    };
    // Whoever asks after the health need not be a user.
    let server = server.with_credentials(kv_server::Credentials::Member);
    let result = server.range(request, serializable).await;
    result
        .map(|_| ())
        .map_err(|error: RequestError| kv_grpc::status(error).message().to_owned())
}

/// A part of being well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// What the member has is not known to be damaged: damage that it sees itself stops the process, so that one
    /// that answers is fine unless an alarm says that members differ.
    DataCorruption,
    /// The member can read its own state.
    SerializableRead,
    /// A quorum confirms what the member reads.
    LinearizableRead,
    /// The member has a vote.
    NonLearner,
}

impl Check {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DataCorruption => "data_corruption",
            Self::SerializableRead => "serializable_read",
            Self::LinearizableRead => "linearizable_read",
            Self::NonLearner => "non_learner",
        }
    }

    async fn run(self, server: &Server) -> Result<(), String> {
        match self {
            Self::DataCorruption => not_corrupt(&server.local_alarms()),
            Self::SerializableRead => read(server, true).await,
            Self::LinearizableRead => read(server, false).await,
            Self::NonLearner if server.status().learner => Err("not supported for learner".to_owned()),
            Self::NonLearner => Ok(()),
        }
    }
}

fn not_corrupt(alarms: &[Alarm]) -> Result<(), String> {
    let kind = AlarmKind::Corrupt;
    if alarms.iter().any(|alarm| alarm.kind == kind) {
        return Err(format!("alarm activated: {}", kind.name()));
    }
    Ok(())
}

/// What the checks are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Is the process alive, or should it be restarted?
    Live,
    /// Should it get requests?
    Ready,
}

impl Probe {
    pub(crate) const ALL: [Self; 2] = [Self::Live, Self::Ready];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "livez",
            Self::Ready => "readyz",
        }
    }

    pub(crate) fn checks(self) -> &'static [Check] {
        match self {
            Self::Live => &[Check::SerializableRead],
            Self::Ready => &[
                Check::DataCorruption,
                Check::SerializableRead,
                Check::LinearizableRead,
                Check::NonLearner,
            ],
        }
    }

    /// The checks a path asks for: `/readyz` all that the query does not exclude, `/readyz/<check>` that one.
    fn select(self, path: &str, query: &str) -> Option<Vec<Check>> {
        let rest = path.strip_prefix('/')?.strip_prefix(self.name())?;
        let checks = self.checks().iter().copied();
        if let Some(name) = rest.strip_prefix('/') {
            return checks
                .into_iter()
                .find(|check| check.name() == name)
                .map(|check| vec![check]);
        }
        let excluded = |check: &Check| pairs(query).any(|pair| pair == ("exclude", check.name()));
        rest.is_empty()
            .then(|| checks.filter(|check| !excluded(check)).collect())
    }

    /// The probe of a path, with the checks it asks for.
    pub(crate) fn find(path: &str, query: &str) -> Option<(Self, Vec<Check>)> {
        Self::ALL
            .into_iter()
            .find_map(|probe| Some((probe, probe.select(path, query)?)))
    }
}

/// Answers `/livez` and `/readyz`. Without `verbose` a good answer does not list the checks.
pub(crate) async fn probe(
    server: &Server,
    probe: Probe,
    checks: Vec<Check>,
    query: &str,
    counts: &HealthCounts,
) -> Page {
    let mut results = Vec::new();
    for check in checks {
        let result = check.run(server).await;
        counts.check(probe, check, result.is_ok());
        results.push((check, result));
    }
    answer(&results, pairs(query).any(|(name, _)| name == "verbose"))
}

fn answer(results: &[(Check, Result<(), String>)], verbose: bool) -> Page {
    let lines: String = results
        .iter()
        .map(|(check, result)| match result {
            Ok(()) => format!("[+]{} ok\n", check.name()),
            Err(error) => format!("[-]{} failed: {error}\n", check.name()),
        })
        .collect();
    if results.iter().any(|(_, result)| result.is_err()) {
        return error(StatusCode::SERVICE_UNAVAILABLE, &lines);
    }
    let mut page = page(
        TEXT,
        if verbose {
            lines + "ok\n"
        } else {
            "ok\n".to_owned()
        },
    );
    page.headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    page
}

/// Counts the outcomes of health checks.
#[derive(Debug, Default)]
pub(crate) struct HealthCounts {
    health: Outcomes,
    live: [Outcomes; 1],
    ready: [Outcomes; 4],
}

/// How often something went well and badly, and how it went last.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    good: AtomicU64,
    bad: AtomicU64,
    last: AtomicU64,
}

impl Outcomes {
    fn count(&self, good: bool) {
        let counter = if good { &self.good } else { &self.bad };
        counter.fetch_add(1, Ordering::Relaxed);
        self.last.store(u64::from(good), Ordering::Relaxed);
    }

    pub(crate) fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    pub(crate) fn bad(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }

    /// 1 if it went well last, else 0.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}

impl HealthCounts {
    fn health(&self, good: bool) {
        self.health.count(good);
    }

    fn check(&self, probe: Probe, check: Check, good: bool) {
        for (counted, outcomes) in self.checks(probe) {
            if counted == check {
                outcomes.count(good);
            }
        }
    }

    /// The outcomes of `/health`.
    pub(crate) fn of_health(&self) -> &Outcomes {
        &self.health
    }

    /// The outcomes of a probe's checks.
    pub(crate) fn checks(&self, probe: Probe) -> impl Iterator<Item = (Check, &Outcomes)> {
        let outcomes = match probe {
            Probe::Live => &self.live[..],
            Probe::Ready => &self.ready[..],
        };
        probe.checks().iter().copied().zip(outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_select_checks() {
        let select = |path, query| {
            Probe::find(path, query).map(|(probe, checks)| {
                (
                    probe.name(),
                    checks.into_iter().map(Check::name).collect::<Vec<_>>().join(" "),
                )
            })
        };
        let all = "data_corruption serializable_read linearizable_read non_learner";
        assert_eq!(select("/livez", ""), Some(("livez", "serializable_read".into())));
        assert_eq!(select("/readyz", "verbose"), Some(("readyz", all.into())));
        assert_eq!(select("/readyz", "exclude=nothing"), Some(("readyz", all.into())));
        assert_eq!(
            select("/readyz", "exclude=data_corruption&exclude=non_learner"),
            Some(("readyz", "serializable_read linearizable_read".into()))
        );
        assert_eq!(
            select("/readyz/non_learner", "exclude=non_learner"),
            Some(("readyz", "non_learner".into()))
        );
        assert_eq!(select("/livez/", ""), None);
        assert_eq!(select("/livez/non_learner", ""), None);
        assert_eq!(select("/readyzz", ""), None);
    }

    #[test]
    fn alarms_stand_unless_they_are_excluded() {
        let member = kv_types::MemberId::new(1);
        let alarm = |kind| Alarm { kind, member };
        let (full, corrupt) = (alarm(AlarmKind::NoSpace), alarm(AlarmKind::Corrupt));
        assert_eq!(standing_alarm(&[], ""), None);
        assert_eq!(
            standing_alarm(&[full], "serializable=true"),
            Some(AlarmKind::NoSpace)
        );
        assert_eq!(standing_alarm(&[full], "exclude=NOSPACE"), None);
        assert_eq!(
            standing_alarm(&[full, corrupt], "exclude=NOSPACE&exclude=x"),
            Some(AlarmKind::Corrupt)
        );
        assert_eq!(not_corrupt(&[full]), Ok(()));
        assert_eq!(
            not_corrupt(&[corrupt]),
            Err("alarm activated: CORRUPT".to_owned())
        );
    }

    #[test]
    fn a_failed_check_shows_all_of_them() {
        let good = [(Check::SerializableRead, Ok(()))];
        assert_eq!(answer(&good, false).body(), "ok\n");
        assert_eq!(answer(&good, true).body(), "[+]serializable_read ok\nok\n");
        let bad = [
            (Check::SerializableRead, Ok(())),
            (
                Check::LinearizableRead,
                Err("etcdserver: request timed out".to_owned()),
            ),
        ];
        let page = answer(&bad, false);
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            page.body(),
            "[+]serializable_read ok\n[-]linearizable_read failed: etcdserver: request timed out\n\n"
        );
    }

    #[test]
    fn each_probe_has_a_counter_for_each_check() {
        let counts = HealthCounts::default();
        for probe in Probe::ALL {
            assert_eq!(counts.checks(probe).count(), probe.checks().len());
        }
        counts.check(Probe::Ready, Check::NonLearner, true);
        counts.check(Probe::Ready, Check::NonLearner, false);
        let (_, outcomes) = counts.checks(Probe::Ready).last().unwrap();
        assert_eq!((outcomes.good(), outcomes.bad(), outcomes.last()), (1, 1, 0));
    }
}
