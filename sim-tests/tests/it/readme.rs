//! The README and the pages of `docs/`: what is made from other files is current, and links lead somewhere.
//!
//! `UPDATE_EXPECT=1` writes the README's rows, its code and its chart again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The rows of `docs/sweeps.md` that the README shows.
const ROWS: [&str; 6] = [
    "baseline",
    "all deadlines as since",
    "election tick 20 → 5",
    "join retry cap 5 s → 1 s",
    "two databases opened when needed",
    "everything since",
];

/// The cases of the sweep that the README shows.
const CASES: [&str; 2] = ["trim-gap", "cluster-chaos"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Compares a file with what it should be; `UPDATE_EXPECT=1` writes it.
pub(crate) fn assert_current(file: &str, wanted: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(root().join(file).parent().unwrap()).unwrap();
        std::fs::write(root().join(file), wanted).unwrap();
    } else {
        let found = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(found == wanted, "{file} is not current: UPDATE_EXPECT=1 cargo test -p sim-tests readme");
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
        Cell { name: columns[1].into(), text, rate, low, high }
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

/// The reference is made from the code.
#[test]
fn reference_is_that_of_the_code() {
    for page in stormglass_cli::reference::pages(&sim_restate::app()) {
        assert_current(&format!("docs/reference/{}", page.file), &page.text);
    }
}

/// Every shipped file and the plan of a page has only fields that its schema knows, and every kind of fault is in it.
#[test]
fn schemas_know_the_shipped_files() {
    let schema = |name: &str| -> serde_json::Value {
        serde_json::from_str(&read(&format!("docs/reference/schemas/{name}.json"))).unwrap()
    };
    let check = |schema: &serde_json::Value, file: &str, table: &toml::Table| {
        for key in table.keys() {
            assert!(schema["properties"].get(key).is_some(), "{file}: the schema has no `{key}`");
        }
    };
    let mut count = 0;
    let shipped = ["sweeps", "mappings"].map(|folder| format!("crates/sim-restate/{folder}"));
    let profiles = ["crates/stormglass-sim/profiles", "crates/sim-restate/profiles"].map(String::from);
    for folder in shipped.into_iter().chain(profiles) {
        let name = folder.rsplit('/').next().unwrap().trim_end_matches('s').to_string();
        let schema = schema(&name);
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.display().to_string();
            let table: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            check(&schema, &file, &table);
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} files");
    let plan = schema("plan");
    let kinds = plan["properties"]["fault"]["items"]["oneOf"].as_array().unwrap();
    let of_kind = |kind: &str| kinds.iter().find(|fault| fault["properties"]["kind"]["const"] == kind);
    for block in read("docs/plans.md").split("```toml\n").skip(1) {
        let table: toml::Table = block.split("```").next().unwrap().parse().unwrap();
        let faults = table.get("fault").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        for fault in faults {
            let kind = fault["kind"].as_str().unwrap();
            let schema = of_kind(kind).unwrap_or_else(|| panic!("the schema of a plan has no kind `{kind}`"));
            check(schema, kind, fault.as_table().unwrap());
        }
    }
}

/// `new` lays out the service and the test of the tutorial, with the tutorial's repair, which `scripts/tutorial` runs.
#[test]
fn new_lays_out_what_the_tutorial_ends_with() {
    let tutorial = read("docs/tutorial.md");
    let block = |file: &str| {
        let after = tutorial.split(&format!("<!-- file: {file} -->\n")).nth(1).unwrap();
        after.split("```").nth(1).unwrap().split_once('\n').unwrap().1.to_string()
    };
    let mut service = block("src/lib.rs");
    for edit in tutorial.split("<!-- edit: src/lib.rs -->\n```diff\n").skip(1) {
        let lines = edit.split("```").next().unwrap().lines();
        let side = |sign: char| {
            lines.clone().filter_map(|line| line.strip_prefix(sign)).collect::<Vec<_>>().join("\n")
        };
        assert!(service.contains(&side('-')));
        service = service.replace(&side('-'), &side('+'));
    }
    let template = |file: &str| {
        let text = read(&format!("crates/stormglass-cli/templates/{file}"));
        text.replace("IDENTIFIER", "store").replace("NAME", "store").replace("STORMGLASS", "../stormglass")
    };
    assert_eq!(template("lib.rs.in"), service);
    assert_eq!(template("durable.rs.in"), block("tests/durable.rs"));
    assert_eq!(template("config.toml.in"), block(".cargo/config.toml"));
    let comments = template("Cargo.toml.in");
    let manifest: Vec<&str> = comments.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(manifest, block("Cargo.toml").lines().collect::<Vec<_>>());
}

/// Each parameter, event, field and option says what it means.
#[test]
fn every_row_of_the_reference_has_words() {
    for page in stormglass_cli::reference::pages(&sim_restate::app()) {
        for line in page.text.lines().filter(|line| line.starts_with("| `")) {
            // A profile's curves have no words of their own: the parameter above says what they are.
            assert!(!line.ends_with("|  |"), "{}: no meaning: {line}", page.file);
        }
    }
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
.rate {{ fill: #0969da; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }} .small {{ fill: #9198a1; }} .grid {{ stroke: #3d444d; }}
.band, .rate {{ fill: #4493f8; }} .band {{ opacity: .16; }} .range {{ stroke: #4493f8; }}
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
                r#"<path class="range" d="M{:.1} {y:.1}H{:.1}"/><circle class="rate" cx="{:.1}" cy="{y:.1}" r="3.5"><title>{}: {}</title></circle>"#,
                x(cell.low),
                x(cell.high),
                x(cell.rate),
                cell.name,
                cell.text
            );
        }
    }
    svg + "</svg>\n"
}

/// The Markdown files of the repository that are ours.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["target", "patches", ".git"].contains(&name) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                let text = std::fs::read_to_string(&path).unwrap();
                pages.insert(path, text);
            }
        }
    }
    pages
}

/// Returns the text without its blocks of code and code spans.
fn prose(page: &str) -> String {
    let mut is_code = false;
    let mut text = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && !line.starts_with("    ") {
            text += &line.split('`').step_by(2).collect::<Vec<_>>().join("");
            text.push('\n');
        }
    }
    text
}

/// Returns the anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(page: &str) -> Vec<String> {
    let mut is_code = false;
    let mut anchors = Vec::new();
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        if !is_code && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            anchors.push(kept.collect::<String>().replace(' ', "-"));
        }
    }
    anchors
}

#[test]
fn every_link_of_a_page_has_a_target() {
    let pages = pages();
    let mut dead = Vec::new();
    let mut count = 0;
    for (path, page) in &pages {
        for link in prose(page).split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            // A crate's page may link to its items as rustdoc does, which `cargo doc` checks.
            let is_item = file.contains("::") || !file.contains(['.', '/']) && !file.is_empty();
            let Ok(target) = target.canonicalize() else {
                if !is_item || !path.starts_with(root().join("crates")) {
                    dead.push(format!("{}: {link}", path.display()));
                }
                continue;
            };
            let has_anchor =
                || pages.get(&target).is_none_or(|page| anchors(page).iter().any(|a| a == anchor));
            if !anchor.is_empty() && !has_anchor() {
                dead.push(format!("{}: {link}: no such heading", path.display()));
            }
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}
