use crate::error::ImageError;
use crate::image::{Image, ReadAt, Root, flags_wanted};
use crate::page::Page;

/// Trees are not deeper: with two children a page this would be more than any disk holds.
const DEPTH_MAX: usize = 48;

/// Which pages were met: a bit for each.
#[derive(Debug)]
pub(crate) struct Seen {
    pages: u64,
    bits: Vec<u64>,
}

impl Seen {
    /// Of an image of so many pages, which is as long as it says.
    pub(crate) fn new(pages: u64) -> Self {
        let words = usize::try_from(pages.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            pages,
            bits: vec![0; words],
        }
    }

    /// Takes note of a page; one that was met before, or is not there, is an error.
    pub(crate) fn meet(&mut self, page: u64) -> Result<(), ImageError> {
        if page >= self.pages {
            return Err(ImageError::page(page, "is behind the end of the image"));
        }
        let word = &mut self.bits[usize::try_from(page / 64).unwrap_or(usize::MAX)];
        let bit = 1 << (page % 64);
        if *word & bit != 0 {
            return Err(ImageError::page(page, "is referred to twice"));
        }
        *word |= bit;
        Ok(())
    }

    /// The first page that was not met.
    pub(crate) fn first_missing(&self) -> Option<u64> {
        let words = self.bits.iter().enumerate();
        let page = words
            .filter(|(_, word)| **word != u64::MAX)
            .map(|(at, word)| at as u64 * 64 + u64::from(word.trailing_ones()))
            .next();
        page.filter(|page| *page < self.pages)
    }
}

/// The keys of a bucket in their order.
#[derive(Debug)]
pub struct Cursor<'a, R> {
    image: &'a Image<R>,
    in_root: bool,
    root: Option<Root>,
    /// From the root to a leaf, each with the next element to look at.
    path: Vec<(Page, usize)>,
    seen: Seen,
    last_key: Vec<u8>,
    /// What the next key must not be below.
    bound: Vec<u8>,
}

impl<'a, R: ReadAt> Cursor<'a, R> {
    pub(crate) fn new(image: &'a Image<R>, root: Root, seen: Seen) -> Self {
        Self {
            image,
            in_root: false,
            root: Some(root),
            path: Vec::new(),
            seen,
            last_key: Vec::new(),
            bound: Vec::new(),
        }
    }

    /// Reads the bucket of buckets.
    pub(crate) fn of_root(image: &'a Image<R>, root: Root, seen: Seen) -> Self {
        Self {
            in_root: true,
            ..Self::new(image, root, seen)
        }
    }

    /// The next key and its value.
    ///
    /// # Errors
    /// [`ImageError`]; nothing more is to be had then.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it gives out is borrowed from it"
    )]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>, ImageError> {
        if !self.advance()? {
            return Ok(None);
        }
        Ok(self.path.last().map(|(page, next)| page.entry(*next - 1)))
    }

    /// The page that the last key was in.
    pub(crate) fn page(&self) -> u64 {
        self.path.last().map_or(0, |(page, _)| page.id)
    }

    pub(crate) fn into_seen(self) -> Seen {
        self.seen
    }

    /// Moves the leaf at the end of the path behind the next element.
    fn advance(&mut self) -> Result<bool, ImageError> {
        match self.root.take() {
            Some(Root::Page(root)) => self.enter(root)?,
            Some(Root::Inline { at, page }) => self.path.push((Page::new(0, at, page)?, 0)),
            None => {}
        }
        loop {
            let Some((page, next)) = self.path.last_mut() else {
                return Ok(false);
            };
            if *next == page.count() {
                self.path.pop();
                continue;
            }
            let at = *next;
            *next += 1;
            if page.is_leaf() {
                self.check_leaf(at)?;
                return Ok(true);
            }
            let child = page.child(at);
            self.check_branch(at)?;
            self.enter(child)?;
        }
    }

    fn enter(&mut self, id: u64) -> Result<(), ImageError> {
        if self.path.len() == DEPTH_MAX {
            return Err(ImageError::page(id, format!("is deeper than {DEPTH_MAX} pages")));
        }
        let page = self.image.page(id, &mut self.seen)?;
        self.path.push((page, 0));
        Ok(())
    }

    fn check_leaf(&mut self, at: usize) -> Result<(), ImageError> {
        let Some((page, _)) = self.path.last() else {
            return Ok(());
        };
        let (key, _) = page.entry(at);
        if page.flags(at) != flags_wanted(self.in_root) {
            let kind = if self.in_root { "no bucket" } else { "a bucket" };
            return Err(ImageError::page(page.id, format!("element {at} is {kind}")));
        }
        if key <= self.last_key.as_slice() || key < self.bound.as_slice() {
            return Err(ImageError::page(page.id, format!("key {at} is out of order")));
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    /// Keys of a branch divide those below.
    fn check_branch(&mut self, at: usize) -> Result<(), ImageError> {
        let Some((page, _)) = self.path.last() else {
            return Ok(());
        };
        let (key, _) = page.entry(at);
        let is_past = !self.last_key.is_empty() && key <= self.last_key.as_slice();
        if is_past || key < self.bound.as_slice() {
            return Err(ImageError::page(page.id, format!("key {at} is out of order")));
        }
        self.bound.clear();
        self.bound.extend_from_slice(key);
        Ok(())
    }
}
