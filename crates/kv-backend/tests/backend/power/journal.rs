use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::workload;
use crate::chance::Chance;

/// A file or directory. Inode numbers come back; these do not.
pub(super) type Object = usize;

/// One change, sync or mark, in the order in which they happened.
pub(super) enum Event {
    /// A new name in a directory, or another object under an old one.
    Name {
        dir: Object,
        name: String,
        object: Object,
    },
    Unname {
        dir: Object,
        name: String,
    },
    Rename {
        dir: Object,
        from: String,
        to: String,
        object: Object,
    },
    Write {
        file: Object,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: Object,
        len: usize,
    },
    /// All events of the object before `begin` are durable from here on.
    Synced {
        object: Object,
        begin: usize,
    },
    /// Keeps a place in the order.
    SyncBegin,
}

/// All that a child has done to its files.
pub(super) struct Journal {
    pub(super) events: Vec<Event>,
    pub(super) root: Object,
    pub(super) dirs: BTreeSet<Object>,
    marks: Object,
}

impl Journal {
    pub(super) fn read(path: &Path) -> Journal {
        let bytes = fs::read(path).unwrap();
        let mut reader = Reader::default();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (record, after) = Record::split(rest);
            reader.take(&record);
            rest = after;
        }
        let marks = reader.names[&(0, workload::MARKS.to_owned())];
        Journal {
            events: reader.events,
            root: 0,
            dirs: reader.dirs,
            marks,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// A place to crash at: any, or, as often, one near a change of names, which are few.
    pub(super) fn crash_point(&self, chance: &mut Chance) -> usize {
        let any = |chance: &mut Chance, len: usize| usize::try_from(chance.below(len as u64)).unwrap();
        let at = any(chance, self.len());
        if chance.one_in(2) {
            return at;
        }
        let is_name = |event: &Event| matches!(event, Event::Rename { .. } | Event::Unname { .. });
        let near = self.events[at..]
            .iter()
            .position(is_name)
            .map_or(at, |distance| at + distance);
        (near + any(chance, 6)).min(self.len())
    }

    /// The marks the child had set before `end`.
    pub(super) fn marks(&self, end: usize) -> Vec<u8> {
        let written = self.events[..end].iter().filter_map(|event| match event {
            Event::Write { file, bytes, .. } if *file == self.marks => Some(&bytes[..]),
            _ => None,
        });
        written.collect::<Vec<_>>().concat()
    }
}

/// Follows inode numbers and names through the journal.
#[derive(Default)]
struct Reader {
    events: Vec<Event>,
    dirs: BTreeSet<Object>,
    objects: BTreeMap<u64, Object>,
    names: BTreeMap<(Object, String), Object>,
    syncs: BTreeMap<u64, usize>,
    next: Object,
}

impl Reader {
    fn take(&mut self, record: &Record<'_>) {
        let [first, second, _] = record.numbers;
        let name = record.names.to_owned();
        let size = |number: u64| usize::try_from(number).unwrap();
        match record.operation {
            1 => self.add_object(first, true),
            2 | 3 => {
                self.add_object(second, record.operation == 3);
                self.name(first, name, second);
            }
            4 => self.name(first, name, second),
            // Names outside the root are none of ours.
            5 if !self.objects.contains_key(&first) => {}
            5 => {
                let dir = self.objects[&first];
                self.names.remove(&(dir, name.clone()));
                self.events.push(Event::Unname { dir, name });
            }
            6 => {
                assert_eq!(first, second, "names stay in their directory");
                let dir = self.objects[&first];
                let (from, to) = record.names.split_once('/').unwrap();
                let (from, to) = (from.to_owned(), to.to_owned());
                let object = self.names.remove(&(dir, from.clone())).unwrap();
                self.names.insert((dir, to.clone()), object);
                self.events.push(Event::Rename {
                    dir,
                    from,
                    to,
                    object,
                });
            }
            7 => {
                let (file, bytes) = (self.objects[&first], record.data.to_vec());
                self.events.push(Event::Write {
                    file,
                    at: size(second),
                    bytes,
                });
            }
            8 => self.events.push(Event::Truncate {
                file: self.objects[&first],
                len: size(second),
            }),
            9 => {
                self.syncs.insert(second, self.events.len());
                self.events.push(Event::SyncBegin);
            }
            10 => {
                let begin = self.syncs[&second];
                self.events.push(Event::Synced {
                    object: self.objects[&first],
                    begin,
                });
            }
            other => panic!("unknown operation {other}"),
        }
    }

    fn add_object(&mut self, inode: u64, is_dir: bool) {
        let object = self.next;
        self.next += 1;
        self.objects.insert(inode, object);
        if is_dir {
            self.dirs.insert(object);
        }
    }

    fn name(&mut self, dir: u64, name: String, inode: u64) {
        let (dir, object) = (self.objects[&dir], self.objects[&inode]);
        self.names.insert((dir, name.clone()), object);
        self.events.push(Event::Name { dir, name, object });
    }
}

/// One record as the library writes it.
struct Record<'a> {
    operation: u8,
    numbers: [u64; 3],
    names: &'a str,
    data: &'a [u8],
}

impl Record<'_> {
    fn split(bytes: &[u8]) -> (Record<'_>, &[u8]) {
        let (operation, rest) = bytes.split_first().unwrap();
        let (numbers, rest) = rest.split_at(24);
        let (lens, rest) = rest.split_at(8);
        let number = |at: usize| u64::from_ne_bytes(numbers[8 * at..][..8].try_into().unwrap());
        let len = |at: usize| u32::from_ne_bytes(lens[4 * at..][..4].try_into().unwrap()) as usize;
        let (names, rest) = rest.split_at(len(0));
        let (data, rest) = rest.split_at(len(1));
        let numbers = [number(0), number(1), number(2)];
        let names = str::from_utf8(names).unwrap();
        (
            Record {
                operation: *operation,
                numbers,
                names,
                data,
            },
            rest,
        )
    }
}
