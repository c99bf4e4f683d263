//! `check`: plays every seed twice and compares the traces.

use crate::args;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::progress::Progress;
use crate::shell::replay_line;
use serde::Serialize;
use std::ops::ControlFlow;
use stormglass_core::Seed;
use stormglass_core::trace::TraceHash;
use stormglass_sim::Run;
use stormglass_sim::check::Divergence;
use stormglass_sweep::{in_order, pool};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Seed { seed: u64, events: u64, trace: TraceHash, divergence: Option<String> },
    Summary { scenario: &'a str, seeds: u64, diverged: u64, digest: TraceHash },
}

pub(crate) fn check(context: &Context<'_>, args: args::Check, output: &mut Output) -> Result<Exit, CliError> {
    let scenario = context.scenario(&args.scenario)?;
    let settings = context.settings(scenario, &args.what)?;
    let seeds = args.seeds.count();
    let jobs = args.jobs.unwrap_or_else(pool::default_jobs);
    let mut progress = Progress::new(seeds, output);

    let mut first: Option<(u64, Divergence)> = None;
    let (mut diverged, mut failed, mut events) = (0, 0, 0);
    let mut digest = TraceHash::EMPTY;
    let play = |seed| {
        let (played, divergence) = stormglass_sim::check(&Run::new(scenario, settings.clone(), Seed(seed)));
        // The events have been compared; only the outcome is kept.
        (played.outcome, divergence)
    };
    in_order(args.seeds.range(), jobs, play, |seed, (outcome, divergence)| {
        digest = digest.with(outcome.trace_hash.0);
        events += outcome.events;
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
            });
        }
        if let Some(divergence) = divergence {
            first.get_or_insert((seed, divergence));
        }
        progress.run_done(!outcome_held, String::new);
        if output.closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();

    if context.json {
        output.print_json(&Line::Summary { scenario: scenario.name(), seeds, diverged, digest });
    } else if let Some((seed, divergence)) = &first {
        let line = replay_line("replay", scenario.name(), &args.what.with_profile_of(scenario), Seed(*seed));
        output.print(&format!(
            "{}: {diverged} of {seeds} seeds diverge between two runs\n\nseed {seed}: {divergence}\n\n  {line} --all\n",
            scenario.name(),
        ));
    } else {
        output.print(&format!(
            "{}: {seeds} seeds, each played twice, no divergence ({failed} failing runs compared too)\n{events} events, digest {digest}\n",
            scenario.name(),
        ));
    }
    Ok(if first.is_some() { Exit::Nondeterminism } else { Exit::Held })
}
