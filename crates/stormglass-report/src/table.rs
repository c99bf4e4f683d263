//! Tables for a terminal: columns apart by space, numbers to the right, no lines.

use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::time::Duration;

/// A table with these headings. Columns from the second on are numbers.
pub fn numbers(headings: impl IntoIterator<Item = String>) -> Table {
    let mut table = plain();
    table.set_header(headings);
    table.column_iter_mut().skip(1).for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    table
}

/// A table without headings or lines.
pub fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// The table's text without spaces at the ends of lines.
pub fn text(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Seconds with milliseconds, the one way in which reports give durations.
pub fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}
