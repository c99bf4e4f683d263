//! Parts of a page.

/// Returns the first lines of a page: its title, and that it is made from the code.
pub(super) fn head(title: &str) -> String {
    format!("<!-- Made from the code: UPDATE_EXPECT=1 cargo test -p sim-tests pages -->\n\n# {title}\n\n")
}

/// Returns a row of a table.
pub(super) fn row<const N: usize>(columns: [&str; N]) -> String {
    let columns = columns.map(|column| {
        column.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
    });
    format!("| {} |\n", columns.join(" | "))
}

/// Returns the description of an item of the code as prose: links of rustdoc become code.
pub(super) fn prose(text: &str) -> String {
    let text = text.replace("[`", "`").replace("`]", "`");
    // `[name](path)` of rustdoc leads nowhere on a page.
    let mut parts = text.split("](");
    let mut prose = parts.next().unwrap_or_default().to_string();
    for part in parts {
        prose = prose.replacen('[', "", 1);
        prose += part.split_once(')').map_or(part, |(_, rest)| rest);
    }
    prose.split_whitespace().collect::<Vec<_>>().join(" ")
}
