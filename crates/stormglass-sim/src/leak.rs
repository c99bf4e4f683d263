//! What a run says of a call that left the simulation.

use std::borrow::Cow;
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Trace, Verdict};
use stormglass_rt::Leak;
use stormglass_rt::leaks::Site;

/// Returns the verdict of a run in which this call was refused, and records it in the trace.
pub(crate) fn verdict(leak: &Leak, recorder: &Recorder) -> Verdict {
    let of = if leak.argument.is_empty() { "" } else { " of " };
    let note = format!("{}{of}{} left the simulation", leak.call, leak.argument);
    recorder.record_in(
        leak.scope,
        recorder.last_time(),
        Kind::Note,
        recorder.symbol(&note),
        Duration::ZERO,
        0,
    );
    let (what, site) = described(leak);
    let unknown = match site.place {
        Some(_) => "",
        None => {
            "; its place is unknown without debug information, such as `debug = \"line-tables-only\"` of \
             the profile"
        }
    };
    let message = format!(
        "{what} left the simulation: {}; if it may reach the real machine, set `run.leaks` to `count` \
         or `allow`{unknown}",
        leak.kind.remedy(),
    );
    let text = |symbol| Some(recorder.text(symbol)).filter(|text| !text.is_empty());
    Verdict::Panicked {
        node: text(leak.scope.node).unwrap_or_else(|| "no node".into()),
        task: text(leak.scope.task),
        location: site.place,
        message,
    }
}

/// Returns what was called and by which library, and where.
fn described(leak: &Leak) -> (String, Site) {
    let site = leak.site();
    let library = site.library.as_ref().map(|library| format!(" in {library}")).unwrap_or_default();
    (format!("{}{library}", leak.describe(&site)), site)
}

/// Returns a line on a call that was counted in a run with this trace: what, where, how often.
pub(crate) fn counted(leak: &Leak, trace: &Trace) -> String {
    let (what, site) = described(leak);
    let (node, task) = (trace.text(leak.scope.node), trace.text(leak.scope.task));
    format!("{what} at {site}, in task {task} on {node}, {} times", leak.times)
}

/// What tokio says where it lacks something that a hosted process does not have, and what to write
/// instead.
const REMEDIES: [(&str, &str); 5] = [
    (
        "Cannot start a runtime from within a runtime",
        "a process has one runtime in a run: `.await` the future, or spawn it",
    ),
    (
        "IO is disabled",
        "tokio's own sockets do not work in a run: use `tokio::net` of stormglass-tokio, and give a \
         library a stream or connector of stormglass-net",
    ),
    (
        "no signal driver running",
        "tokio's own signals do not work in a run: use `tokio::signal` of stormglass-tokio",
    ),
    (
        "there is no reactor running",
        "tokio's tasks and timers need a hosted process: run the code in `Node::run` or `Client::run`, \
         or use stormglass_rt's",
    ),
    (
        "can call blocking only when running on the multi-threaded runtime",
        "use `block_in_place` of stormglass-tokio",
    ),
];

/// Returns the message of a panic, with what to write instead if tokio does not have what was asked
/// of it in a run.
pub(crate) fn with_remedy(message: &str) -> String {
    let remedy = REMEDIES.iter().find(|(said, _)| message.contains(said));
    let remedy = remedy.map_or(Cow::Borrowed(""), |(_, remedy)| Cow::Owned(format!(" ({remedy})")));
    format!("{message}{remedy}")
}
