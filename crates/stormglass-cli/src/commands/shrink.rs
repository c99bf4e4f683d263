//! `shrink`: the smallest fault plan with which a run still fails.

use crate::args::{self, One};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::failures::shrink as smallest;
use crate::files::write;
use crate::output::Output;
use crate::pictures;
use crate::runfile::current_build;
use crate::shell::{again, quote, replay_line_of};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use stormglass_core::{Identity, Keep, Outcome};
use stormglass_sim::Run;
use stormglass_sim::faults::{Fault, Plan};

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
    pictures::check(&args.pictures)?;
    let run = context.one(&args.one, output)?;
    let Some(found) = smallest(&run, Duration::MAX) else {
        let message = "the run passes, so there is no failure to shrink: find a seed that fails with `run --seeds A..B`";
        return Err(CliError::Conflict(message.into()));
    };
    let outcome = &found.outcome;
    if let Some(file) = &args.out {
        write(file, &Plan::of(found.faults.clone()).to_toml())?;
    }
    let smallest_one = with_plan(&args.one, &run, args.out.as_deref(), &found.faults);
    if !args.pictures.is_empty() {
        let smallest = run.clone().with_faults(found.faults.clone());
        let command = replay_line_of(&smallest_one, run.seed(), context.test());
        let played = smallest.play(Keep::Events);
        pictures::write_all(&args.pictures, &args.one.run, &command, &smallest, &played, None, output)?;
    }
    if context.json {
        let (identity, faults) =
            (run.clone().with_faults(found.faults.clone()).identity(current_build()), &found.faults);
        output.print_json(&Line::Shrunk {
            identity,
            before: found.before,
            tried: found.tried,
            faults,
            outcome,
        });
        return Ok(Exit::of(&outcome.verdict));
    }
    let mut text = format!("{}: {}\n\n{}", args.one.run, found.headline(), found.lines());
    let _ = writeln!(text, "\nseed {}: {}", run.seed(), outcome.verdict);
    if let Some(file) = &args.out {
        let _ = writeln!(
            text,
            "wrote the plan to {}: replay it with --plan {}",
            file.display(),
            quote(&file.to_string_lossy())
        );
    }
    let _ = write!(text, "\n{}", again(&smallest_one, run.seed(), context.test()));
    output.print(&text);
    Ok(Exit::of(&outcome.verdict))
}

/// Returns the run with the smallest plan: in its file if it was written to one. A run file defines its
/// whole run, and stays as it is.
fn with_plan(one: &One, run: &Run<'_>, file: Option<&Path>, faults: &[Fault]) -> One {
    let one = one.clone();
    if one.run.ends_with(".toml") {
        return one;
    }
    match file {
        Some(file) => one.with_plan(file.to_string_lossy().into_owned()),
        None => one.with_faults(faults, run.settings().plan().generate.count > 0),
    }
}
