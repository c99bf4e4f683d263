//! Tables for a terminal (columns separated by spaces, numbers to the right, no lines) and for Markdown.

use std::time::Duration;

/// A table of text cells, with or without headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Option<Vec<String>>,
    rows: Vec<Vec<String>>,
    /// Whether the columns from the second on are numbers, which are aligned to the right.
    has_numbers: bool,
}

/// Returns a table with these headings. Columns from the second on are numbers.
pub fn numbers(headings: impl IntoIterator<Item = String>) -> Table {
    Table { headings: Some(headings.into_iter().collect()), has_numbers: true, ..Table::default() }
}

/// Returns a table without headings, all of whose columns are text.
pub fn plain() -> Table {
    Table::default()
}

/// Returns the table's text for a terminal, without spaces at the ends of lines.
pub fn text(table: &Table) -> String {
    let widths = table.widths();
    let lines = table.headings.iter().chain(&table.rows).map(|row| table.line(row, &widths, ""));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Returns the table as Markdown.
pub fn markdown(table: &Table) -> String {
    let widths = table.widths();
    let rule = |(column, &width): (usize, &usize)| match table.has_numbers && column > 0 {
        // The column is aligned to the right.
        true => format!("|{}:", "-".repeat(width + 1)),
        false => format!("|{}", "-".repeat(width + 2)),
    };
    let rule: String = widths.iter().enumerate().map(rule).collect();
    let headings = table.headings.iter().map(|row| format!("{}\n{rule}|\n", table.line(row, &widths, "|")));
    let rows = table.rows.iter().map(|row| format!("{}\n", table.line(row, &widths, "|")));
    headings.chain(rows).collect()
}

/// Returns seconds with milliseconds, the form of a duration in every report.
pub fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

impl Table {
    /// Adds a row.
    pub fn add_row<T: ToString>(&mut self, row: impl IntoIterator<Item = T>) {
        self.rows.push(row.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// Returns whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the width of each column in characters.
    fn widths(&self) -> Vec<usize> {
        let rows = || self.headings.iter().chain(&self.rows);
        let columns = rows().map(Vec::len).max().unwrap_or_default();
        let length =
            |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
        (0..columns).map(|column| rows().map(|row| length(row, column)).max().unwrap_or_default()).collect()
    }

    /// Returns a row as a line, with `border` around each cell.
    fn line(&self, row: &[String], widths: &[usize], border: &str) -> String {
        let cell = |(column, &width): (usize, &usize)| {
            let text = row.get(column).map_or("", String::as_str);
            if self.has_numbers && column > 0 {
                format!("{border} {text:>width$} ")
            } else {
                format!("{border} {text:<width$} ")
            }
        };
        widths.iter().enumerate().map(cell).collect::<String>() + border
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn table() -> Table {
        let mut table = numbers(["cell", "runs", "±"].map(String::from));
        table.add_row(["as it is", "8", "0.5"]);
        table.add_row(["b", "1,000", ""]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let lines = [" cell       runs    ±", " as it is      8  0.5", " b         1,000", ""];
        assert_eq!(text(&table()), lines.join("\n"));
    }

    #[test]
    fn markdown_has_borders() {
        expect![[r#"
            | cell     |  runs |   ± |
            |----------|------:|----:|
            | as it is |     8 | 0.5 |
            | b        | 1,000 |     |
        "#]]
        .assert_eq(&markdown(&table()));
    }
}
