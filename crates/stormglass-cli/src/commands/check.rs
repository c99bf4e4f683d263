//! `check`: plays every seed twice and compares the traces.

use crate::args::{self, One};
use crate::context::Context;
use crate::effort::Effort;
use crate::error::{CliError, Exit};
use crate::files;
use crate::github;
use crate::output::Output;
use crate::problem::{Problem, Rule, of_scenario};
use crate::progress::Progress;
use crate::sarif;
use crate::shell::{again, replay_line};
use serde::Serialize;
use std::fmt::Display;
use std::ops::ControlFlow;
use std::time::Duration;
use stormglass_core::trace::TraceHash;
use stormglass_core::{Seed, SimTime, Verdict};
use stormglass_sim::check::Divergence;
use stormglass_sim::{Leaks, Run};
use stormglass_sweep::{in_order, pool};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Seed { seed: u64, events: u64, trace: TraceHash, divergence: Option<String>, calls: &'a [String] },
    Summary { scenario: &'a str, seeds: u64, diverged: u64, digest: TraceHash },
}

pub(crate) fn check(context: &Context<'_>, args: args::Check, output: &mut Output) -> Result<Exit, CliError> {
    args.annotations.sarif.as_deref().map_or(Ok(()), files::check_writable)?;
    let scenario = context.scenario(&args.scenario)?;
    let settings = context.settings(scenario, &args.what)?;
    let seeds = args.seeds.count();
    let jobs = args.jobs.unwrap_or_else(pool::default_jobs);
    let first_run = Run::new(scenario, settings.clone(), Seed(args.seeds.first()));
    context.detail_what(&first_run, &args.what, output);
    let mut progress = Progress::new(seeds, output);
    let (effort, mut simulated) = (Effort::start(), Duration::ZERO);

    let mut first: Option<(u64, Divergence)> = None;
    let mut left = Left::default();
    let (mut diverged, mut failed, mut events) = (0, 0, 0);
    let mut digest = TraceHash::EMPTY;
    let play = |seed| {
        let run = Run::new(scenario, settings.clone(), Seed(seed));
        let (played, divergence) = effort.measure("", seed, || stormglass_sim::check(&run));
        // The events have been compared; only the outcome is kept, and the calls that left the simulation.
        let calls = played.calls();
        (played.outcome, calls, divergence)
    };
    in_order(args.seeds.range(), jobs, play, |seed, (outcome, calls, divergence)| {
        digest = digest.with(outcome.trace_hash.0);
        events += outcome.events;
        // Both times.
        simulated += 2 * outcome.ended.saturating_since(SimTime::ZERO);
        let outcome_held = outcome.verdict.is_passed();
        failed += u64::from(!outcome_held);
        diverged += u64::from(divergence.is_some());
        if context.json {
            let divergence = divergence.as_ref().map(ToString::to_string);
            output.print_json(&Line::Seed {
                seed,
                events: outcome.events,
                trace: outcome.trace_hash,
                divergence,
                calls: &calls,
            });
        }
        left.add(seed, &outcome.verdict, calls);
        if let Some(divergence) = divergence {
            first.get_or_insert((seed, divergence));
        }
        progress.run_done(!outcome_held, String::new);
        if output.closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    output.detail(|| effort.report(jobs, simulated));

    if context.json {
        output.print_json(&Line::Summary { scenario: scenario.name(), seeds, diverged, digest });
    } else if let Some((seed, divergence)) = &first {
        let again = again(&One::of(scenario, &args.what, Seed(*seed)), Seed(*seed), context.test());
        output.print(&format!(
            "{}: {diverged} of {seeds} seeds diverge between two runs\n\nseed {seed}: {divergence}\n\n{again}",
            scenario.name(),
        ));
    } else {
        output.print(&format!(
            "{}: {seeds} seeds, each played twice, no divergence ({failed} failing runs compared too)\n{events} events, digest {digest}\n",
            scenario.name(),
        ));
    }
    let is_refused = settings.run().leaks == Leaks::Refuse;
    if !context.json {
        let again = |seed| again(&One::of(scenario, &args.what, seed), seed, context.test());
        output.print(&left.text(is_refused, again));
    }
    let problem = |rule, title: &str, seed: u64, message: &dyn Display, failed| {
        let what = args.what.with_profile_of(scenario);
        let command = format!("{} --all", replay_line("replay", scenario.name(), &what, Seed(seed)));
        let (scenario, title, place) = (scenario.name().into(), title.into(), of_scenario(scenario));
        let message = format!("seed {seed}: {message}\n{command}");
        Problem { rule, scenario, title, message, place, seed: Some(seed), failed: (failed, seeds), command }
    };
    let diverging = first.iter().map(|(seed, divergence)| {
        problem(Rule::Nondeterministic, "nondeterministic", *seed, divergence, diverged)
    });
    let leaving = left.first.iter().filter(|_| is_refused).map(|(seed, verdict, _)| {
        problem(Rule::LeftSimulation, "a call left the simulation", *seed, verdict, left.seeds)
    });
    let problems: Vec<Problem> = diverging.chain(leaving).collect();
    if args.annotations.github {
        problems.iter().for_each(|problem| output.print(&github::error(problem)));
    }
    if let Some(file) = &args.annotations.sarif {
        sarif::write(file, "check", scenario.name(), &problems)?;
    }
    Ok(match first {
        Some(_) => Exit::Nondeterminism,
        None if is_refused && left.seeds > 0 => Exit::Failed,
        None => Exit::Held,
    })
}

/// The calls of all seeds that left the simulation.
#[derive(Default)]
struct Left {
    seeds: u64,
    /// The first seed with calls: its number, its verdict and its calls.
    first: Option<(u64, String, Vec<String>)>,
}

impl Left {
    fn add(&mut self, seed: u64, verdict: &Verdict, calls: Vec<String>) {
        if !calls.is_empty() {
            self.seeds += 1;
            self.first.get_or_insert_with(|| (seed, verdict.to_string(), calls));
        }
    }

    /// Returns what was seen, with the first seed as the example, and how to see that run `again`.
    fn text(&self, is_refused: bool, again: impl Fn(Seed) -> String) -> String {
        let Some((seed, verdict, calls)) = &self.first else { return String::new() };
        let seeds = self.seeds;
        if is_refused {
            return format!(
                "{seeds} runs ended because a call left the simulation\nseed {seed}: {verdict}\n\n{}",
                again(Seed(*seed))
            );
        }
        format!(
            "{seeds} runs made calls that left the simulation\nseed {seed}: {}\n",
            calls.join("\n        ")
        )
    }
}
