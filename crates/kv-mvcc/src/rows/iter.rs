use std::iter::Chain;
use std::ops::Bound;
use std::sync::Arc;

use kv_types::RowRevision;

use super::block_info::BlockInfo;
use super::source::Caching;
use super::view::RowsView;
use crate::block::{Keys, Values};
use crate::cow_tree::Range;
use crate::{ReadError, Row};

/// Live rows of an interval in revision order. Ends after the first error.
pub(crate) struct RowsIter<'a> {
    view: &'a RowsView,
    caching: Caching,
    from: RowRevision,
    to: Option<RowRevision>,
    open: Option<OpenBlock<'a>>,
    blocks: Range<'a, RowRevision, Arc<BlockInfo>>,
    memory: Chain<Range<'a, RowRevision, Arc<Row>>, Range<'a, RowRevision, Arc<Row>>>,
    failed: bool,
}

/// The block whose rows are being given out.
struct OpenBlock<'a> {
    info: &'a BlockInfo,
    keys: Arc<Keys>,
    values: Arc<Values>,
    next: usize,
}

impl<'a> RowsIter<'a> {
    pub(super) fn new(
        view: &'a RowsView,
        from: RowRevision,
        to: Option<RowRevision>,
        caching: Caching,
    ) -> Self {
        let end = to.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        // The block that `from` lies in may begin before it.
        let start = view.blocks.floor(&from).map_or(&from, |(first, _)| first);
        let memory = view.sealed.range((Bound::Included(&from), end));
        Self {
            view,
            caching,
            from,
            to,
            open: None,
            blocks: view.blocks.range((Bound::Included(start), end)),
            memory: memory.chain(view.recent.range((Bound::Included(&from), end))),
            failed: false,
        }
    }

    fn next_row(&mut self) -> Result<Option<Arc<Row>>, ReadError> {
        loop {
            if let Some(open) = &mut self.open
                && let Some(row) = open.next_row()
            {
                return Ok(Some(row).filter(|row| self.to.is_none_or(|to| row.revision < to)));
            }
            let Some((_, info)) = self.blocks.next() else {
                break;
            };
            self.open = Some(OpenBlock::new(self.view, info, self.from, self.caching)?);
        }
        Ok(self.memory.next().map(|(_, row)| Arc::clone(row)))
    }
}

impl Iterator for RowsIter<'_> {
    type Item = Result<Arc<Row>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_row();
        self.failed = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl<'a> OpenBlock<'a> {
    fn new(
        view: &RowsView,
        info: &'a BlockInfo,
        from: RowRevision,
        caching: Caching,
    ) -> Result<Self, ReadError> {
        let keys = view.source.keys(&info.block, caching)?;
        let values = view.source.values(&info.block, caching)?;
        keys.check_values(info.block.id, &values)?;
        Ok(Self {
            info,
            keys,
            values,
            next: info.block.lower_bound(from),
        })
    }

    fn next_row(&mut self) -> Option<Arc<Row>> {
        let at = self.info.live_rows_from(self.next).next()?;
        self.next = at + 1;
        let row = &self.keys.rows()[at];
        Some(Arc::new(self.keys.row(
            row,
            self.keys.key(row),
            self.values.value(at),
        )))
    }
}
