use kv_types::{Revision, RowRevision};

use super::VersionMeta;
use crate::cow_tree::{CowTree, Weight};

/// The kept versions of all keys that are not the newest of their key: under the revision of each version the
/// one it took the place of. So they form a chain for each key, from its newest version down.
///
/// What happens is added at the end, where a copy for a reader is cheapest.
#[derive(Clone, Debug, Default)]
pub(super) struct Superseded {
    links: CowTree<RowRevision, Link>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    version: VersionMeta,
    // Another version further down the chain, or zero. A key that is written all the time, like a leader
    // election's, may have very many versions between two compactions.
    jump: RowRevision,
}

/// Links are only looked up.
impl Weight for Link {
    fn weight(&self) -> u64 {
        0
    }
}

/// Chains shorter than this are walked step by step.
const JUMP_DEPTH_MIN: u32 = 32;

const NO_JUMP: RowRevision = RowRevision::first_of(Revision::ZERO);

/// Where the newest version that a compaction keeps or drops is.
pub(super) struct Found {
    pub(super) version: VersionMeta,
    /// The version just above it; none if it is the key's newest.
    above: Option<RowRevision>,
}

impl Superseded {
    /// Notes that the version at `at` took the place of `before`.
    pub(super) fn push(&mut self, at: RowRevision, before: VersionMeta) {
        let jump = if before.depth() < JUMP_DEPTH_MIN {
            NO_JUMP
        } else {
            self.jump(&before)
        };
        self.links.insert(
            at,
            Link {
                version: before,
                jump,
            },
        );
    }

    /// The target of the version above `before`: the one at its own depth less its lowest one bit. Found over
    /// the jumps of those below, in one step on average.
    fn jump(&self, before: &VersionMeta) -> RowRevision {
        let depth = before.depth() + 1;
        let target = depth & (depth - 1);
        let (mut revision, mut depth) = (before.revision(), before.depth());
        while depth > target {
            let Some(link) = self.links.get(&revision) else {
                return NO_JUMP;
            };
            let lowest_off = depth & (depth - 1);
            if link.jump == NO_JUMP {
                (revision, depth) = (link.version.revision(), depth - 1);
            } else {
                (revision, depth) = (link.jump, lowest_off);
            }
        }
        revision
    }

    /// What the version at `at` took the place of.
    pub(super) fn before(&self, at: RowRevision) -> Option<&VersionMeta> {
        Some(&self.links.get(&at)?.version)
    }

    /// The newest version that is not above `revision`, put or tombstone, of a key by its newest version.
    pub(super) fn at<'a>(&'a self, newest: &'a VersionMeta, revision: Revision) -> Option<&'a VersionMeta> {
        if newest.mod_revision() <= revision {
            return Some(newest);
        }
        Some(self.walk(newest, revision)?.1)
    }

    /// The same for a version that is above `revision`, and the revision of the one above the answer.
    fn walk(&self, newest: &VersionMeta, revision: Revision) -> Option<(RowRevision, &VersionMeta)> {
        let mut above = newest.revision();
        loop {
            let link = self.links.get(&above)?;
            // Everything between here and there is above it, so above the revision too.
            if link.jump.main > revision {
                above = link.jump;
            } else if link.version.mod_revision() <= revision {
                return Some((above, &link.version));
            } else {
                above = link.version.revision();
            }
        }
    }

    /// The newest version that is not above `at` of a key by its newest version.
    pub(super) fn find(&self, newest: &VersionMeta, at: Revision) -> Option<Found> {
        if newest.mod_revision() <= at {
            return Some(Found {
                version: *newest,
                above: None,
            });
        }
        let (above, version) = self.walk(newest, at)?;
        Some(Found {
            version: *version,
            above: Some(above),
        })
    }

    /// How many versions a compaction at `at` drops of a key by its newest version, counted up to `count_max`.
    pub(super) fn count_garbage(&self, newest: &VersionMeta, at: Revision, count_max: usize) -> usize {
        let Some(found) = self.find(newest, at) else {
            return 0;
        };
        let mut count = 0;
        let mut version = &found.version;
        while count < count_max
            && let Some(before) = self.before(version.revision())
        {
            version = before;
            count += 1;
        }
        if count < count_max && found.version.is_garbage(at) {
            count + 1
        } else {
            count
        }
    }

    /// Drops up to `count_max` versions that a compaction at `at` does not keep, and reports them to `dead`:
    /// all below `found` and then that one, if it is garbage itself.
    pub(super) fn drop_garbage(
        &mut self,
        found: &Found,
        at: Revision,
        count_max: usize,
        mut dead: impl FnMut(RowRevision),
    ) -> Left {
        let kept = found.version.revision();
        let mut lowest = kept;
        for _ in 0..count_max {
            let Some(link) = self.links.remove(&lowest) else {
                return self.drop_last(found, at, dead);
            };
            lowest = link.version.revision();
            dead(lowest);
        }
        // The rest of the chain now hangs where the dropped part began.
        if let Some(link) = self.links.remove(&lowest) {
            self.links.insert(
                kept,
                Link {
                    jump: NO_JUMP,
                    ..link
                },
            );
        }
        Left::Some
    }

    /// Drops `found`, below which nothing is left, if it is garbage.
    fn drop_last(&mut self, found: &Found, at: Revision, mut dead: impl FnMut(RowRevision)) -> Left {
        if !found.version.is_garbage(at) {
            return if found.above.is_none() {
                Left::Newest
            } else {
                Left::Some
            };
        }
        dead(found.version.revision());
        match found.above {
            Some(above) => {
                self.links.remove(&above);
                Left::Some
            }
            None => Left::Nothing,
        }
    }
}

/// What is left of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Its newest version alone.
    Newest,
    /// More than that, or it is not known.
    Some,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(main: i64) -> RowRevision {
        RowRevision::first_of(Revision::new(main))
    }

    /// One key's chain: puts at the revisions given, and tombstones at the negated ones.
    fn chain(revisions: impl IntoIterator<Item = i64>) -> (Superseded, VersionMeta) {
        let mut superseded = Superseded::default();
        let mut newest = None;
        for revision in revisions {
            let before = newest.take();
            let version = match revision {
                ..0 => VersionMeta::tombstone(before.as_ref(), at(-revision)),
                _ => VersionMeta::put(before.as_ref(), at(revision), None),
            };
            if let Some(before) = before {
                superseded.push(version.revision(), before);
            }
            newest = Some(version);
        }
        (superseded, newest.unwrap())
    }

    /// Compacts a copy of the chain in steps of `step` and returns the revisions dropped and what is left.
    fn compacted(chain: &(Superseded, VersionMeta), revision: i64, step: usize) -> (Vec<i64>, Left) {
        let (mut superseded, newest) = chain.clone();
        let (mut dropped, at) = (Vec::new(), Revision::new(revision));
        let garbage = superseded.count_garbage(&newest, at, usize::MAX);
        let mut left = Left::Some;
        loop {
            let before = dropped.len();
            let Some(found) = superseded.find(&newest, at) else {
                break;
            };
            let step = step.min(garbage - dropped.len() + 1);
            left = superseded.drop_garbage(&found, at, step, |dead| dropped.push(dead.main.get()));
            if left != Left::Some || dropped.len() == before {
                break;
            }
        }
        assert_eq!(dropped.len(), garbage);
        dropped.sort_unstable();
        (dropped, left)
    }

    #[test]
    fn a_version_is_small() {
        assert_eq!(size_of::<VersionMeta>(), 40);
    }

    #[test]
    fn compaction_keeps_the_newest_put_and_a_tombstone_at_its_revision() {
        for step in [1, 2, usize::MAX] {
            let key = chain([2, 4, -6, 8]);
            assert_eq!(compacted(&key, 1, step), (vec![], Left::Some));
            assert_eq!(compacted(&key, 3, step), (vec![], Left::Some));
            assert_eq!(compacted(&key, 5, step), (vec![2], Left::Some));
            assert_eq!(compacted(&key, 6, step), (vec![2, 4], Left::Some));
            assert_eq!(compacted(&key, 7, step), (vec![2, 4, 6], Left::Some));
            assert_eq!(compacted(&key, 9, step), (vec![2, 4, 6], Left::Newest));
            let deleted = chain([2, -6]);
            assert_eq!(compacted(&deleted, 6, step), (vec![2], Left::Newest));
            assert_eq!(compacted(&deleted, 7, step), (vec![2, 6], Left::Nothing));
        }
    }

    #[test]
    fn a_key_with_very_many_versions_is_found_at_every_revision() {
        let (superseded, newest) = chain((1..=5_000).map(|number| 2 * number));
        assert_eq!(superseded.at(&newest, Revision::new(1)), None);
        for number in 1..=5_000 {
            let version = superseded.at(&newest, Revision::new(2 * number + 1)).unwrap();
            assert_eq!(
                (version.revision(), version.version.get()),
                (at(2 * number), number)
            );
        }
    }

    #[test]
    fn a_very_long_chain_is_crossed_in_few_steps() {
        let (superseded, newest) = chain(1..=100_000);
        let (mut steps, mut revision) = (0, newest.revision());
        while let Some(link) = superseded.links.get(&revision) {
            revision = if link.jump.main.get() > 700 {
                link.jump
            } else {
                link.version.revision()
            };
            steps += 1;
            if revision.main.get() <= 700 {
                break;
            }
        }
        assert!(steps < 200, "{steps} steps");
    }

    #[test]
    fn what_is_left_of_a_long_chain_is_found_after_each_step() {
        let (mut superseded, newest) = chain(1..=1_000);
        let compacted = Revision::new(800);
        while superseded.count_garbage(&newest, compacted, 1) > 0 {
            let found = superseded.find(&newest, compacted).unwrap();
            superseded.drop_garbage(&found, compacted, 70, |dead| assert!(dead.main < compacted));
            for number in 800..=1_000 {
                let revision = superseded.at(&newest, Revision::new(number)).unwrap().revision();
                assert_eq!(revision, at(number));
            }
        }
        assert_eq!(superseded.links.len(), 200);
    }
}
