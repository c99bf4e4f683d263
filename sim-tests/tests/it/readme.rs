//! The README: what is made from other pages is current.
//!
//! `UPDATE_EXPECT=1` writes its rows, its code and its chart again.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The rows of `docs/sweeps.md` that the README shows.
const ROWS: [&str; 6] = [
    "baseline",
    "all deadlines as since",
    "election tick 20 → 5",
    "heartbeat tick 2 → 1",
    "two databases opened when needed",
    "everything since",
];

/// The cases of the sweep that the README shows.
const CASES: [&str; 2] = ["trim-gap", "cluster-chaos"];

/// Held by a test that may write the README: tests run at the same time.
pub(crate) static WRITING: Mutex<()> = Mutex::new(());

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// Reads a file of the repository.
pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Compares a file with what it should be; `UPDATE_EXPECT=1` writes it.
pub(crate) fn assert_current(file: &str, wanted: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(root().join(file).parent().unwrap()).unwrap();
        std::fs::write(root().join(file), wanted).unwrap();
    } else {
        let found = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(found == wanted, "{file} is not current: UPDATE_EXPECT=1 cargo test -p sim-tests");
    }
}

/// A row of a table of `docs/sweeps.md`: how often a cell failed.
struct Cell {
    name: String,
    /// As the page prints it.
    text: String,
    rate: f64,
    low: f64,
    high: f64,
    /// Whether the page says that it differs from the baseline: p < 0.05, corrected for the number of rows.
    differs: bool,
}

/// Reads the table below the heading of a case.
fn cells(page: &str, case: &str) -> Vec<Cell> {
    let section = page.split(&format!("\n### {case}\n")).nth(1).expect("a section of the case");
    let rows = section.split("\n### ").next().unwrap().lines().filter(|line| line.starts_with('|')).skip(2);
    let cell = |row: &str| {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let text = columns[4].to_string();
        let number = |part: &str| part.split_whitespace().next().unwrap().parse::<f64>().unwrap();
        let (rate, interval) = text.split_once('(').unwrap();
        let (low, high) = interval.split_once(" to ").unwrap();
        let (rate, low, high) = (number(rate), number(low), number(high));
        let p = columns[7].trim_start_matches("< ").parse();
        let differs = p.is_ok_and(|p: f64| p < 0.05);
        Cell { name: columns[1].into(), text, rate, low, high, differs }
    };
    rows.map(cell).collect()
}

/// Replaces what is between a line that begins with `from` and the next line that begins with `to`.
fn with_block(text: &str, from: &str, to: &str, block: &str) -> String {
    let start = text.find(from).unwrap_or_else(|| panic!("no `{from}`"));
    let start = start + text[start..].find('\n').unwrap() + 1;
    let end = start + text[start..].find(to).unwrap_or_else(|| panic!("no `{to}` after `{from}`"));
    format!("{}{block}{}", &text[..start], &text[end..])
}

/// The README's service is that of the tutorial, which `scripts/tutorial` compiles and runs.
#[test]
fn readme_has_the_rows_of_the_sweep_and_the_code_of_the_tutorial() {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let sweeps = read("docs/sweeps.md");
    let cases = CASES.map(|case| cells(&sweeps, case));
    let mut rows =
        String::from("| | `trim-gap` fails in | `cluster-chaos` fails in |\n| --- | ---: | ---: |\n");
    for name in ROWS {
        let cells = cases.each_ref().map(|cells| cells.iter().find(|cell| cell.name == name));
        assert!(cells.iter().any(Option::is_some), "docs/sweeps.md has no row `{name}`");
        let [first, second] = cells.map(|cell| cell.map_or("not played", |cell| &cell.text));
        let _ = writeln!(rows, "| {name} | {first} | {second} |");
    }
    let tutorial = read("docs/tutorial.md");
    let test = tutorial.split("<!-- file: tests/durable.rs -->\n").nth(1).unwrap();
    let code = test.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(code.lines().count() <= 25, "the README has room for 25 lines of code");
    let readme = read("README.md");
    let readme = with_block(&readme, "<!-- remedies: ", "<!-- end of remedies -->", &format!("\n{rows}\n"));
    assert_current("README.md", &with_block(&readme, "```rust\n", "```", code));
}

#[test]
fn readme_chart_is_that_of_the_sweep() {
    let sweeps = read("docs/sweeps.md");
    assert_current("docs/pictures/remedies.svg", &chart(&CASES.map(|case| (case, cells(&sweeps, case)))));
}

#[test]
fn readme_has_less_than_150_lines() {
    let lines = read("README.md").lines().count();
    assert!(lines < 150, "{lines} lines; depth belongs one click deeper");
}

/// Draws the confidence intervals of two cases side by side. Colours follow the reader's scheme.
fn chart(cases: &[(&str, Vec<Cell>); 2]) -> String {
    const NAMES: f64 = 272.0;
    const PANEL: f64 = 240.0;
    const GAP: f64 = 28.0;
    const ROW: f64 = 21.0;
    const TOP: f64 = 44.0;
    // The order of the first case, then what only the second has.
    let mut names: Vec<&str> = Vec::new();
    for cell in cases.iter().flat_map(|(_, cells)| cells) {
        if !names.contains(&cell.name.as_str()) {
            names.push(&cell.name);
        }
    }
    let height = TOP + ROW * names.len() as f64 + 34.0;
    let width = NAMES + 2.0 * PANEL + GAP + 16.0;
    let bottom = TOP + ROW * names.len() as f64;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>Failure rates of two tests with each remedy, with 95 % confidence intervals</title>
<style>
text {{ font: 12.5px system-ui, sans-serif; fill: #24292f; }}
.small {{ font-size: 11px; fill: #57606a; }}
.head {{ font-weight: 600; }}
.grid {{ stroke: #d0d7de; }}
.band {{ fill: #0969da; opacity: .1; }}
.range {{ stroke: #0969da; stroke-width: 2; }}
.rate {{ fill: #ffffff; stroke: #0969da; stroke-width: 1.5; }}
.differs {{ fill: #0969da; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }} .small {{ fill: #9198a1; }} .grid {{ stroke: #3d444d; }}
.rate {{ fill: #0d1117; }} .band, .differs {{ fill: #4493f8; }} .band {{ opacity: .16; }} .range, .rate {{ stroke: #4493f8; }}
}}
</style>
"#
    );
    for (row, name) in names.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5) + 4.0;
        let _ = writeln!(svg, r#"<text x="{}" y="{y:.1}" text-anchor="end">{name}</text>"#, NAMES - 12.0);
    }
    for (place, (case, cells)) in cases.iter().enumerate() {
        let left = NAMES + (PANEL + GAP) * place as f64;
        let most = cells.iter().map(|cell| cell.high).fold(0.0, f64::max);
        let step = if most > 12.0 { 5.0 } else { 2.0 };
        let x = |percent: f64| left + PANEL * percent / most;
        let _ = writeln!(svg, r#"<text class="head" x="{left}" y="20">{case}</text>"#);
        for tick in (0..).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= most) {
            let at = x(tick);
            let _ = writeln!(svg, r#"<path class="grid" d="M{at:.1} {TOP}V{bottom}"/>"#);
            let _ = writeln!(
                svg,
                r#"<text class="small" x="{at:.1}" y="{:.1}" text-anchor="middle">{tick} %</text>"#,
                bottom + 18.0
            );
        }
        let base = &cells[0];
        let _ = writeln!(
            svg,
            r#"<rect class="band" x="{:.1}" y="{TOP}" width="{:.1}" height="{:.1}"/>"#,
            x(base.low),
            x(base.high) - x(base.low),
            bottom - TOP
        );
        for cell in cells {
            let row = names.iter().position(|name| *name == cell.name).unwrap();
            let y = TOP + ROW * (row as f64 + 0.5);
            let _ = writeln!(
                svg,
                r#"<path class="range" d="M{:.1} {y:.1}H{:.1}"/><circle class="rate{}" cx="{:.1}" cy="{y:.1}" r="3.5"><title>{}: {}</title></circle>"#,
                x(cell.low),
                x(cell.high),
                if cell.differs { " differs" } else { "" },
                x(cell.rate),
                cell.name,
                cell.text
            );
        }
    }
    svg + "</svg>\n"
}
