//! The findings as tables, plain for a terminal and Markdown for a CI summary.

use super::findings::{Cost, Findings};
use super::format::{p_value, percent, rate_interval};
use super::found::{Found, found};
use super::worth::Worth;
use crate::table::{self, Table};
use std::fmt::Write;
use stormglass_sweep::answers::comparison::Shift;
use stormglass_sweep::answers::deadlines::RequiredDeadline;
use stormglass_sweep::answers::frontier::FrontierPoint;
use stormglass_sweep::answers::sensitivity::Sensitivity;
use stormglass_sweep::stats::quantile::Quantile;
use stormglass_sweep::stats::stopping::Target;
use stormglass_sweep::{Manifest, Tally};

/// The format of tables and headings.
struct Form {
    table: fn(Table) -> String,
    mark: &'static str,
    /// What is before and after a name.
    strong: &'static str,
}

/// The heading of the sentences about variants.
pub(super) const WORTH: &str = "What each variant is worth, for which case, and what it costs";

/// Renders the findings for a terminal.
pub fn text(findings: &Findings) -> String {
    write(findings, &Form { table: |table| table::text(&table), mark: "", strong: "" })
}

/// Renders the findings as Markdown, for a CI summary.
pub fn markdown(findings: &Findings) -> String {
    write(findings, &Form { table: |table| table::markdown(&table), mark: "### ", strong: "**" })
}

/// Renders the table of one case while other cases are still being played: without p-values, whose
/// Holm correction needs all comparisons.
pub fn preview(manifest: &Manifest, tally: &Tally, case: &str) -> String {
    let cells = found(manifest, tally, |_, _| String::new());
    let cells: Vec<&Found> = cells.iter().filter(|cell| cell.case == case).collect();
    let (mut text, form) = (String::new(), Form { table: |table| table::text(&table), mark: "", strong: "" });
    let heading = format!("{case} (complete; p follows at the end)");
    section(&mut text, &form, &heading, cells_table(manifest.target, &cells, Correction::Open));
    text + &causes_line(&cells)
}

/// Returns the line below a case's table: the causes of failure in the first cell with a failed
/// run.
fn causes_line(cells: &[&Found]) -> String {
    let first = cells.iter().find(|cell| cell.failed > 0);
    let line = first.map(|first| format!("\nCauses of failure in \"{}\": {}\n", first.cell, causes(first)));
    line.unwrap_or_default() + "\n"
}

/// Whether p-values have the Holm correction for all comparisons of the sweep.
#[derive(Clone, Copy, PartialEq)]
enum Correction {
    Open,
    Done,
}

fn write(findings: &Findings, form: &Form) -> String {
    let mut text = String::new();
    for (case, cells) in findings.cases() {
        section(&mut text, form, case, cells_table(findings.target, &cells, Correction::Done));
        text += &causes_line(&cells);
    }
    let (rate, confidence) = (share(findings.target.flake), percent(findings.target.confidence));
    if !findings.deadlines.is_empty() {
        let heading = format!(
            "The smallest deadlines that keep the failure rate of their waits under {rate} at {confidence} confidence, in the first cell of each case"
        );
        let p99 = format!("p99 ({confidence} CI)");
        let mut table = headed(["deadline", "now", "runs", "median", &p99, "runs over it", "smallest"]);
        for needed in &findings.deadlines {
            table.add_row(
                [[format!("{}: {}", needed.case, needed.parameter)].as_slice(), &deadline(needed)].concat(),
            );
        }
        section(&mut text, form, &heading, table);
        text += "\n";
    }
    let pressing: Vec<&FrontierPoint> =
        findings.frontier.iter().filter(|best| findings.is_pressing(best)).collect();
    if !pressing.is_empty() {
        let heading = format!(
            "The cost of a lower failure rate at {confidence} confidence: a longer deadline finds a dead node later (for each case, the deadline that most runs exceed)"
        );
        let mut table = headed(["deadline", "failure rate", "shortest value", "in the cell"]);
        for point in pressing {
            table.add_row(
                [[format!("{}: {}", point.case, point.parameter)].as_slice(), &best(point)].concat(),
            );
        }
        section(&mut text, form, &heading, table);
        text += "\n";
    }
    if !findings.sensitivities.is_empty() {
        let mut table = headed(["parameter", "failure rate by value", "effect", "seeds worse, better", "p"]);
        for found in &findings.sensitivities {
            table.add_row(sensitivity(found));
        }
        section(&mut text, form, "Which parameters matter", table);
        text += "\n";
    }
    if !findings.worths.is_empty() {
        let _ = writeln!(text, "{}{WORTH}\n", form.mark);
        for Worth { variant, sentence, .. } in &findings.worths {
            let _ = writeln!(text, "- {0}{variant}{0}: {sentence}", form.strong);
        }
        text += "\n";
    }
    let _ = writeln!(text, "{}", cost(&findings.cost));
    text
}

fn section(text: &mut String, form: &Form, heading: &str, table: Table) {
    let _ = writeln!(text, "{}{heading}\n", form.mark);
    *text += &(form.table)(table);
}

fn headed<const N: usize>(headings: [&str; N]) -> Table {
    table::numbers(headings.map(String::from))
}

fn cells_table(target: Target, cells: &[&Found], correction: Correction) -> Table {
    let compares = cells.iter().any(|cell| cell.compared.is_some());
    let shifted = cells.iter().find_map(|cell| shift_of(cell)).map(|shift| &shift.parameter);
    let comparison = ["no longer fail", "fail now", "p"];
    let shown = if !compares { 0 } else { comparison.len() - usize::from(correction == Correction::Open) };
    let mut headings = vec!["cell".to_string(), "runs".into(), "failed".into()];
    headings.push(format!("failure rate ({} CI)", percent(target.confidence)));
    headings.extend(comparison[..shown].iter().map(ToString::to_string));
    if let Some(parameter) = shifted {
        headings.push(format!("{parameter}: change in wait, median ({} CI)", percent(target.confidence)));
    }
    headings.push("first seed".into());
    let mut table = table::numbers(headings);
    for cell in cells.iter().filter(|cell| cell.runs > 0) {
        let mut row = vec![cell.cell.clone(), cell.runs.to_string(), cell.failed.to_string(), rate(cell)];
        row.extend(compared(cell).into_iter().take(shown));
        if shifted.is_some() {
            row.push(shift_of(cell).map(shift).unwrap_or_default());
        }
        row.push(cell.first_failed_seed.map_or_else(String::new, |seed| seed.to_string()));
        table.add_row(row);
    }
    table
}

pub(super) fn shift_of(cell: &Found) -> Option<&Shift> {
    cell.compared.as_ref()?.wait.as_ref()
}

impl Findings {
    /// Whether a deadline is the one of its case that most runs of the first cell exceed.
    fn is_pressing(&self, best: &FrontierPoint) -> bool {
        let of_case = self.deadlines.iter().filter(|needed| needed.case == best.case);
        let most =
            of_case.rev().max_by_key(|needed| needed.exceeded_now).filter(|needed| needed.exceeded_now > 0);
        most.is_some_and(|needed| needed.parameter == best.parameter)
    }
}

/// Returns the change in wait with its interval; empty if the median is below a millisecond.
pub(super) fn shift(shift: &Shift) -> String {
    let [median, low, high] =
        [shift.median_s, shift.low_s, shift.high_s].map(|s| (s * 1e3).round() / 1e3 + 0.0);
    if median == 0.0 {
        return String::new();
    }
    format!("{median:+.3} s ({low:+.3} to {high:+.3})")
}

/// Returns the causes of failure of a cell, most frequent first.
pub(super) fn causes(cell: &Found) -> String {
    let mut causes: Vec<(&String, &u64)> = cell.causes.iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let causes: Vec<String> = causes.iter().map(|(cause, count)| format!("{cause} ({count})")).collect();
    causes.join(", ")
}

/// Returns the columns of a comparison; empty without one.
pub(super) fn compared(cell: &Found) -> [String; 3] {
    cell.compared.as_ref().map_or_else(
        || [const { String::new() }; 3],
        |it| [it.no_longer_fail.to_string(), it.fail_now.to_string(), p_value(it.p)],
    )
}

/// Returns the columns of a point of the frontier.
pub(super) fn best(point: &FrontierPoint) -> [String; 3] {
    [format!("< {}", share(point.flake)), format!("{:.3} s", point.deadline_s), point.cell.clone()]
}

/// Returns the columns of a parameter.
pub(super) fn sensitivity(found: &Sensitivity) -> [String; 5] {
    let levels: Vec<String> =
        found.levels.iter().map(|(level, rate)| format!("{level}: {}", percent(*rate))).collect();
    [
        format!("{}: {}", found.case, found.parameter),
        levels.join(", "),
        percent(found.effect),
        format!("{}, {}", found.seeds.0, found.seeds.1),
        p_value(found.p),
    ]
}

/// Returns the columns of a deadline.
pub(super) fn deadline(needed: &RequiredDeadline) -> [String; 6] {
    let Quantile { low, high, .. } = needed.p99_s;
    let high = high.map_or_else(|| "?".into(), length);
    [
        format!("{} s", needed.now_s),
        needed.runs.to_string(),
        length(needed.median_s.value) + " s",
        format!("{} to {high} s", low.map_or_else(|| "?".into(), length)),
        needed.exceeded_now.to_string(),
        smallest(needed),
    ]
}

fn length(seconds: f64) -> String {
    if seconds.is_finite() { format!("{seconds:.3}") } else { "infinite".into() }
}

/// Returns the smallest deadline, or why there is none.
fn smallest(needed: &RequiredDeadline) -> String {
    match (needed.smallest_s, needed.needs_runs) {
        (Some(smallest), _) => format!("{smallest:.3} s"),
        (None, Some(runs)) => format!("needs {runs} runs"),
        (None, None) => "none: too many waits never end".into(),
    }
}

/// Returns a cell's failure rate with its confidence interval.
pub(super) fn rate(cell: &Found) -> String {
    let rate = cell.failed as f64 / cell.runs.max(1) as f64;
    format!("{:.2} % ({})", rate * 100.0, rate_interval(cell))
}

/// Formats a rate that was configured, with all its digits.
pub(super) fn share(rate: f64) -> String {
    format!("{} %", (rate * 1e8).round() / 1e6)
}

/// Returns the cost of the sweep, compared with playing each cell separately.
pub(super) fn cost(cost: &Cost) -> String {
    let Cost { runs, brute_force_runs, simulated_s, grid_s } = *cost;
    format!(
        "{runs} runs, {simulated_s:.0} s of simulated time. Playing each cell separately with all its seeds takes {brute_force_runs} runs ({:.1} times as many); a grid of fixed size with the same precision and other seeds in each cell takes {grid_s:.0} s ({:.1} times)",
        cost.runs_saved(),
        cost.time_saved(),
    )
}
