//! The page of a run: one HTML file that shows it, without external resources.
//!
//! In reading order: `bands`, the faults; `lives`, the states of processes;
//! `roles`; `log`, the lines of the log; `chance`, the curve that `blame` computes; `waits` with their critical paths;
//! `headline`, the words on top; `columns`, the events
//! in a compact form; `document`, all of it as data. The scripts and the style are files in
//! `templates/run/`.

mod bands;
mod chance;
mod columns;
mod document;
mod headline;
mod lives;
mod log;
mod roles;
mod waits;

pub use bands::PlannedFault;
pub use chance::{Chance, ChancePoint, Jump};

use crate::lanes::Lanes;
use document::Document;
use stormglass_core::{Identity, Outcome, SimTime, Trace, Wait};

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The name of the run: its scenario or exhibit.
    pub name: &'a str,
    /// What is needed to play it again.
    pub identity: &'a Identity,
    /// The command that plays it again.
    pub command: &'a str,
    /// The trace, with its events.
    pub trace: &'a Trace,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// The faults of its plan.
    pub faults: &'a [PlannedFault],
    /// The wait that is shown first. Default: the one that the verdict names, else the longest.
    pub wait: Option<&'a Wait>,
    /// The chance of failing over time, if it is known.
    pub chance: Option<&'a Chance>,
}

const TEMPLATE: &str = include_str!("../templates/run/page.html");

const STYLES: [&str; 2] =
    [include_str!("../templates/run/page.css"), include_str!("../templates/run/panels.css")];

/// The scripts, in the order of dependence.
const SCRIPTS: [&str; 16] = [
    include_str!("../templates/run/data.js"),
    include_str!("../templates/run/model.js"),
    include_str!("../templates/run/view.js"),
    include_str!("../templates/run/canvas.js"),
    include_str!("../templates/run/frame.js"),
    include_str!("../templates/run/chance.js"),
    include_str!("../templates/run/lanes.js"),
    include_str!("../templates/run/relations.js"),
    include_str!("../templates/run/overview.js"),
    include_str!("../templates/run/draw.js"),
    include_str!("../templates/run/elements.js"),
    include_str!("../templates/run/path.js"),
    include_str!("../templates/run/event.js"),
    include_str!("../templates/run/log.js"),
    include_str!("../templates/run/legend.js"),
    include_str!("../templates/run/main.js"),
];

/// Renders the page of a run.
///
/// # Panics
///
/// Never: the data of a run is plain data.
pub fn html(shown: &Shown<'_>) -> String {
    let (document, bytes) = Document::of(shown.trace, shown.outcome, shown.faults, shown.wait, shown.chance);
    let Identity { scenario, seed, model, profile, build, .. } = shown.identity;
    let headline = &document.headline;
    let data = serde_json::to_string(&document).expect("the data of a run is plain data");
    let place = if shown.name == scenario { String::new() } else { format!("{}: ", shown.name) };
    let passed = shown.outcome.verdict.is_passed();
    let settings = match model.as_str() {
        "" => format!("profile {profile}"),
        model => format!("model {model}, profile {profile}"),
    };
    let commit = match build.commit.as_str() {
        "unknown" => String::new(),
        known => format!("<span>commit {}</span>", escape(known)),
    };
    fill(
        TEMPLATE,
        &[
            ("title", &escape(&headline.title)),
            ("reason", &escape(&headline.reason)),
            ("verdict", if passed { "passed" } else { "failed" }),
            ("name", &escape(&format!("{place}{scenario}, seed {seed}"))),
            ("settings", &escape(&settings)),
            ("trace", &format!("{} events, trace {}", shown.trace.count, shown.trace.hash)),
            ("commit", &commit),
            ("command", &escape(shown.command)),
            ("style", &STYLES.join("\n")),
            // Within a script `<` could end it.
            ("document", &data.replace('<', "\\u003c")),
            ("columns", &columns::base64(&bytes)),
            ("script", &SCRIPTS.join("\n")),
        ],
    )
}

const COMPARISON: &str = include_str!("../templates/compare.html");

/// Renders a page with two runs, one below the other, which show the same time, and the text of their
/// difference. `names` are what the runs are called.
pub fn comparison(names: &[String; 2], text: &str, runs: [&Shown<'_>; 2]) -> String {
    let [one, other] = names;
    fill(
        COMPARISON,
        &[
            ("title", &escape(&format!("{one} and {other}"))),
            ("text", &escape(text)),
            ("one", &escape(one)),
            ("other", &escape(other)),
            ("first", &escape(&html(runs[0]))),
            ("second", &escape(&html(runs[1]))),
        ],
    )
}

/// Replaces each `{{name}}` of a template by its value. What a value contains is not replaced.
///
/// # Panics
///
/// Panics if the template names an unknown value.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut pieces = template.split("{{");
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("each {{ of the template has its }}");
        let value = values.iter().find(|(known, _)| *known == name);
        text += value.unwrap_or_else(|| panic!("the template names the unknown value {name}")).1;
        text += rest;
    }
    text
}

/// Returns text with the characters escaped that HTML gives a meaning.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Returns the components that a node leads at a time, each with its term.
pub(crate) fn leads_at(trace: &Trace, node: &str, at: SimTime) -> Vec<(String, u64)> {
    let lanes = Lanes::of(trace);
    let Some(lane) = lanes.named(node) else { return Vec::new() };
    let ended = trace.events.last().map_or(at, |event| SimTime::from_nanos(event.at_nanos).max(at));
    let lives = lives::Life::of(trace, &lanes, &[], ended);
    let roles = roles::Role::of(trace, &lanes, &lives, ended).into_iter();
    let now = roles.filter(|role| {
        role.lane == lane && role.from <= at.as_nanos() && (at.as_nanos() < role.to || at == ended)
    });
    now.map(|role| (role.component, role.term)).collect()
}

#[cfg(test)]
mod tests;
