use proptest::prelude::*;

use super::*;

const EXTEND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn id(value: i64) -> LeaseId {
    LeaseId::new(value)
}

fn promoted(leases: &[(i64, i64)], now: Duration) -> Expiry {
    let mut expiry = Expiry::new();
    expiry.promote(leases.iter().map(|(lease, ttl)| (id(*lease), *ttl)), now, EXTEND);
    expiry
}

#[test]
fn a_member_that_is_not_promoted_gives_no_answer() {
    let mut expiry = Expiry::new();
    expiry.granted(id(1), 1, at(0));
    assert_eq!(expiry.renew(id(1), at(0)), Err(Demoted));
    assert_eq!(expiry.remaining(id(1), at(0)), Err(Demoted));
    assert_eq!(expiry.by_end(), Err(Demoted));
    assert!(expiry.expired(at(100_000), 10).is_empty());
    expiry.promote([(id(1), 5)], at(0), EXTEND);
    assert!(expiry.is_promoted());
    expiry.demote();
    assert_eq!(expiry.renew(id(1), at(0)), Err(Demoted));
    assert!(expiry.expired(at(100_000), 10).is_empty());
}

#[test]
fn promotion_gives_every_lease_its_full_time_and_the_extension() {
    let mut expiry = promoted(&[(1, 5), (2, 2)], at(1000));
    assert_eq!(expiry.remaining(id(1), at(1000)), Ok(Some(at(6000))));
    assert!(expiry.expired(at(3999), 10).is_empty());
    assert_eq!(expiry.expired(at(4000), 10), [id(2)]);
    assert_eq!(expiry.expired(at(7000), 1), [id(1)], "one waits for its retry");
}

#[test]
fn a_renewed_lease_lives_for_its_granted_time_from_then_on() {
    let mut expiry = promoted(&[], at(0));
    expiry.granted(id(1), 2, at(0));
    assert_eq!(
        expiry.renew(id(1), at(1999)),
        Ok(Renewal::Renewed { ttl_seconds: 2 })
    );
    assert!(expiry.expired(at(3998), 10).is_empty());
    assert_eq!(expiry.remaining(id(1), at(3000)), Ok(Some(at(999))));
    assert_eq!(expiry.expired(at(3999), 10), [id(1)]);
}

#[test]
fn an_expired_lease_is_not_revived() {
    let mut expiry = promoted(&[], at(0));
    expiry.granted(id(1), 2, at(0));
    assert_eq!(expiry.renew(id(1), at(2000)), Ok(Renewal::Expired));
    assert_eq!(expiry.remaining(id(1), at(2500)), Ok(Some(Duration::ZERO)));
    assert_eq!(expiry.expired(at(2000), 10), [id(1)]);
    assert_eq!(expiry.renew(id(1), at(2001)), Ok(Renewal::Expired));
    expiry.revoked(id(1));
    assert_eq!(expiry.renew(id(1), at(2002)), Ok(Renewal::Unknown));
    assert_eq!(expiry.remaining(id(1), at(2002)), Ok(None));
}

#[test]
fn a_revoke_in_flight_is_repeated_only_after_a_while() {
    let mut expiry = promoted(&[], at(0));
    expiry.granted(id(1), 2, at(0));
    assert_eq!(expiry.expired(at(2000), 10), [id(1)]);
    assert!(expiry.expired(at(4999), 10).is_empty());
    assert_eq!(expiry.expired(at(5000), 10), [id(1)]);
    expiry.revoked(id(1));
    assert!(expiry.expired(at(50_000), 10).is_empty());
}

#[test]
fn the_longest_overdue_come_first_and_no_more_than_asked_for() {
    let mut expiry = promoted(&[(1, 9), (2, 3), (3, 5), (4, 7)], at(0));
    assert_eq!(expiry.by_end(), Ok(vec![id(2), id(3), id(4), id(1)]));
    assert_eq!(expiry.expired(at(60_000), 3), [id(2), id(3), id(4)]);
    assert_eq!(expiry.expired(at(60_000), 3), [id(1)]);
    assert_eq!(expiry.by_end(), Ok(vec![id(2), id(3), id(4), id(1)]));
}

#[test]
fn a_time_to_live_of_any_size_is_survived() {
    let mut expiry = promoted(&[(1, i64::MAX), (2, i64::MIN), (3, 0)], at(0));
    assert_eq!(expiry.expired(EXTEND, 10), [id(2), id(3)]);
    assert_eq!(
        expiry.renew(id(1), at(1)),
        Ok(Renewal::Renewed {
            ttl_seconds: i64::MAX
        })
    );
}

#[test]
fn leases_that_would_end_together_are_spread_out_at_promotion() {
    let leases: Vec<_> = (0..3500).map(|lease| (lease, 10)).collect();
    let mut expiry = promoted(&leases, at(0));
    assert_eq!(expiry.expired(at(11_000), 9999).len(), 1000);
    assert_eq!(expiry.remaining(id(1500), at(11_000)), Ok(Some(SECOND)));
    assert_eq!(expiry.remaining(id(3499), at(11_000)), Ok(Some(3 * SECOND)));
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Grant(i64, i64),
    Renew(i64),
    Revoke(i64),
    Expire(usize),
    Promote(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..1500u64).prop_map(Step::Wait),
        (0..8i64, 1..6i64).prop_map(|(lease, ttl)| Step::Grant(lease, ttl)),
        (0..8i64).prop_map(Step::Renew),
        (0..8i64).prop_map(Step::Revoke),
        (0..4usize).prop_map(Step::Expire),
        (0..2000u64).prop_map(Step::Promote),
    ]
}

proptest! {
    /// The model keeps, of each lease, its time to live, its end and when it was last offered.
    #[test]
    fn leases_end_never_early_and_always_in_the_end(steps in prop::collection::vec(step(), 0..120)) {
        let mut expiry = promoted(&[], at(0));
        let mut now = Duration::ZERO;
        let mut model: BTreeMap<LeaseId, (i64, Duration, Option<Duration>)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Wait(millis) => now += at(millis),
                Step::Grant(lease, ttl) => {
                    model.entry(id(lease)).or_insert_with(|| {
                        expiry.granted(id(lease), ttl, now);
                        (ttl, now + seconds(ttl), None)
                    });
                }
                Step::Renew(lease) => {
                    let expected = match model.get_mut(&id(lease)) {
                        None => Renewal::Unknown,
                        Some((_, end, _)) if *end <= now => Renewal::Expired,
                        Some((ttl, end, _)) => {
                            *end = now + seconds(*ttl);
                            Renewal::Renewed { ttl_seconds: *ttl }
                        }
                    };
                    prop_assert_eq!(expiry.renew(id(lease), now), Ok(expected));
                }
                Step::Revoke(lease) => {
                    expiry.revoked(id(lease));
                    model.remove(&id(lease));
                }
                Step::Expire(max) => {
                    let due = |(_, end, offered): &(i64, Duration, Option<Duration>)| {
                        offered.map_or(*end, |offered| offered + REVOKE_RETRY)
                    };
                    let mut expected: Vec<_> = model
                        .iter()
                        .map(|(lease, entry)| (due(entry), *lease))
                        .filter(|(due, _)| *due <= now)
                        .collect();
                    expected.sort();
                    expected.truncate(max);
                    let expected: Vec<_> = expected.into_iter().map(|(_, lease)| lease).collect();
                    let offered = expiry.expired(now, max);
                    prop_assert_eq!(&offered, &expected);
                    for lease in offered {
                        model.get_mut(&lease).unwrap().2 = Some(now);
                    }
                }
                Step::Promote(extend) => {
                    expiry.promote(model.iter().map(|(lease, entry)| (*lease, entry.0)), now, at(extend));
                    for (ttl, end, offered) in model.values_mut() {
                        *end = now + at(extend) + seconds(*ttl);
                        *offered = None;
                    }
                }
            }
            for (lease, (_, end, _)) in &model {
                prop_assert_eq!(expiry.remaining(*lease, now), Ok(Some(end.saturating_sub(now))));
            }
        }
        let all: BTreeSet<_> = model.keys().copied().collect();
        let ended: BTreeSet<_> = expiry.expired(now + at(20_000), 100).into_iter().collect();
        prop_assert_eq!(ended, all);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// However leases lie in time, they are offered at no more than the stated rate, and all of them.
    #[test]
    fn a_storm_of_expiries_is_offered_at_a_bounded_rate(
        ttls in prop::collection::vec(0..4i64, 2000..5000),
        pace in 50..900u64,
    ) {
        let mut expiry = Expiry::new();
        let leases = ttls.iter().zip(0..).map(|(ttl, lease)| (id(lease), *ttl));
        expiry.promote(leases.clone(), at(0), EXTEND);
        let mut late: Vec<Duration> = Vec::new();
        let mut now = at(0);
        while !expiry.leases.is_empty() {
            prop_assert!(now < at(60_000));
            for lease in expiry.expired(now, usize::MAX) {
                prop_assert!(now >= EXTEND + seconds(ttls[usize::try_from(lease.get()).unwrap()]));
                expiry.revoked(lease);
                late.push(now);
            }
            now += at(pace);
        }
        for pair in late.windows(OFFERS_PER_SECOND_MAX + 1) {
            prop_assert!(pair[OFFERS_PER_SECOND_MAX] - pair[0] >= SECOND);
        }
    }
}
