use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::journal::{Event, Journal, Object};
use crate::chance::Chance;

const PAGE: usize = 4096;

/// What becomes of changes that were not synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Luck {
    /// None reaches the disk.
    Nothing,
    /// All do, as when only the process dies.
    Everything,
    /// Names do, pages do not.
    Names,
    /// Pages do, names do not.
    Pages,
    /// Each for itself.
    Each,
}

impl Luck {
    pub(super) fn choose(chance: &mut Chance) -> Luck {
        match chance.below(8) {
            0 => Luck::Nothing,
            1 => Luck::Everything,
            2 => Luck::Names,
            3 => Luck::Pages,
            _ => Luck::Each,
        }
    }

    fn keeps_page(self, chance: &mut Chance) -> bool {
        match self {
            Luck::Nothing | Luck::Names => false,
            Luck::Everything | Luck::Pages => true,
            Luck::Each => chance.one_in(2),
        }
    }

    fn keeps_name(self, chance: &mut Chance) -> bool {
        match self {
            Luck::Nothing | Luck::Pages => false,
            Luck::Everything | Luck::Names => true,
            Luck::Each => chance.one_in(2),
        }
    }
}

/// The files and names on the disk after a crash.
pub(super) struct Image<'a> {
    journal: &'a Journal,
    files: BTreeMap<Object, Vec<u8>>,
    dirs: BTreeMap<Object, BTreeMap<&'a str, Object>>,
}

impl<'a> Image<'a> {
    pub(super) fn after_crash(
        journal: &'a Journal,
        end: usize,
        luck: Luck,
        chance: &mut Chance,
    ) -> Image<'a> {
        let events = &journal.events[..end];
        let mut synced = BTreeMap::<Object, usize>::new();
        for event in events {
            if let Event::Synced { object, begin } = event {
                let durable = synced.entry(*object).or_default();
                *durable = (*durable).max(*begin);
            }
        }
        let mut image = Image {
            journal,
            files: BTreeMap::new(),
            dirs: BTreeMap::new(),
        };
        for (at, event) in events.iter().enumerate() {
            let durable = |object: &Object| synced.get(object).is_some_and(|begin| at < *begin);
            match event {
                Event::Name { dir, name, object } if durable(dir) || luck.keeps_name(chance) => {
                    image.dir(*dir).insert(name, *object);
                }
                Event::Unname { dir, name } if durable(dir) || luck.keeps_name(chance) => {
                    image.dir(*dir).remove(&name[..]);
                }
                Event::Rename {
                    dir,
                    from,
                    to,
                    object,
                } if durable(dir) || luck.keeps_name(chance) => {
                    image.dir(*dir).remove(&from[..]);
                    image.dir(*dir).insert(to, *object);
                }
                Event::Truncate { file, len } if durable(file) || luck.keeps_page(chance) => {
                    image.files.entry(*file).or_default().resize(*len, 0);
                }
                Event::Write { file, at, bytes } => {
                    let durable = durable(file);
                    image.write(*file, *at, bytes, || durable || luck.keeps_page(chance));
                }
                _ => {}
            }
        }
        image
    }

    /// Writes page by page, as `keeps` says.
    fn write(&mut self, file: Object, at: usize, bytes: &[u8], mut keeps: impl FnMut() -> bool) {
        let content = self.files.entry(file).or_default();
        let mut done = 0;
        while done < bytes.len() {
            let begin = at + done;
            let len = (PAGE - begin % PAGE).min(bytes.len() - done);
            if keeps() {
                content.resize(content.len().max(begin + len), 0);
                content[begin..begin + len].copy_from_slice(&bytes[done..done + len]);
            }
            done += len;
        }
    }

    fn dir(&mut self, dir: Object) -> &mut BTreeMap<&'a str, Object> {
        self.dirs.entry(dir).or_default()
    }

    /// Makes these files in `dir`, an empty directory.
    pub(super) fn write_to(&self, dir: &Path) {
        self.write_dir(self.journal.root, dir);
    }

    fn write_dir(&self, object: Object, path: &Path) {
        for (name, object) in self.dirs.get(&object).into_iter().flatten() {
            let path = path.join(name);
            if self.journal.dirs.contains(object) {
                fs::create_dir(&path).unwrap();
                self.write_dir(*object, &path);
            } else {
                fs::write(&path, self.files.get(object).map_or(&[][..], |bytes| bytes)).unwrap();
            }
        }
    }
}
