//! Writes pictures of a run: its page, and its trace for ui.perfetto.dev.

use crate::args::Pictures;
use crate::error::CliError;
use crate::files::{check_writable, write};
use crate::output::Output;
use crate::runfile::current_build;
use stormglass_core::{SimTime, Wait};
use stormglass_report::page::{self, Chance, PlannedFault, Shown};
use stormglass_report::perfetto;
use stormglass_sim::faults::Fault;
use stormglass_sim::{Played, Run};

/// Checks before a run is played that its pictures can be written.
///
/// # Errors
///
/// [`CliError::Write`] with the file that cannot.
pub(crate) fn check(pictures: &Pictures) -> Result<(), CliError> {
    pictures.html.iter().chain(&pictures.perfetto).try_for_each(|file| check_writable(file))
}

/// Writes the pictures of a run that was played with its events, and reports where they are. The page
/// shows `wait` first, if one is given.
///
/// # Errors
///
/// [`CliError::Write`].
pub(crate) fn write_all(
    pictures: &Pictures,
    name: &str,
    command: &str,
    run: &Run<'_>,
    played: &Played,
    wait: Option<&Wait>,
    output: &mut Output,
) -> Result<(), CliError> {
    write_pictures(pictures, (name, command), run, played, (wait, None), output)
}

/// Writes pictures as [`write_all`]; the page shows what tipped the run over.
///
/// # Errors
///
/// As [`write_all`].
#[cfg(feature = "sweep")]
pub(crate) fn write_blamed(
    pictures: &Pictures,
    name: &str,
    command: &str,
    run: &Run<'_>,
    played: &Played,
    blame: &stormglass_report::blame::Blame,
    output: &mut Output,
) -> Result<(), CliError> {
    let chance = blame.for_page();
    write_pictures(pictures, (name, command), run, played, (None, Some(&chance)), output)
}

fn write_pictures(
    pictures: &Pictures,
    (name, command): (&str, &str),
    run: &Run<'_>,
    played: &Played,
    (wait, chance): (Option<&Wait>, Option<&Chance>),
    output: &mut Output,
) -> Result<(), CliError> {
    let Played { outcome, trace, .. } = played;
    if let Some(file) = &pictures.html {
        let identity = &run.identity(current_build());
        let faults = &planned(run);
        let page = page::html(&Shown { name, identity, command, trace, outcome, faults, wait, chance });
        write(file, &page)?;
        output.report(&format!("wrote the page of seed {} to {}\n", run.seed(), file.display()));
    }
    if let Some(file) = &pictures.perfetto {
        write(file, &perfetto::json(trace))?;
        let where_to = "open it in https://ui.perfetto.dev";
        output.report(&format!("wrote the trace of seed {} to {}: {where_to}\n", run.seed(), file.display()));
    }
    Ok(())
}

/// Returns the faults of a run for its page.
pub(crate) fn planned(run: &Run<'_>) -> Vec<PlannedFault> {
    let fault = |fault: Fault| PlannedFault {
        at: fault.at.into(),
        end: fault.end().map(SimTime::from),
        kind: fault.kind,
    };
    run.faults().into_iter().map(fault).collect()
}
