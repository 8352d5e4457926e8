use std::fmt::{self, Display, Formatter};

/// A table in a box.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) header: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// The rows as lines with the cells between commas.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| row.join(", "))
    }

    fn widths(&self) -> Vec<usize> {
        let width = |(column, name): (usize, &&str)| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.fold(name.chars().count(), usize::max)
        };
        self.header.iter().enumerate().map(width).collect()
    }
}

/// Writes a line of a box: its left end, what joins the columns, its right end.
fn rule(out: &mut Formatter<'_>, widths: &[usize], [left, middle, right]: [&str; 3]) -> fmt::Result {
    let bars: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
    writeln!(out, "{left}{}{right}", bars.join(middle))
}

impl Display for Table {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        rule(out, &widths, ["┌", "┬", "┐"])?;
        for (name, width) in self.header.iter().zip(&widths) {
            write!(out, "│ {name:^width$} ")?;
        }
        writeln!(out, "│")?;
        if !self.rows.is_empty() {
            rule(out, &widths, ["├", "┼", "┤"])?;
        }
        for row in &self.rows {
            for (cell, width) in row.iter().zip(&widths) {
                write!(out, "│ {cell:>width$} ")?;
            }
            writeln!(out, "│")?;
        }
        rule(out, &widths, ["└", "┴", "┘"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_in_the_middle_and_cells_to_the_right() {
        let table = Table {
            header: vec!["ID", "NAME"],
            rows: vec![vec!["12345".into(), "a".into()], vec!["1".into(), String::new()]],
        };
        let want = "\
┌───────┬──────┐
│  ID   │ NAME │
├───────┼──────┤
│ 12345 │    a │
│     1 │      │
└───────┴──────┘
";
        assert_eq!(table.to_string(), want);
    }

    #[test]
    fn a_table_without_rows_is_its_head() {
        let table = Table {
            header: vec!["ID"],
            rows: vec![],
        };
        assert_eq!(table.to_string(), "┌────┐\n│ ID │\n└────┘\n");
    }
}
