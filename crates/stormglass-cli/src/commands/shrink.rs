//! `shrink`: the smallest fault plan with which a run still fails.

use crate::args;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::files::write;
use crate::output::Output;
use crate::runfile::current_build;
use crate::shell::quote;
use serde::Serialize;
use std::fmt::Write;
use stormglass_core::{Identity, Keep, Outcome, Verdict};
use stormglass_sim::faults::{Fault, Plan, shrink as smallest};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Shrunk { identity: Identity, before: usize, tried: u64, faults: &'a [Fault], outcome: &'a Outcome },
}

pub(crate) fn shrink(
    context: &Context<'_>,
    args: &args::Shrink,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let run = context.one(&args.one, output)?;
    let all = run.faults();
    let with = |faults: &[Fault]| run.clone().with_faults(faults.to_vec());
    // The outcome of the last plan that failed, which is the smallest one found.
    let mut outcome = with(&all).play(Keep::Nothing).outcome;
    let failure = outcome.verdict.clone();
    if failure.is_passed() {
        let message = "the run passes, so there is no failure to shrink: find a seed that fails with `run --seeds A..B`";
        return Err(CliError::Conflict(message.into()));
    }
    let found = smallest(&all, |faults| {
        let played = with(faults).play(Keep::Nothing).outcome;
        let fails = is_same_failure(&played.verdict, &failure);
        if fails {
            outcome = played;
        }
        fails
    });
    if let Some(file) = &args.out {
        write(file, &Plan::of(found.faults.clone()).to_toml())?;
    }
    if context.json {
        let (identity, faults) = (with(&found.faults).identity(current_build()), &found.faults);
        output.print_json(&Line::Shrunk {
            identity,
            before: all.len(),
            tried: found.tried,
            faults,
            outcome: &outcome,
        });
        return Ok(Exit::of(&outcome.verdict));
    }
    let (name, before, tried) = (&args.one.run, all.len(), found.tried);
    let mut text = format!(
        "{name}: the smallest plan that still fails, of {before} faults, after trying {tried} plans\n\n"
    );
    if found.faults.is_empty() {
        let _ = writeln!(text, "  no faults: the run fails without any");
    }
    for fault in &found.faults {
        let _ = writeln!(text, "  {fault}");
    }
    let _ = writeln!(text, "\nseed {}: {}", run.seed(), outcome.verdict);
    if let Some(file) = &args.out {
        let _ = writeln!(
            text,
            "wrote the plan to {}: replay it with --plan {}",
            file.display(),
            quote(&file.to_string_lossy())
        );
    }
    output.print(&text);
    Ok(Exit::of(&outcome.verdict))
}

/// Whether two runs fail in the same way: the same wait, property or panic message, regardless of
/// lengths and evidence.
fn is_same_failure(one: &Verdict, other: &Verdict) -> bool {
    match (one, other) {
        (Verdict::TimedOut { wait: one, .. }, Verdict::TimedOut { wait: other, .. }) => one == other,
        (Verdict::Violated { property: one, .. }, Verdict::Violated { property: other, .. }) => one == other,
        (Verdict::Panicked { message: one, .. }, Verdict::Panicked { message: other, .. }) => one == other,
        (Verdict::Stalled { .. }, Verdict::Stalled { .. }) => true,
        _ => false,
    }
}
