//! `debug`: steps through a run, or stops the process in front of an event.

use crate::args::Debug;
use crate::context::Context;
use crate::debug::{Session, View, interact, parse, press};
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::shell::command_line;
use signal_hook::consts::SIGSTOP;
use signal_hook::low_level::raise;
use stormglass_core::{EventId, Keep, Seed, SimTime};
use stormglass_report::timeline::describe;
use stormglass_sim::{Played, Run};

pub(crate) fn debug(context: &Context<'_>, args: &Debug, output: &mut Output) -> Result<Exit, CliError> {
    if context.json {
        let message = "--json: `debug` shows screens; `replay --json` prints events, and with --at the state";
        return Err(CliError::Conflict(message.into()));
    }
    let line = |command: &str, more: &str| {
        let seed = Seed(args.one.seed.unwrap_or(0));
        command_line(command, &args.one, seed, context.test(), more)
    };
    if args.keys.is_none() && args.break_before.is_none() && !output.is_interactive() {
        let replay = line("replay", "");
        let message = format!(
            "`debug` needs a terminal as standard input and output. Without one, --keys KEYS presses keys and \
             prints the screen; `{replay} --around EVENT` prints events, and `{replay} --at TIME` the state"
        );
        return Err(CliError::Conflict(message));
    }
    let keys = args.keys.as_deref().map(parse).transpose();
    let keys = keys.map_err(|problem| CliError::Conflict(format!("--keys: {problem}")))?;
    let run = context.one(&args.one, output)?;
    let played = run.play(Keep::Events);
    let count = played.trace.events.len();
    let number = args.break_before.unwrap_or(args.event);
    if number.get() > count {
        let option = if args.break_before.is_some() { "--break" } else { "--event" };
        return Err(CliError::Conflict(format!("{option} {number}: the run has {count} events")));
    }
    if args.break_before.is_some() {
        return Ok(stop_before(&run, &played, number.get() - 1, output));
    }
    let mut session = Session::new(&run, &played, number.get() - 1);
    let mut view = View::default();
    match keys {
        Some(keys) => output.print(&press(&mut session, &mut view, &keys, args.size)),
        None => {
            let has_colours = output.look(&args.terminal(), None).has_colours;
            interact(&mut session, &mut view, has_colours).map_err(CliError::Terminal)?;
            output.print(&at_end(&session, line));
        }
    }
    Ok(Exit::of(&played.outcome.verdict))
}

/// Returns where the user left the run, and the command lines that go on there.
fn at_end(session: &Session<'_>, line: impl Fn(&str, &str) -> String) -> String {
    let number = session.current() + 1;
    let event = describe(session.trace(), session.event());
    let event = event.trim_start();
    let mut text = format!("event {number} of {}, {}: {event}\n", session.lines().len(), session.now());
    for (command, option) in [("debug", "--event"), ("debug", "--break"), ("replay", "--around")] {
        text += &format!("  {}\n", line(command, &format!(" {option} {number}")));
    }
    text
}

/// Plays the run again, and stops the process where it would record the event with this index.
fn stop_before(run: &Run<'_>, played: &Played, index: usize, output: &mut Output) -> Exit {
    let (trace, event) = (&played.trace, &played.trace.events[index]);
    let process = std::process::id();
    let node = trace.text(event.node);
    output.report(&format!(
        "process {process} stops in front of event {}, {} on {}, {}\n  \
         gdb -p {process} -ex 'thread find stormglass-run'\n  kill -CONT {process}\n",
        index + 1,
        describe(trace, event).trim_start(),
        if node.is_empty() { "-" } else { node },
        SimTime::from_nanos(event.at_nanos),
    ));
    let again = run.play_with_call_before(Keep::Nothing, EventId::at(index), || {
        // SIGSTOP cannot be blocked, and its number is valid: there is no error.
        let _ = raise(SIGSTOP);
    });
    assert_eq!(again.outcome.trace_hash, played.outcome.trace_hash, "a stop does not change a run");
    output.print(&format!("{} with seed {}: {}\n", run.scenario().name(), run.seed(), again.outcome.verdict));
    Exit::of(&again.outcome.verdict)
}
