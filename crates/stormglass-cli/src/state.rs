//! The state of a run at a time: `replay --at`, and the panel of `debug`.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::runfile::current_build;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use stormglass_core::{Identity, SimTime, Trace};
use stormglass_report::moment::Moment;
use stormglass_report::table::seconds;
use stormglass_sim::fs::{DeviceState, DiskState};
use stormglass_sim::state::{Held, NodeState, ProcessState};
use stormglass_sim::{Played, Run, RunState};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    State {
        identity: Identity,
        #[serde(flatten)]
        state: &'a RunState,
        /// What the trace says about each node.
        moments: BTreeMap<&'a str, Moment>,
    },
}

/// Prints the state at a time, of these nodes or of all. `played` is the whole run, with its events.
///
/// # Errors
///
/// A time after the end of the run; a node that does not exist then.
pub(crate) fn state(
    context: &Context<'_>,
    nodes: &[String],
    run: &Run<'_>,
    played: &Played,
    at: SimTime,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let ended = played.outcome.ended;
    if at > ended {
        let message = format!("--at {at}: the run ended at {ended}; give an earlier time");
        return Err(CliError::Conflict(message));
    }
    let mut state = run.state_at(at);
    if let Some(unknown) = nodes.iter().find(|name| state.nodes.iter().all(|node| node.name != **name)) {
        let known: Vec<&str> = state.nodes.iter().map(|node| node.name.as_str()).collect();
        let message =
            format!("--node {unknown}: there is no such node at {at}; there are {}", known.join(", "));
        return Err(CliError::Conflict(message));
    }
    if !nodes.is_empty() {
        state.nodes.retain(|node| nodes.contains(&node.name));
    }
    let moment = |node: &NodeState| Moment::of(&played.trace, &node.name, at);
    if context.json {
        let moments = state.nodes.iter().map(|node| (node.name.as_str(), moment(node))).collect();
        output.print_json(&Line::State { identity: run.identity(current_build()), state: &state, moments });
        return Ok(Exit::of(&played.outcome.verdict));
    }
    let mut text = format!("{} with seed {} at {at}\n\n", run.scenario().name(), run.seed());
    text += &text_of(&state, &played.trace, at);
    let _ = writeln!(text, "\ntrace of the whole run {}", played.outcome.trace_hash);
    output.print(&text);
    Ok(Exit::of(&played.outcome.verdict))
}

/// Returns a state as text: its nodes, waits, held messages, and what the scenario adds, with blank lines
/// between. `trace` is that of the whole run, with its events.
pub(crate) fn text_of(state: &RunState, trace: &Trace, at: SimTime) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(state.nodes.iter().map(|node| of_node(node, &Moment::of(trace, &node.name, at), at)));
    parts.extend(state.waits.iter().map(|wait| {
        let late = if wait.lasts > wait.deadline { ", which has passed" } else { "" };
        format!(
            "waiting for {} on {}: for {} s, the deadline is {} s{late}\n",
            wait.name,
            wait.node,
            seconds(wait.lasts),
            seconds(wait.deadline)
        )
    }));
    parts.extend(state.held.iter().map(|held| {
        let Held { from, to, port, bytes, since } = held;
        format!("held: a message {from} -> {to}:{port}, {bytes} B, since {since}\n")
    }));
    parts.extend(state.scenario.iter().map(|(name, value)| {
        let value = serde_json::to_string_pretty(value).expect("a JSON value is plain data");
        format!("{name}: {value}\n")
    }));
    parts.join("\n")
}

fn of_node(node: &NodeState, moment: &Moment, at: SimTime) -> String {
    let process = match (node.process, &node.exit_status) {
        (ProcessState::Up, _) => "up".to_string(),
        (ProcessState::Paused, _) => "paused".into(),
        (ProcessState::Down, Some(status)) => format!("down, {status}"),
        (ProcessState::Down, None) => "down".into(),
    };
    let ended = match node.ended {
        0 => String::new(),
        1 => "; 1 process before it has ended".into(),
        count => format!("; {count} processes before it have ended"),
    };
    let mut text = format!("{}: {process}{ended}\n", node.name);
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<12} {what}");
    };
    for (component, term) in &moment.leads {
        line("leads", format!("{component}, term {term}"));
    }
    if let Some(step) = &moment.step {
        let (lasts, left) = (seconds(step.lasts), seconds(step.left));
        line("step", format!("{}, for {lasts} s, finished after another {left} s", step.name));
    }
    if !moment.statuses.is_empty() {
        let all: Vec<String> =
            moment.statuses.iter().map(|(what, state)| format!("{what} {state}")).collect();
        line("status", all.join(", "));
    }
    line("disk", of_disk(&node.disk));
    if let Some(device) = of_device(&node.disk.device, at) {
        line("device", device);
    }
    if !node.ports.is_empty() {
        let kind = |datagrams: bool| if datagrams { " (messages)" } else { "" };
        let ports: Vec<String> =
            node.ports.iter().map(|port| format!("{}{}", port.port, kind(port.datagrams))).collect();
        line("listens", ports.join(", "));
    }
    for socket in &node.sockets {
        let mut what = format!("{} -> {} {}", socket.port, socket.peer, socket.state);
        for (bytes, name) in [(socket.unread, "unread"), (socket.outstanding, "outstanding")] {
            if bytes > 0 {
                let _ = write!(what, ", {bytes} B {name}");
            }
        }
        line("connection", what);
    }
    for link in &node.links {
        let lost = if link.lost > 0 { format!(", {} lost", link.lost) } else { String::new() };
        line("link", format!("to {}: {} sent, {} B{lost}", link.to, link.sent, link.bytes));
    }
    if node.descriptors > 0 {
        line("descriptors", format!("{} open", node.descriptors));
    }
    text
}

fn of_disk(disk: &DiskState) -> String {
    let DiskState { used_bytes, dirty_bytes, write_back_bytes, operations, is_read_only, .. } = disk;
    let mut text = format!("{operations} operations, {used_bytes} B used, {dirty_bytes} B dirty");
    if *write_back_bytes > 0 {
        let _ = write!(text, ", {write_back_bytes} B in write-back");
    }
    if *is_read_only {
        text += ", read-only";
    }
    text
}

/// Returns what the device does, if it does anything.
fn of_device(device: &DeviceState, at: SimTime) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(until) = device.busy_until {
        let queue = if device.busy > 0 { format!(" on {} servers", device.busy) } else { String::new() };
        parts.push(format!("busy{queue} until {until}"));
    }
    for stall in device.stalls.iter().filter(|stall| stall.from <= at && at < stall.until) {
        let since = seconds(at.saturating_since(stall.from));
        let left = seconds(stall.until.saturating_since(at));
        parts.push(format!("stalls, {} times as slow, for {since} s, another {left} s", stall.factor));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
