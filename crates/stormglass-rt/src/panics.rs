//! What is known of a panic beyond its payload: location, message, node and task.

use crate::clock::is_in_run;
use crate::leaks;
use crate::run::node_of_current_task;
use std::any::Any;
use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::{Once, OnceLock};
use stormglass_core::{Scope, TurnsSpent};

/// A panic inside of a madsim runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PanicRecord {
    /// Where the panic was raised, as `file:line:column`.
    pub location: Option<String>,
    /// The message, if it has one.
    pub message: Option<String>,
    /// The name of the node whose task panicked, as madsim knows it. Known inside of a run
    /// ([`crate::enter_run`]).
    pub node: Option<String>,
    /// The scope of the task that panicked, if it has one: that of the innermost future that runs
    /// in a scope.
    pub scope: Option<Scope>,
}

thread_local! {
    /// The last panic on this thread inside of a madsim runtime.
    static LAST: RefCell<Option<PanicRecord>> = const { RefCell::new(None) };
    /// The last panic on this thread that no note in the trace reports yet.
    static UNREPORTED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs the panic hook of this module, once per process. It calls the hook before it, and does
/// nothing else on threads that are not inside of a madsim runtime.
pub fn install_hook() {
    static HOOK: Once = Once::new();
    // While a panic unwinds, the hook cannot be changed.
    if HOOK.is_completed() || std::thread::panicking() {
        return;
    }
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            note(panic);
            // A refused call ends the run by this panic; its verdict names the call.
            let is_quiet = QUIET_THREAD.get().is_some_and(|name| std::thread::current().name() == Some(name));
            let is_of_a_leak = panic.payload().is::<TurnsSpent>() && leaks::has_refused();
            if !is_quiet && !is_of_a_leak {
                // The hook before may print a backtrace, or write a report.
                leaks::allowed(|| before(panic));
            }
        }));
    });
}

/// The name of the threads whose panics the hook before is not told.
static QUIET_THREAD: OnceLock<&str> = OnceLock::new();

/// Installs the hook, which does not call the hook before on threads of this name: a panic in a run
/// is an outcome, and is reported as one. The first name counts. One hook does both, since two would
/// depend on the order in which they are installed.
pub fn silence_thread(name: &'static str) {
    install_hook();
    QUIET_THREAD.get_or_init(|| name);
}

/// Keeps what is known of a panic. A panic in a panic hook aborts the process, so nothing in here
/// panics.
fn note(panic: &PanicHookInfo<'_>) {
    if !is_in_run() {
        return;
    }
    let record = PanicRecord {
        location: panic.location().map(ToString::to_string),
        message: message_of(panic.payload()).map(str::to_string),
        node: node_of_current_task(),
        scope: None,
    };
    let _ = UNREPORTED.try_with(|it| it.try_borrow_mut().map(|mut it| *it = Some(text_of(&record))));
    restore(Some(record));
}

/// Returns the text of a note for a panic.
fn text_of(record: &PanicRecord) -> String {
    let location = record.location.as_deref().unwrap_or("an unknown place");
    let message = record.message.as_deref().unwrap_or(NO_MESSAGE);
    format!("panicked at {location}: {}", without_task_ids(message))
}

/// Returns a message without the numbers of tokio's tasks, which `JoinError` writes as `Id(17)`: they
/// are numbers of the operating system's process, and no part of the run.
///
/// ```
/// let message = r#"an `Err` value: JoinError::Panic(Id(17), "slot 4", ...)"#;
/// let expected = r#"an `Err` value: JoinError::Panic(Id(_), "slot 4", ...)"#;
/// assert_eq!(stormglass_rt::panics::without_task_ids(message), expected);
/// ```
pub fn without_task_ids(message: &str) -> String {
    const ID: &str = "Id(";
    let mut parts = message.split(ID);
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_id = rest.len() < part.len() && rest.starts_with(')');
        text += ID;
        text += if is_id { "_" } else { "" };
        text += if is_id { rest } else { part };
    }
    text
}

/// Takes the text of the last panic on this thread that no note reports yet.
#[cfg_attr(not(tokio_unstable), expect(dead_code, reason = "processes are not hosted"))]
pub(crate) fn take_unreported() -> Option<String> {
    UNREPORTED.take()
}

/// Makes this record that of the last panic, because its payload is about to be resumed.
pub(crate) fn restore(record: Option<PanicRecord>) {
    let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = record));
}

/// Keeps the scope that a panic unwinds. The first call for a panic counts: that of the innermost
/// scope.
pub(crate) fn note_scope(scope: Scope) {
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.get_or_insert_default().scope.get_or_insert(scope);
        }
    });
}

/// Takes the record of the panic with this payload, if it is the last one on this thread inside of
/// a madsim runtime. If the hook was replaced, the record has at most the scope.
pub fn take_record(payload: &(dyn Any + Send)) -> Option<PanicRecord> {
    let message = message_of(payload);
    let is_of_it = |record: &PanicRecord| record.location.is_none() || record.message.as_deref() == message;
    LAST.take().filter(is_of_it)
}

/// Returns the message of a panic, if it has one.
///
/// ```
/// let caught = std::panic::catch_unwind(|| panic!("number {}", 7)).unwrap_err();
/// assert_eq!(stormglass_rt::panics::message_of(&*caught), Some("number 7"));
/// ```
pub fn message_of(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied())
}

const NO_MESSAGE: &str = "a panic without a message";

/// Returns the message of a panic, or that it has none.
pub fn describe(payload: &(dyn Any + Send)) -> &str {
    message_of(payload).unwrap_or(NO_MESSAGE)
}

/// Whether a panic ends the run even if a task joins the task that panicked: the run's turns are
/// used up, or Stormglass itself panicked.
pub(crate) fn ends_the_run(payload: &(dyn Any + Send), record: Option<&PanicRecord>) -> bool {
    let location = record.and_then(|record| record.location.as_deref());
    payload.is::<TurnsSpent>() || location.is_some_and(is_in_framework)
}

/// Whether a location is in the source of one of the framework's crates that take part in a run:
/// `.../stormglass-net/src/udp.rs`, or `.../stormglass-net-0.1.0/src/udp.rs` in a registry.
fn is_in_framework(location: &str) -> bool {
    const CRATES: [&str; 5] = ["core", "fs", "net", "rt", "sim"];
    let mut folders = location.split(['/', '\\']).rev().skip_while(|&folder| folder != "src").skip(1);
    let Some(name) = folders.next().and_then(|folder| folder.strip_prefix("stormglass-")) else {
        return false;
    };
    CRATES.iter().any(|&known| {
        name.strip_prefix(known).is_some_and(|version| {
            version.is_empty()
                || version.strip_prefix('-').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_files_of_the_framework_are_recognised() {
        for inside in [
            "crates/stormglass-rt/src/worker/pool.rs:105:42",
            "/home/u/.cargo/registry/src/index.crates.io-19/stormglass-net-0.1.0/src/udp.rs:1:1",
            "/home/u/.cargo/git/checkouts/storm-0a/1f93449/crates/stormglass-fs/src/disk.rs:7:9",
        ] {
            assert!(is_in_framework(inside), "{inside}");
        }
        for outside in [
            "crates/stormglass-rt/tests/it/tasks.rs:1:1",
            "crates/stormglass-rtx/src/lib.rs:1:1",
            "crates/stormglass-net-tools/src/lib.rs:1:1",
            "/work/stormglass-net/app/src/main.rs:1:1",
            "src/main.rs:1:1",
            "crates/sim-raft/src/member.rs:1:1",
        ] {
            assert!(!is_in_framework(outside), "{outside}");
        }
    }
}
