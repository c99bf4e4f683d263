//! Tables for a terminal: columns separated by spaces, numbers right-aligned, no lines.

use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::time::Duration;

/// Creates a table with these headings. Columns from the second on are right-aligned.
pub fn numbers(headings: impl IntoIterator<Item = String>) -> Table {
    let mut table = plain();
    table.set_header(headings);
    table.column_iter_mut().skip(1).for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    table
}

/// Creates a table without headings and lines.
pub fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Returns the table's text without trailing spaces.
pub fn text(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Formats a duration as seconds with three decimals, as all reports do.
pub fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}
