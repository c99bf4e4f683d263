//! `replay`: the timeline of one run.

use crate::args::Replay;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::pictures;
use crate::runfile::current_build;
use crate::shell::replay_line_of;
use crate::state;
use serde::Serialize;
use std::fmt::Write;
use stormglass_core::{Identity, Keep, Outcome};
use stormglass_report::explain::wait_lines;
use stormglass_report::timeline::{self, Detail, Filter};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Event {
        number: usize,
        at: f64,
        took: f64,
        node: &'a str,
        task: &'a str,
        kind: &'a str,
        subject: &'a str,
        value: u64,
        cause: u32,
    },
    Run {
        identity: Identity,
        outcome: &'a Outcome,
    },
}

pub(crate) fn replay(context: &Context<'_>, args: Replay, output: &mut Output) -> Result<Exit, CliError> {
    pictures::check(&args.pictures)?;
    let run = context.one(&args.one, output)?;
    let played = run.play(Keep::Events);
    let command = replay_line_of(&args.one, run.seed(), context.test());
    pictures::write_all(&args.pictures, &args.one.run, &command, &run, &played, None, output)?;
    let (trace, outcome) = (&played.trace, &played.outcome);
    if let Some(at) = args.at {
        return state::state(context, &args.nodes, &run, &played, at.into(), output);
    }
    let filter = Filter {
        detail: if args.all { Detail::Everything } else { Detail::Story },
        from: args.from.map(Into::into),
        until: args.until.map(Into::into),
        nodes: args.nodes,
        kinds: args.kinds,
        grep: args.grep,
    };
    if context.json {
        for timeline::Line { index, event, .. } in timeline::lines(trace, &filter) {
            output.print_json(&Line::Event {
                number: index + 1,
                at: event.at_nanos as f64 / 1e9,
                took: event.took_nanos as f64 / 1e9,
                node: trace.text(event.node),
                task: trace.text(event.task),
                kind: event.kind.name(),
                subject: trace.text(event.subject),
                value: event.value,
                cause: event.cause.number(),
            });
        }
        output.print_json(&Line::Run { identity: run.identity(current_build()), outcome });
        return Ok(Exit::of(&outcome.verdict));
    }
    let lines = timeline::lines(trace, &filter);
    let shown = lines.len();
    let lines = if args.all || args.unfold { lines } else { timeline::fold::folded(lines) };
    let mut text = timeline::render(&lines, &timeline::deadlines(trace, &filter));
    let _ = writeln!(
        text,
        "\n{} with seed {}: {}",
        run.identity(current_build()).scenario,
        run.seed(),
        outcome.verdict
    );
    wait_lines(&outcome.waits).iter().for_each(|line| text += &format!("  {line}\n"));
    let hidden = trace.count as usize - shown;
    let more = if hidden > 0 && !args.all { "; --all shows every event" } else { "" };
    let _ = writeln!(text, "{shown} of {} events shown{more}; trace {}", trace.count, outcome.trace_hash);
    output.print(&text);
    Ok(Exit::of(&outcome.verdict))
}
