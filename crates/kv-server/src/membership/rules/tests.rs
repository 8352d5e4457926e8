use super::*;

/// A cluster in a few words: `s` started, `u` unstarted, `d` started and away, `n` started and new to the network;
/// capital letters are learners. Members count from 1; the first one leads.
struct Cluster {
    members: Vec<Member>,
    connected: BTreeMap<MemberId, Duration>,
    matched: BTreeMap<MemberId, Option<LogIndex>>,
    removed: BTreeSet<MemberId>,
}

fn id(id: usize) -> MemberId {
    MemberId::new(id as u64)
}

impl Cluster {
    fn of(words: &str) -> Self {
        let mut cluster = Self {
            members: Vec::new(),
            connected: BTreeMap::new(),
            matched: BTreeMap::new(),
            removed: BTreeSet::from([id(99)]),
        };
        for (place, letter) in words.chars().enumerate() {
            let id = id(place + 1);
            let started = !letter.eq_ignore_ascii_case(&'u');
            cluster.members.push(Member {
                id,
                name: if started { format!("m{id}") } else { String::new() },
                peer_urls: vec![format!("http://h:{id}")],
                client_urls: Vec::new(),
                learner: letter.is_ascii_uppercase(),
            });
            let connected = match letter.to_ascii_lowercase() {
                's' => Some(Duration::from_secs(60)),
                'n' => Some(Duration::from_secs(4)),
                _ => None,
            };
            cluster.connected.extend(connected.map(|time| (id, time)));
            let matched = started.then(|| LogIndex::new(900));
            cluster.matched.insert(id, matched);
        }
        cluster
    }

    fn situation(&self, last: u64) -> Situation<'_> {
        Situation {
            me: id(1),
            members: &self.members,
            removed: &self.removed,
            connected: &self.connected,
            matched: &self.matched,
            last: LogIndex::new(last),
            max_learners: 1,
        }
    }

    fn quorum(&self, change: &MemberChange) -> Result<(), MemberError> {
        check_quorum(change, &self.situation(1000), true)
    }

    fn request(&self, change: &MemberChange) -> Result<(), MemberError> {
        check_request(change, &self.situation(1000))
    }
}

fn add(new: usize, url: &str, learner: bool) -> MemberChange {
    MemberChange::Add {
        id: id(new),
        peer_urls: vec![url.into()],
        learner,
    }
}

use MemberError::{
    IdExists, LearnerNotReady, NotEnoughStarted, NotFound, NotLearner, PeerUrlsExist, TooManyLearners,
    Unhealthy,
};

#[test]
fn adding_needs_started_and_connected_voters() {
    for (words, voter, learner) in [
        ("s", Ok(()), Ok(())),
        // The first may grow to two at any time, but not on to three before the second has come.
        ("su", Err(NotEnoughStarted), Err(Unhealthy)),
        ("ss", Ok(()), Ok(())),
        ("sss", Ok(()), Ok(())),
        ("ssd", Err(Unhealthy), Err(Unhealthy)),
        ("ssn", Err(Unhealthy), Err(Unhealthy)),
        ("ssu", Err(NotEnoughStarted), Err(Unhealthy)),
        ("sssd", Ok(()), Ok(())),
        ("sssu", Ok(()), Ok(())),
        // Learners do not count.
        ("sSS", Ok(()), Ok(())),
    ] {
        let cluster = Cluster::of(words);
        assert_eq!(cluster.quorum(&add(9, "http://new:1", false)), voter, "{words}");
        assert_eq!(cluster.quorum(&add(9, "http://new:1", true)), learner, "{words}");
        let lax = check_quorum(&add(9, "http://new:1", false), &cluster.situation(1000), false);
        assert_eq!(lax, Ok(()), "{words}");
    }
}

#[test]
fn removing_leaves_a_quorum_that_works() {
    for (words, gone, expected) in [
        ("s", 1, Err(NotEnoughStarted)),
        ("ss", 2, Ok(())),
        ("sd", 2, Ok(())),
        ("sd", 1, Err(Unhealthy)),
        ("su", 1, Err(NotEnoughStarted)),
        ("sss", 1, Ok(())),
        ("ssd", 3, Ok(())),
        ("ssd", 2, Err(Unhealthy)),
        ("ssn", 2, Err(Unhealthy)),
        ("suu", 3, Err(NotEnoughStarted)),
        ("sddS", 4, Ok(())),
        ("sss", 7, Ok(())),
    ] {
        let change = MemberChange::Remove(id(gone));
        assert_eq!(Cluster::of(words).quorum(&change), expected, "{words} {gone}");
    }
}

#[test]
fn a_learner_is_promoted_when_it_has_nine_tenths_of_the_log() {
    let cluster = Cluster::of("ssS");
    let promote = MemberChange::Promote(id(3));
    for (last, expected) in [(1000, Ok(())), (1001, Err(LearnerNotReady))] {
        assert_eq!(check_quorum(&promote, &cluster.situation(last), true), expected);
    }
    let unstarted = Cluster::of("sU").quorum(&MemberChange::Promote(id(2)));
    assert_eq!(unstarted, Err(LearnerNotReady));
    assert_eq!(cluster.quorum(&MemberChange::Promote(id(7))), Err(NotFound));
    let promote = MemberChange::Promote(id(4));
    assert_eq!(Cluster::of("suuS").quorum(&promote), Err(NotEnoughStarted));
    let situation = Cluster::of("suuS");
    assert_eq!(check_quorum(&promote, &situation.situation(1000), false), Ok(()));
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let cluster = Cluster::of("ssS");
    let update = |member, url: &str| MemberChange::Update {
        id: id(member),
        peer_urls: vec![url.into()],
    };
    for (change, expected) in [
        (add(9, "http://new:1", false), Ok(())),
        (add(9, "http://new:1", true), Err(TooManyLearners)),
        (add(9, "http://h:2", false), Err(PeerUrlsExist)),
        (add(2, "http://new:1", false), Err(IdExists)),
        (add(99, "http://new:1", false), Err(NotFound)),
        (MemberChange::Remove(id(2)), Ok(())),
        (MemberChange::Remove(id(9)), Err(NotFound)),
        (MemberChange::Remove(id(99)), Err(NotFound)),
        (update(2, "http://h:2"), Ok(())),
        (update(2, "http://new:1"), Ok(())),
        (update(2, "http://h:1"), Err(PeerUrlsExist)),
        (update(9, "http://new:1"), Err(NotFound)),
        (MemberChange::Promote(id(3)), Ok(())),
        (MemberChange::Promote(id(2)), Err(NotLearner)),
        (MemberChange::Promote(id(9)), Err(NotFound)),
    ] {
        assert_eq!(cluster.request(&change), expected, "{change:?}");
    }
}
