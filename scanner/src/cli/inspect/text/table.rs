//! Tables: columns as wide as their widest cell, the last one free.

use std::io;

use super::Page;

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Page<'_> {
    /// Rows below their names. What does not fit into the last column goes on below it.
    pub(super) fn table<const N: usize>(
        &mut self,
        columns: [(&str, Side); N],
        rows: &[[String; N]],
    ) -> io::Result<()> {
        let names = columns.map(|(name, _)| name.to_owned());
        let widths: [usize; N] = std::array::from_fn(|at| {
            let cells = std::iter::once(&names).chain(rows).filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        });
        for (index, row) in std::iter::once(&names).chain(rows).enumerate() {
            let mut line = "  ".to_owned();
            let Some((last, cells)) = row.split_last() else { return Ok(()) };
            for ((cell, width), (_, side)) in cells.iter().zip(widths).zip(&columns) {
                let cell = match side {
                    Side::Left => format!("  {cell:width$}"),
                    Side::Right => format!("  {cell:>width$}"),
                };
                line.push_str(&cell);
            }
            line.push_str("  ");
            if index == 0 {
                self.heading(format!("{line}{last}"))?;
            } else {
                let margin = " ".repeat(line.chars().count());
                self.hanging(&line, &margin, last)?;
            }
        }
        Ok(())
    }
}
