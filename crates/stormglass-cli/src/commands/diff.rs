//! `diff`: compares two runs. `explain --what-if`: compares a run with itself under other parameters.

use crate::args;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::files::{check_writable, write};
use crate::output::Output;
use crate::pictures::planned;
use crate::runfile::current_build;
use crate::shell::replay_line_of;
use serde::Serialize;
use std::path::Path;
use stormglass_core::{Identity, Keep, Kind, Trace};
use stormglass_report::diff::{Diff, Side};
use stormglass_report::page::{self, Shown};
use stormglass_sim::check::Difference;
use stormglass_sim::{Played, Run, all_parameters};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Diff {
        identities: [Identity; 2],
        first_difference: Option<FirstDifference>,
        #[serde(flatten)]
        diff: &'a Diff,
    },
}

/// The first event that differs, in both runs, and what both have before.
#[derive(Serialize)]
struct FirstDifference {
    number: usize,
    before: String,
    first: String,
    second: String,
}

pub(crate) fn diff(context: &Context<'_>, args: &args::Diff, output: &mut Output) -> Result<Exit, CliError> {
    let first = context.one(&args.one, output)?;
    let is_same = args.other.is_none() && args.other_seed.is_none() && args.what_if.is_empty();
    if is_same {
        let message = "one run is named, and a run has no difference to itself: name the second one, or \
                       what differs with --other-seed or --what-if KEY=VALUE";
        return Err(CliError::Conflict(message.into()));
    }
    let is_other_file = args.other.as_ref().is_some_and(|other| other.ends_with(".toml"));
    let mut one = args.one.clone();
    if let Some(other) = &args.other {
        one.run.clone_from(other);
        if is_other_file {
            // A file defines its whole run: what is given is for the first one.
            one = args::One {
                run: other.clone(),
                what: args::What::default(),
                seed: None,
                branches: Vec::new(),
            };
        }
    }
    one.seed = args.other_seed.or(one.seed);
    let second = context.one(&one, output)?;
    let second = second.with_assignments(&assignments(&args.what_if))?;
    let names = names(&first, &second, (&args.one.run, &one.run), &args.what_if);
    let command = |one: &args::One, run: &Run<'_>| replay_line_of(one, run.seed(), context.test());
    let commands = [command(&args.one, &first), command(&one, &second)];
    compare(context, [&first, &second], names, &commands, args.html.as_deref(), output)
}

/// Compares a run with the same one with other parameters.
pub(crate) fn what_if(
    context: &Context<'_>,
    args: &args::Explain,
    run: &Run<'_>,
    output: &mut Output,
) -> Result<Exit, CliError> {
    if args.node.is_some() || args.pictures.perfetto.is_some() {
        let message = "--what-if compares all waits of two runs: leave out --node and --perfetto";
        return Err(CliError::Conflict(message.into()));
    }
    let changed = run.clone().with_assignments(&assignments(&args.what_if))?;
    let changes: Vec<String> = args.what_if.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let names = ["as it is".to_string(), changes.join(", ")];
    let command = replay_line_of(&args.one, run.seed(), context.test());
    let sets: Vec<String> =
        changes.iter().map(|change| format!(" --set {}", crate::shell::quote(change))).collect();
    let commands = [command.clone(), command + &sets.concat()];
    compare(context, [run, &changed], names, &commands, args.pictures.html.as_deref(), output)
}

fn assignments(sets: &[(String, String)]) -> Vec<(&str, &str)> {
    sets.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Returns what two runs are called: what tells them apart.
fn names(first: &Run<'_>, second: &Run<'_>, runs: (&str, &str), changes: &[(String, String)]) -> [String; 2] {
    if !changes.is_empty() {
        let changes: Vec<String> = changes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let other = match runs.0 == runs.1 && first.seed() == second.seed() {
            true => changes.join(", "),
            false => format!("{} seed {}, {}", runs.1, second.seed(), changes.join(", ")),
        };
        return [format!("seed {}", first.seed()), other];
    }
    let is_by_seed = runs.0 == runs.1;
    let name = |run: &str, of: &Run<'_>| match is_by_seed {
        true => format!("seed {}", of.seed()),
        false if run.ends_with(".toml") => run.to_string(),
        false => format!("{run} seed {}", of.seed()),
    };
    [name(runs.0, first), name(runs.1, second)]
}

fn compare(
    context: &Context<'_>,
    runs: [&Run<'_>; 2],
    names: [String; 2],
    commands: &[String; 2],
    html: Option<&Path>,
    output: &mut Output,
) -> Result<Exit, CliError> {
    html.map_or(Ok(()), check_writable)?;
    let played = runs.map(|run| run.play(Keep::Events));
    let [one, other] = &played;
    let side = |of: usize| Side { name: &names[of], trace: &played[of].trace, outcome: &played[of].outcome };
    let difference = match changed(runs).iter().any(|(_, is_observer)| *is_observer) {
        true => Difference::of_events(&without_deadlines(&one.trace), &without_deadlines(&other.trace)),
        false => Difference::of_events(&one.trace, &other.trace),
    };
    let found = Diff::of(&side(0), &side(1));
    let text = text(runs, difference.as_ref(), &found);
    if let Some(file) = html {
        let page = both(runs, &played, &names, commands, &text);
        write(file, &page)?;
        output.report(&format!("wrote the page of both runs to {}\n", file.display()));
    }
    if context.json {
        let first_difference = difference.map(|difference| FirstDifference {
            number: difference.index + 1,
            before: difference.before,
            first: difference.first,
            second: difference.second,
        });
        let identities = runs.map(|run| run.identity(current_build()));
        output.print_json(&Line::Diff { identities, first_difference, diff: &found });
    } else {
        output.print(&text);
    }
    Ok(Exit::Held)
}

/// Returns the difference as text: the first event that differs, then the rest.
fn text(runs: [&Run<'_>; 2], difference: Option<&Difference>, found: &Diff) -> String {
    let first = match (only_observers(runs), difference) {
        (Some(keys), _) => format!(
            "\nAll events are equal: {keys} is the deadline of a wait, which changes nothing but the verdict.\n"
        ),
        (None, None) => "\nAll events are equal.\n".to_string(),
        (None, Some(Difference { index, first, second, before, .. })) => format!(
            "\nThe first event that differs is number {}:\n  both         {before}\n  first run    \
             {first}\n  second run   {second}\n",
            index + 1
        ),
    };
    let (verdicts, rest) = found.render_parts();
    format!("{verdicts}{first}{rest}")
}

/// Returns the parameters in which the settings of two runs of one seed differ, if all are observers: then
/// the runs differ in the deadlines that their waits record, and in nothing else.
fn only_observers(runs: [&Run<'_>; 2]) -> Option<String> {
    let changed = changed(runs);
    let keys: Vec<&str> = changed.iter().map(|(key, _)| key.as_str()).collect();
    (!changed.is_empty() && changed.iter().all(|(_, is_observer)| *is_observer)).then(|| keys.join(", "))
}

/// Returns the parameters in which the settings of two runs of one seed differ, each with whether it is an
/// observer.
fn changed([first, second]: [&Run<'_>; 2]) -> Vec<(String, bool)> {
    if first.seed() != second.seed() || first.scenario().name() != second.scenario().name() {
        return Vec::new();
    }
    let (before, after) = (first.settings().leaves(), second.settings().leaves());
    let meanings = all_parameters(first.scenario()).meanings();
    let is_observer = |key: &str| meanings.get(key).is_some_and(|meaning| meaning.observer);
    let changed = after.into_iter().filter(|leaf| !before.contains(leaf));
    changed.map(|(key, _)| (key.clone(), is_observer(&key))).collect()
}

/// Returns a trace whose waits record no deadline: another one changes nothing that happens.
fn without_deadlines(trace: &Trace) -> Trace {
    let mut trace = trace.clone();
    let begins = trace.events.iter_mut().filter(|event| event.kind == Kind::WaitBegin);
    begins.for_each(|event| event.value = 0);
    trace
}

/// Returns the page with both runs, one below the other.
fn both(
    runs: [&Run<'_>; 2],
    played: &[Played; 2],
    names: &[String; 2],
    commands: &[String; 2],
    text: &str,
) -> String {
    let identities = runs.map(|run| run.identity(current_build()));
    let faults = runs.map(planned);
    let shown = |of: usize| Shown {
        name: &names[of],
        identity: &identities[of],
        command: &commands[of],
        trace: &played[of].trace,
        outcome: &played[of].outcome,
        faults: &faults[of],
        wait: None,
        chance: None,
    };
    page::comparison(names, text, [&shown(0), &shown(1)])
}
