//! The findings as an HTML page: one file without scripts and external resources.

use super::chart;
use super::findings::Findings;
use super::format::percent;
use super::found::Found;
use super::tables::{
    WORTH, best, causes, compared, cost, deadline, rate, sensitivity, share, shift, shift_of,
};
use askama::Template;
use stormglass_sweep::answers::frontier::FrontierPoint;

#[derive(Template)]
#[template(path = "sweep.html")]
struct Page<'a> {
    findings: &'a Findings,
    rate: String,
    confidence: String,
    cost: String,
    worth: &'a str,
    cases: Vec<Case<'a>>,
    maps: Vec<(String, String)>,
    frontiers: Vec<Frontier>,
    sensitivities: Vec<[String; 5]>,
    lines: Vec<Line<'a>>,
}

struct Case<'a> {
    name: &'a str,
    compares: bool,
    shifted: Option<&'a str>,
    overlaid: bool,
    rows: Vec<Row<'a>>,
    fails: Option<(&'a str, String)>,
    deadlines: Vec<(&'a str, [String; 6])>,
    curves: Vec<Picture<'a>>,
}

struct Row<'a> {
    place: usize,
    cell: &'a str,
    runs: u64,
    failed: u64,
    rate: String,
    bar: String,
    compared: [String; 3],
    shift: String,
    seed: Option<u64>,
}

struct Picture<'a> {
    name: &'a str,
    legend: Vec<&'a str>,
    svg: String,
}

struct Frontier {
    name: String,
    svg: String,
    points: Vec<[String; 3]>,
}

struct Line<'a> {
    place: usize,
    name: String,
    causes: String,
    explain: &'a str,
}

/// Renders the page.
///
/// # Panics
///
/// Never: writing to a string does not fail.
pub fn html(findings: &Findings) -> String {
    let page = Page {
        findings,
        rate: share(findings.target.flake),
        confidence: percent(findings.target.confidence),
        cost: cost(&findings.cost),
        worth: WORTH,
        cases: findings.cases().into_iter().map(|(name, _)| case(findings, name)).collect(),
        maps: findings
            .interactions
            .iter()
            .map(|map| {
                (format!("{}: rows {}, columns {}", map.case, map.down, map.across), chart::heat_map(map))
            })
            .collect(),
        frontiers: frontiers(findings),
        sensitivities: findings.sensitivities.iter().map(sensitivity).collect(),
        lines: findings
            .cells
            .iter()
            .enumerate()
            .filter_map(|(place, cell)| {
                Some(Line {
                    place,
                    name: format!("{}, {}", cell.case, cell.cell),
                    causes: causes(cell),
                    explain: cell.explain.as_deref()?,
                })
            })
            .collect(),
    };
    page.render().expect("writing to a string does not fail")
}

fn case<'a>(findings: &'a Findings, name: &'a str) -> Case<'a> {
    let cells: Vec<(usize, &Found)> =
        findings.cells.iter().enumerate().filter(|(_, cell)| cell.case == name && cell.runs > 0).collect();
    let ends = cells.iter().map(|(_, cell)| *cell.rate.end());
    let most = ends.fold(2.0 * findings.target.flake, f64::max).min(1.0);
    Case {
        name,
        compares: cells.iter().any(|(_, cell)| cell.compared.is_some()),
        shifted: cells.iter().find_map(|(_, cell)| shift_of(cell)).map(|shift| shift.parameter.as_str()),
        overlaid: findings.curves.iter().any(|curve| curve.case == name && curve.lines.len() > 1),
        rows: cells
            .iter()
            .map(|&(place, cell)| Row {
                place,
                cell: &cell.cell,
                runs: cell.runs,
                failed: cell.failed,
                rate: rate(cell),
                bar: chart::bar(cell, findings.target.flake, most),
                compared: compared(cell),
                shift: shift_of(cell).map(shift).unwrap_or_default(),
                seed: cell.first_failed_seed,
            })
            .collect(),
        fails: cells
            .iter()
            .find(|(_, cell)| cell.failed > 0)
            .map(|(_, cell)| (cell.cell.as_str(), causes(cell))),
        deadlines: findings
            .deadlines
            .iter()
            .filter(|needed| needed.case == name)
            .map(|needed| (needed.parameter.as_str(), deadline(needed)))
            .collect(),
        curves: findings
            .curves
            .iter()
            .filter(|curve| curve.case == name)
            .map(|curve| Picture {
                name: &curve.parameter,
                legend: if curve.lines.len() > 1 {
                    curve.lines.iter().map(|(label, _)| label.as_str()).collect()
                } else {
                    Vec::new()
                },
                svg: chart::survival(curve),
            })
            .collect(),
    }
}

fn frontiers(findings: &Findings) -> Vec<Frontier> {
    let mut all: Vec<(String, Vec<&FrontierPoint>)> = Vec::new();
    for point in &findings.frontier {
        let name = format!("{}: {}", point.case, point.parameter);
        match all.last_mut().filter(|(other, _)| *other == name) {
            Some((_, points)) => points.push(point),
            None => all.push((name, vec![point])),
        }
    }
    all.into_iter()
        .map(|(name, points)| Frontier {
            name,
            svg: chart::frontier(&points),
            points: points.iter().map(|point| best(point)).collect(),
        })
        .collect()
}
