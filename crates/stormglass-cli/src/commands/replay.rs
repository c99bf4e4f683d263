//! `replay`: the timeline of one run.

use crate::args::{Replay, Selected};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::pictures;
use crate::runfile::current_build;
use crate::shell::{again, replay_line_of};
use crate::state;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZeroUsize;
use stormglass_core::{Identity, Keep, LogKind, LogLine, Outcome, Trace};
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
    Log(LogLineOf<'a>),
    Run {
        identity: Identity,
        outcome: &'a Outcome,
    },
}

/// A line of the log, which is no event.
#[derive(Serialize)]
struct LogLineOf<'a> {
    at: f64,
    took: f64,
    node: &'a str,
    task: &'a str,
    level: &'a str,
    target: &'a str,
    message: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
    spans: &'a [String],
    /// `event`, `span`, or `open-span`: one that was open at the end of the run.
    kind: &'a str,
    /// The number of the last event before it, of any task.
    after: u32,
    /// The number of the last event that its task had to wait for.
    cause: u32,
}

impl<'a> LogLineOf<'a> {
    fn of(trace: &'a Trace, line: &'a LogLine) -> LogLineOf<'a> {
        LogLineOf {
            at: line.at.as_nanos() as f64 / 1e9,
            took: line.kind.took().as_secs_f64(),
            node: trace.text(line.node),
            task: trace.text(line.task),
            level: line.level.name(),
            target: &line.target,
            message: &line.message,
            fields: line.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            spans: &line.spans,
            kind: match line.kind {
                LogKind::Event => "event",
                LogKind::Span { .. } => "span",
                LogKind::OpenSpan { .. } => "open-span",
            },
            after: line.after.number(),
            cause: line.cause.number(),
        }
    }
}

/// Prints events and log lines as JSON, in the order of the timeline.
fn print_json(trace: &Trace, filter: &Filter, output: &mut Output) {
    let asides = timeline::asides(trace, filter);
    let mut logged = asides.iter().filter_map(|aside| Some((aside.after, aside.log?))).peekable();
    for timeline::Line { index, event, .. } in timeline::lines(trace, filter) {
        while let Some((_, line)) = logged.next_if(|(after, _)| *after <= index) {
            output.print_json(&Line::Log(LogLineOf::of(trace, line)));
        }
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
    logged.for_each(|(_, line)| output.print_json(&Line::Log(LogLineOf::of(trace, line))));
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
        kinds: args
            .kinds
            .iter()
            .filter_map(|selected| match selected {
                Selected::Kind(kind) => Some(*kind),
                Selected::Log => None,
            })
            .collect(),
        grep: args.grep,
        only_log: args.kinds.contains(&Selected::Log),
        level: args.level,
        around: args.around.map(NonZeroUsize::get),
    };
    if let Some(event) = filter.around.filter(|&event| event > trace.events.len()) {
        let message = format!("--around {event}: the run has {} events", trace.events.len());
        return Err(CliError::Conflict(message));
    }
    if context.json {
        print_json(trace, &filter, output);
        output.print_json(&Line::Run { identity: run.identity(current_build()), outcome });
        return Ok(Exit::of(&outcome.verdict));
    }
    let lines = timeline::lines(trace, &filter);
    let shown = lines.len();
    let lines = if args.all || args.unfold || filter.around.is_some() {
        lines
    } else {
        timeline::fold::folded(lines)
    };
    let look = output.look(&args.terminal, filter.around);
    let mut text = timeline::render(&lines, &timeline::asides(trace, &filter), &look);
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
    if !outcome.verdict.is_passed() {
        text += &format!("\n{}", again(&args.one, run.seed(), context.test()));
    }
    output.print(&text);
    Ok(Exit::of(&outcome.verdict))
}
