//! `explain`: the critical path of a wait.

use crate::args::Explain;
use crate::commands::diff;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::pictures;
use crate::runfile::current_build;
use crate::shell::{again, replay_line_of};
use serde::Serialize;
use std::collections::BTreeMap;
use stormglass_core::event::Category;
use stormglass_core::{Identity, Keep, SimTime, Wait};
use stormglass_report::Explanation;
use stormglass_report::deadline::at_deadline;
use stormglass_report::explain::{Blocked, Reason, wait_line, wait_lines};
use stormglass_report::failure;
use stormglass_sim::faults::Fault;
use stormglass_sim::{Played, Run};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Explanation {
        identity: Identity,
        wait: &'a Wait,
        parts: Vec<PartLine<'a>>,
        reasons: &'a [Reason],
        blocked: &'a [Blocked],
    },
}

#[derive(Serialize)]
struct PartLine<'a> {
    step: &'a str,
    from: f64,
    to: f64,
    fsyncs: usize,
    by_category: BTreeMap<&'static str, f64>,
}

pub(crate) fn explain(context: &Context<'_>, args: Explain, output: &mut Output) -> Result<Exit, CliError> {
    pictures::check(&args.pictures)?;
    let run = context.one(&args.one, output)?;
    if !args.what_if.is_empty() {
        return diff::what_if(context, &args, &run, output);
    }
    let played = run.play(Keep::Events);
    let command = replay_line_of(&args.one, run.seed(), context.test());
    let of_node = args.node.as_deref().and_then(|node| longest(&played.outcome.waits, Some(node)));
    pictures::write_all(&args.pictures, &args.one.run, &command, &run, &played, of_node, output)?;
    let outcome = &played.outcome;
    let failure = failure(&run, &played).filter(|_| args.node.is_none());
    let Some(wait) = longest(&outcome.waits, args.node.as_deref()) else {
        let nodes: Vec<&str> = outcome.waits.iter().map(|wait| wait.node.as_str()).collect();
        if let (Some(failure), false) = (&failure, context.json) {
            output.print(&format!("{failure}\n{}", again(&args.one, run.seed(), context.test())));
            return Ok(Exit::of(&outcome.verdict));
        }
        let message = match args.node {
            Some(node) => format!(
                "--node {node}: this run has no wait for that node; it has waits for {}",
                nodes.join(", ")
            ),
            None => format!("this run has no wait to explain; it {}", outcome.verdict),
        };
        return Err(CliError::Conflict(message));
    };
    let Some(explanation) = Explanation::of(&played.trace, wait) else {
        let message = format!(
            "{}: its node has no event in the trace, so there is nothing to explain",
            wait_line(wait)
        );
        return Err(CliError::Conflict(message));
    };
    if context.json {
        let parts = explanation.parts().iter().map(|part| PartLine {
            step: &part.name,
            from: part.from.as_secs_f64(),
            to: part.to.as_secs_f64(),
            fsyncs: part.syncs,
            by_category: part
                .by_category
                .iter()
                .map(|(category, time)| (category.name(), time.as_secs_f64()))
                .collect(),
        });
        let (parts, reasons, blocked) = (parts.collect(), explanation.reasons(), explanation.blocked());
        output.print_json(&Line::Explanation {
            identity: run.identity(current_build()),
            wait,
            parts,
            reasons,
            blocked,
        });
        return Ok(Exit::of(&outcome.verdict));
    }
    let mut text = match failure {
        Some(failure) => format!("{failure}\nThe longest wait of this run:\n\n"),
        None => String::new(),
    };
    text += &explanation.render();
    text += &failure::killed(&played.trace);
    text += &legend(&explanation.by_category());
    text += &at_deadline(&played.trace, wait).unwrap_or_default();
    let others: Vec<&Wait> = outcome.waits.iter().filter(|other| *other != wait).collect();
    if !others.is_empty() {
        text += "\nThe other waits of this run (--node NAME explains one of them):\n";
        wait_lines(others).iter().for_each(|line| text += &format!("  {line}\n"));
    }
    if !outcome.verdict.is_passed() {
        text += &format!("\n{}", again(&args.one, run.seed(), context.test()));
    }
    output.print(&text);
    Ok(Exit::of(&outcome.verdict))
}

/// Explains a verdict that is no wait's.
pub(crate) fn failure(run: &Run<'_>, played: &Played) -> Option<String> {
    let (outcome, faults) = (&played.outcome, run.faults());
    let active = |at: SimTime| {
        let is_active = |fault: &&Fault| {
            SimTime::from(fault.at) <= at && fault.end().is_none_or(|end| at < SimTime::from(end))
        };
        faults.iter().filter(is_active).map(ToString::to_string).collect()
    };
    failure::explain(&played.trace, &outcome.verdict, outcome.ended, active)
}

/// Returns the wait to explain: one that exceeded its deadline if there is one, and the longest of
/// those.
fn longest<'a>(waits: &'a [Wait], node: Option<&str>) -> Option<&'a Wait> {
    let candidates = waits.iter().filter(|wait| node.is_none_or(|node| wait.node == node));
    candidates.max_by_key(|wait| (wait.exceeded(), wait.length.duration()))
}

/// Explains the table's headings.
fn legend(categories: &BTreeMap<Category, std::time::Duration>) -> String {
    let meaning = |category: &Category| match category {
        Category::Sync => {
            "fsync: making data durable (fsync, fdatasync), on any node that the wait depended on"
        }
        Category::Disk => "other disk: reads, writes, renames and so on",
        Category::Network => "network: connection setup and messages in transit",
        Category::Sleep => "back-off: deliberate pauses before another attempt",
        Category::Tick => "timer tick: waiting for a periodic timer, such as Raft's",
        Category::Cpu => "cpu: computing, and waiting for a core",
        Category::Other => "other: events of no other category",
    };
    let shown = categories.iter().filter(|(_, time)| time.as_micros() >= 500);
    let lines: String = shown.map(|(category, _)| format!("  {}\n", meaning(category))).collect();
    format!("\n{lines}")
}
