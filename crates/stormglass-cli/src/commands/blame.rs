//! `blame`: what tipped a failed run over.

use crate::args;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::failures::signature;
use crate::output::Output;
use crate::pictures;
use crate::runfile::current_build;
use crate::shell::replay_line_of;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::time::Duration;
use stormglass_core::{Draws, Identity, Keep, SimTime, Verdict, Wait};
use stormglass_report::blame::{Blame, Suspect, curve, suspects, tippings};
use stormglass_sim::fs::Stall;
use stormglass_sim::{Played, Run};
use stormglass_sweep::pool;
use stormglass_sweep::tipping;

/// Other runs count as failed if they fail by the time of the failure and this part of it. Without it, a
/// run that fails in the same way a little later, as most do, would count as passed.
const SLACK: u32 = 10;

/// The share of the budget, in percent, that the search takes; the measurement takes the rest.
const SEARCH_PERCENT: u64 = 70;

/// A suspect is measured if it tips over this share of the environments, in percent, and at most this
/// many are.
const SUSPECT_PERCENT: u64 = 4;
const SUSPECTS_MAX: usize = 5;

/// The fewest and the most environments of a measurement.
const ENVIRONMENTS: (u64, u64) = (30, 400);

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Blame {
        identity: Identity,
        #[serde(flatten)]
        blame: &'a Blame,
        /// The events whose names are the answer: those of the measured suspects that are jumps.
        jumps: Vec<Option<usize>>,
    },
}

pub(crate) fn blame(
    context: &Context<'_>,
    args: &args::Blame,
    output: &mut Output,
) -> Result<Exit, CliError> {
    pictures::check(&args.pictures)?;
    let run = context.one(&args.one, output)?;
    let (played, draws) = run.play_with_draws();
    if played.outcome.verdict.is_passed() {
        let message =
            "the run passes, so nothing tipped it over: find a seed that fails with `run --seeds A..B`";
        return Err(CliError::Conflict(message.into()));
    }
    let jobs = args.jobs.unwrap_or_else(pool::default_jobs);
    let blame = of_run(&run, &played, &draws, args.runs, jobs);
    let command = replay_line_of(&args.one, run.seed(), context.test());
    pictures::write_blamed(&args.pictures, &args.one.run, &command, &run, &played, &blame, output)?;
    if context.json {
        let jumps = blame.jumps().iter().map(|tipping| tipping.suspect.event).collect();
        let identity = run.identity(current_build());
        output.print_json(&Line::Blame { identity, blame: &blame, jumps });
    } else {
        output.print(&format!(
            "{} with seed {}: {}\n\n",
            run.scenario().name(),
            run.seed(),
            played.outcome.verdict
        ));
        output.print(&blame.render());
        output.print(&format!("\n  {command} --html run.html\n"));
    }
    Ok(Exit::Failed)
}

/// Finds what tipped a failed run over, with about `budget` runs.
pub(crate) fn of_run(
    run: &Run<'_>,
    played: &Played,
    draws: &Draws,
    budget: u64,
    jobs: NonZeroUsize,
) -> Blame {
    let failure = signature(&played.outcome.verdict);
    let failed = failed_at(played);
    let by = failed + (failed - SimTime::ZERO) / SLACK;
    // A property that is checked at the end of a run cannot be checked in a part of it.
    let cut = Some(run.clone().ending_at(by));
    let cut = cut.filter(|cut| signature(&cut.play(Keep::Nothing).outcome.verdict) == failure);
    let by = Some(by).filter(|_| cut.is_some() || played.violated.is_some());
    let asked = cut.as_ref().unwrap_or(run);
    let fails = |kept, environment| {
        let other = asked.clone().redrawing(kept, environment).play(Keep::Nothing);
        let in_time = || by.is_none_or(|by| other.violated.is_none_or(|at| at <= by));
        signature(&other.outcome.verdict) == failure && in_time()
    };
    let by = by.map(|by| by.as_secs_f64());
    // Draws that are taken later decide nothing.
    let events = by.map_or(u64::MAX, |_| {
        let is_before = |event: &stormglass_core::Event| SimTime::from_nanos(event.at_nanos) <= failed;
        played.trace.events.partition_point(is_before) as u64
    });
    let count = draws.draws.partition_point(|draw| draw.events <= events) as u64;
    let search = tipping::search(count, (budget * SEARCH_PERCENT / 100).max(1), jobs, fails);
    let least = (search.start.runs * SUSPECT_PERCENT).div_ceil(100).max(2);
    // The stalls that devices have drawn by the end.
    let state = run.state_at(played.outcome.ended);
    let stall = |node: &str, number: u64| {
        let node = state.nodes.iter().find(|other| other.name == node)?;
        let drawn = node.disk.device.stalls.iter().filter(|stall| stall.is_drawn);
        let Stall { from, until, factor, .. } = drawn.into_iter().nth(number as usize)?;
        Some(format!("{factor} times as slow from {from} to {until}"))
    };
    let mut suspects: Vec<Suspect> = suspects(&played.trace, draws, &search, stall);
    suspects.retain(|suspect| suspect.tipped >= least);
    suspects.truncate(SUSPECTS_MAX);
    let left = budget.saturating_sub(search.runs) / (2 * suspects.len().max(1) as u64);
    let environments = left.clamp(ENVIRONMENTS.0, ENVIRONMENTS.1);
    let runs = search.runs + 2 * environments * suspects.len() as u64;
    let measured = suspects.into_iter().map(|suspect| {
        let jump = tipping::measure(count, suspect.kept, environments, jobs, fails);
        (suspect, jump)
    });
    let measured = tippings(measured.collect());
    Blame {
        failure,
        by,
        start: search.start,
        draws: count,
        searched: search.tipped.values().sum(),
        curve: curve(&played.trace, draws, &search),
        measured,
        runs,
    }
}

/// Returns when a run had failed: the deadline of the wait, the time of the violation, else its end.
fn failed_at(Played { outcome, violated, .. }: &Played) -> SimTime {
    let of_wait = |name: &str, node: &str| {
        let is_it = |other: &&Wait| other.name == *name && other.node == *node && other.exceeded();
        outcome.waits.iter().find(is_it).map(|wait| wait.began + wait.deadline)
    };
    let failed = match &outcome.verdict {
        Verdict::TimedOut { wait, node, .. } => of_wait(wait, node),
        _ => *violated,
    };
    failed.unwrap_or(outcome.ended) + Duration::from_nanos(1)
}
