//! The page's charts as inline SVG, without scripts and external fonts; the same findings give the
//! same bytes.

use super::curves::Curve;
use super::format::percent;
use super::found::Found;
use super::tables::{rate as rate_text, share as share_text};
use std::fmt::Write;
use std::time::Duration;
use stormglass_sweep::answers::frontier::FrontierPoint;
use stormglass_sweep::answers::sensitivity::Interaction;
use stormglass_sweep::stats::stopping::Side;
use stormglass_sweep::stats::survival::Step;

/// The position and size of a chart's area, in pixels.
const LEFT: f64 = 52.0;
const TOP: f64 = 10.0;
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 200.0;

/// Draws the confidence interval of a rate as a bar, with the target; all bars of a table have the
/// same scale.
pub(super) fn bar(cell: &Found, target: f64, most: f64) -> String {
    let x = |rate: f64| 4.0 + 142.0 * (rate / most).min(1.0);
    let class = match cell.side {
        Some(Side::Above) => "above",
        Some(Side::Below) => "below",
        Some(Side::Near) | None => "open",
    };
    format!(
        r#"<svg class="bar {class}" width="150" height="16" role="img" aria-label="{label}"><line class="target" x1="{t:.1}" x2="{t:.1}" y1="0" y2="16"/><line class="range" x1="{low:.1}" x2="{high:.1}" y1="8" y2="8"/><circle cx="{middle:.1}" cy="8" r="3"/></svg>"#,
        label = rate_text(cell),
        t = x(target),
        low = x(*cell.rate.start()),
        high = x(*cell.rate.end()),
        middle = x(cell.failed as f64 / cell.runs as f64),
    )
}

/// Draws survival curves on a logarithmic scale, with the deadlines as vertical lines.
pub(super) fn survival(curve: &Curve) -> String {
    let ends = curve.lines.iter().filter_map(|(_, steps)| steps.last());
    let longest = ends.map(|step| step.at.as_secs_f64()).fold(0.0, f64::max).max(1e-3);
    let near = |deadline: &&Duration| deadline.as_secs_f64() <= 2.0 * longest;
    let right = curve.deadlines.iter().filter(near).map(Duration::as_secs_f64).fold(longest, f64::max) * 1.05;
    let smallest = curve.lines.iter().flat_map(|(_, steps)| steps.iter().map(|step| step.longer));
    let bottom = smallest.filter(|&share| share > 0.0).fold(1.0, f64::min) / 2.0;
    let plot = Plot { right, bottom };
    let mut svg = plot.begin("share of runs whose wait is longer");
    for (place, (name, steps)) in curve.lines.iter().enumerate() {
        if place == 0 {
            let _ = write!(svg, r#"<path class="band" d="{}"/>"#, plot.band(steps));
        }
        let _ = write!(svg, r#"<path class="line line-{place}" d="{}"><title>"#, plot.stairs(steps));
        let _ = write!(svg, "{}</title></path>", escaped(name));
    }
    let (far, near): (Vec<&Duration>, Vec<&Duration>) =
        curve.deadlines.iter().partition(|deadline| deadline.as_secs_f64() > right);
    for deadline in &near {
        let x = plot.x(deadline.as_secs_f64());
        let _ = write!(
            svg,
            r#"<line class="deadline" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom}"><title>deadline {text}</title></line>"#,
            bottom = TOP + HEIGHT,
            text = humantime::format_duration(**deadline),
        );
    }
    let mut notes = Vec::new();
    if let [only] = near[..] {
        notes.push(format!("deadline {}", humantime::format_duration(*only)));
    }
    if !far.is_empty() {
        let far: Vec<String> =
            far.into_iter().map(|deadline| humantime::format_duration(*deadline).to_string()).collect();
        notes.push(format!("deadline {} →", far.join(", ")));
    }
    if !notes.is_empty() {
        let _ = write!(
            svg,
            r#"<text class="note" x="{x}" y="{y}" text-anchor="end">{note}</text>"#,
            x = LEFT + WIDTH - 4.0,
            y = TOP + 14.0,
            note = notes.join("; "),
        );
    }
    svg + "</svg>"
}

/// Draws the frontier of failure rate and deadline, with the best cell at each point.
pub(super) fn frontier(points: &[&FrontierPoint]) -> String {
    let right = points.iter().map(|point| point.deadline_s).fold(0.0, f64::max) * 1.1;
    let bottom = points.iter().map(|point| point.flake).fold(1.0, f64::min) / 2.0;
    let plot = Plot { right, bottom };
    let mut svg = plot.begin("failure rate");
    let mut path = String::new();
    for point in points {
        let (x, y) = (plot.x(point.deadline_s), plot.y(point.flake));
        let _ = if path.is_empty() { write!(path, "M{x:.1} {y:.1}") } else { write!(path, "H{x:.1}V{y:.1}") };
    }
    let _ = write!(svg, r#"<path class="line line-0" d="{path}"/>"#);
    for point in points {
        let _ = write!(
            svg,
            r#"<circle class="point" cx="{:.1}" cy="{:.1}" r="4"><title>{}: under {} after {:.3} s</title></circle>"#,
            plot.x(point.deadline_s),
            plot.y(point.flake),
            escaped(&point.cell),
            share_text(point.flake),
            point.deadline_s,
        );
    }
    svg + "</svg>"
}

/// Draws a heat map with a square for each pair of values. A square with a failed run links to the
/// command that explains it.
pub(super) fn heat_map(map: &Interaction) -> String {
    const SIDE: f64 = 64.0;
    const LINE: f64 = 30.0;
    let longest = map.rows.iter().map(|row| row.chars().count()).max().unwrap_or_default();
    let left = 16.0 + 7.5 * longest.max(3) as f64;
    let (width, height) = (left + SIDE * map.columns.len() as f64 + 8.0, 24.0 + LINE * map.rows.len() as f64);
    let mut svg = format!(
        r#"<svg class="heat" width="{width:.0}" height="{height:.0}" role="img" aria-label="failure rate by {} and {}">"#,
        escaped(&map.down),
        escaped(&map.across)
    );
    let rate = |runs: u64, failed: u64| failed as f64 / runs.max(1) as f64;
    let squares = map.squares.iter().flatten();
    let most = squares.map(|square| rate(square.runs, square.failed)).fold(1e-9, f64::max);
    for (row, name) in map.rows.iter().enumerate() {
        let y = LINE * row as f64;
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            left - 6.0,
            y + 20.0,
            escaped(name)
        );
        for (column, square) in map.squares[row].iter().enumerate() {
            let x = left + SIDE * column as f64;
            let share = rate(square.runs, square.failed);
            let heat = (share / most * 100.0).round();
            let words = if square.runs == 0 {
                "–".into()
            } else {
                percent(share).trim_end_matches(" %").to_string()
            };
            let square_text = format!(
                r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" style="--heat:{heat}%"><title>{} of {} runs fail</title></rect><text x="{tx:.1}" y="{ty:.1}" text-anchor="middle">{words}</text>"#,
                square.failed,
                square.runs,
                w = SIDE - 2.0,
                h = LINE - 2.0,
                tx = x + SIDE / 2.0 - 1.0,
                ty = y + 20.0,
            );
            let _ = match square.failing {
                Some(cell) => write!(svg, r##"<a href="#cell-{cell}">{square_text}</a>"##),
                None => write!(svg, "{square_text}"),
            };
        }
    }
    let y = LINE * map.rows.len() as f64 + 16.0;
    for (column, name) in map.columns.iter().enumerate() {
        let x = left + SIDE * (column as f64 + 0.5) - 1.0;
        let _ = write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{}</text>"#, escaped(name));
    }
    svg + "</svg>"
}

/// A plot: x is seconds, y is a share on a logarithmic scale.
struct Plot {
    right: f64,
    bottom: f64,
}

impl Plot {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + WIDTH * (seconds / self.right).min(1.0)
    }

    fn y(&self, share: f64) -> f64 {
        TOP + HEIGHT * (share.max(self.bottom).log10() / self.bottom.log10())
    }

    /// Draws the frame and the axes.
    fn begin(&self, meaning: &str) -> String {
        let mut svg = format!(
            r#"<svg class="plot" viewBox="0 0 {} {}" width="{}" role="img" aria-label="{meaning}, by seconds"><rect class="area" x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}"/>"#,
            LEFT + WIDTH + 14.0,
            TOP + HEIGHT + 34.0,
            LEFT + WIDTH + 14.0,
        );
        let mut share = 1.0;
        while share >= self.bottom {
            let y = self.y(share);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT + WIDTH,
                LEFT - 5.0,
                y + 4.0,
                share_text(share),
            );
            share /= 10.0;
        }
        let step = round_step(self.right / 5.0);
        let mut tick = 0.0;
        while tick <= self.right {
            let x = self.x(tick);
            let _ = write!(
                svg,
                r#"<text x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
                TOP + HEIGHT + 14.0,
                (tick * 1e3).round() / 1e3
            );
            tick += step;
        }
        let _ = write!(
            svg,
            r#"<text class="axis" x="{LEFT}" y="{}">seconds; {meaning}</text>"#,
            TOP + HEIGHT + 29.0
        );
        svg
    }

    fn stairs(&self, steps: &[Step]) -> String {
        let mut path = format!("M{LEFT:.1} {TOP:.1}");
        for (x, y) in self.corners(steps, |step| step.longer) {
            let _ = write!(path, "H{x:.1}V{y:.1}");
        }
        path
    }

    fn band(&self, steps: &[Step]) -> String {
        let mut path = format!("M{LEFT:.1} {TOP:.1}");
        for (x, y) in self.corners(steps, |step| step.high) {
            let _ = write!(path, "H{x:.1}V{y:.1}");
        }
        // Back along the lower ends of the intervals.
        let mut low = self.corners(steps, |step| step.low);
        while let Some((x, y)) = low.pop() {
            let _ = write!(path, "L{x:.1} {y:.1}");
            let before = low.last().map_or(TOP, |(_, y)| *y);
            let _ = write!(path, "V{before:.1}");
        }
        path + "Z"
    }

    /// Returns the corners of a curve, without those less than half a pixel from the one before.
    fn corners(&self, steps: &[Step], share: impl Fn(&Step) -> f64) -> Vec<(f64, f64)> {
        let mut corners: Vec<(f64, f64)> = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            let corner = (self.x(step.at.as_secs_f64()), self.y(share(step)));
            let moved = corners.last().is_none_or(|(_, y)| (corner.1 - y).abs() >= 0.5);
            if moved || place + 1 == steps.len() {
                corners.push(corner);
            }
        }
        corners
    }
}

/// Returns the smallest of 1, 2 or 5 times a power of ten that is at least this much.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= least).unwrap_or(power)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tick_distances_are_round() {
        for (least, step) in [(0.7, 1.0), (1.0, 1.0), (1.1, 2.0), (2.3, 5.0), (0.021, 0.05), (60.0, 100.0)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}: {}", round_step(least));
        }
    }

    #[test]
    fn curve_is_monotonic_and_inside_the_frame() {
        let at = |at: u64, longer: f64| Step {
            at: Duration::from_secs(at),
            longer,
            low: longer / 2.0,
            high: (longer * 2.0).min(1.0),
        };
        let steps = [at(1, 0.5), at(5, 0.1), at(9, 0.0)];
        let plot = Plot { right: 10.0, bottom: 0.05 };
        let corners = plot.corners(&steps, |step| step.longer);
        assert_eq!(corners.len(), 3);
        assert!(corners.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1), "{corners:?}");
        assert!((corners[2].1 - (TOP + HEIGHT)).abs() < 1e-9, "nothing is below the frame");
    }
}
