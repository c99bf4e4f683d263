//! The policy of the current thread, and the calls that it has seen.

use super::site::Site;
use crate::run;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use stormglass_core::{Scope, Stream};

/// What becomes of calls that leave the simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Leaks {
    /// The call fails (EPERM), and the run ends with a verdict that names it.
    #[default]
    Refuse,
    /// The call reaches the real machine, and is counted.
    Count,
    /// The call reaches the real machine.
    Allow,
}

/// What a call asks of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakKind {
    /// A file or directory.
    File,
    /// A socket, or the address of a host.
    Socket,
    /// To stop the thread for a time.
    Sleep,
    /// A thread.
    Thread,
    /// A process.
    Process,
    /// A change of the environment or the current directory, which other runs see too.
    Environment,
    /// A driver of I/O: that of a second tokio runtime.
    Driver,
}

impl LeakKind {
    /// Returns what to write instead.
    pub fn remedy(self) -> &'static str {
        match self {
            LeakKind::File => "use `tokio::fs` of stormglass-tokio, the disk of the node",
            LeakKind::Socket => {
                "use `tokio::net` of stormglass-tokio, and give a library a stream or connector \
                 of stormglass-net"
            }
            LeakKind::Sleep => "use `tokio::time::sleep`",
            LeakKind::Thread => {
                "use `tokio::spawn`, or `spawn_blocking` of stormglass-tokio; a run has one thread"
            }
            LeakKind::Process => "make the process a node, `World::node`",
            LeakKind::Environment => "pass the value as an argument",
            LeakKind::Driver => "use the runtime on which the process of the node runs",
        }
    }
}

/// A call that left the simulation.
#[derive(Clone)]
pub struct Leak {
    /// The function of libc: `open64`.
    pub call: &'static str,
    /// What it was called with: the path of a file, the length of a sleep. May be empty.
    pub argument: String,
    /// What it asks of the machine.
    pub kind: LeakKind,
    /// The scope of the task that made it first.
    pub scope: Scope,
    /// The number of events of the run before its first time.
    pub events: u64,
    /// How often it was made.
    pub times: u64,
    backtrace: Arc<Backtrace>,
}

impl Leak {
    /// Returns where the call was made first. Reads the program's debug information, which takes
    /// up to a second.
    pub fn site(&self) -> Site {
        allowed(|| {
            let folder = std::env::current_dir().unwrap_or_default();
            // std waits for threads by libc's `syscall`.
            let symbol = if self.call == "futex" { "syscall" } else { self.call };
            Site::of(symbol, &format!("{:#}", self.backtrace), &folder.to_string_lossy())
        })
    }

    /// Returns what was called, as text: "`std::fs::write` (open64 of /tmp/x)".
    pub fn describe(&self, site: &Site) -> String {
        let of = if self.argument.is_empty() { "" } else { " of " };
        let call = format!("{}{of}{}", self.call, self.argument);
        site.function
            .as_ref()
            .map_or_else(|| format!("`{call}`"), |function| format!("`{function}` ({call})"))
    }
}

impl PartialEq for Leak {
    fn eq(&self, other: &Leak) -> bool {
        let key = |leak: &Leak| (leak.call, leak.kind, leak.scope, leak.events, leak.times);
        key(self) == key(other) && self.argument == other.argument
    }
}

impl fmt::Debug for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}, {} times", self.call, self.argument, self.times)
    }
}

/// How the calls of a thread are watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) policy: Leaks,
    /// Answers reads of the system's random numbers.
    pub(super) entropy: Option<Stream>,
}

/// Calls that differ are kept up to this number.
const KEPT: usize = 32;

thread_local! {
    static POLICY: Cell<Leaks> = const { Cell::new(Leaks::Allow) };
    static ENTROPY: RefCell<Option<Stream>> = const { RefCell::new(None) };
    static LEAKS: RefCell<Vec<Leak>> = const { RefCell::new(Vec::new()) };
}

/// Sets how the calls of this thread are watched, and returns how they were before.
pub(super) fn set(watched: Watched) -> Watched {
    Watched { policy: POLICY.replace(watched.policy), entropy: ENTROPY.replace(watched.entropy) }
}

/// Runs a closure whose calls may reach the real machine, whatever the run's policy is.
///
/// For what a test or a framework does within a run, such as writing an artefact; not for the code
/// under test.
pub fn allowed<T>(closure: impl FnOnce() -> T) -> T {
    struct Restore(Leaks);

    impl Drop for Restore {
        fn drop(&mut self) {
            POLICY.set(self.0);
        }
    }

    let _restore = Restore(POLICY.replace(Leaks::Allow));
    closure()
}

/// Takes the calls of this thread that were refused or counted, in the order of their first times;
/// at most 32 that differ.
pub fn take() -> Vec<Leak> {
    LEAKS.take()
}

/// Whether a call of this thread was refused.
pub(crate) fn has_refused() -> bool {
    let is_any = |leaks: &RefCell<Vec<Leak>>| leaks.try_borrow().is_ok_and(|leaks| !leaks.is_empty());
    POLICY.get() == Leaks::Refuse && LEAKS.with(is_any)
}

/// Whether calls of this thread are refused or counted.
#[inline]
pub(super) fn is_watched() -> bool {
    POLICY.get() != Leaks::Allow
}

/// Whether calls of this thread are refused.
pub(super) fn refuses() -> bool {
    POLICY.get() == Leaks::Refuse
}

/// Fills a buffer with random numbers of the seed, if this thread plays a run. Returns whether it
/// does.
pub(super) fn fill_from_seed(bytes: &mut [u8]) -> bool {
    ENTROPY.with_borrow_mut(|entropy| {
        let Some(stream) = entropy else { return false };
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&stream.draw().to_le_bytes()[..chunk.len()]);
        }
        true
    })
}

/// Whether a call of this thread, which is watched, may reach the real machine; keeps it. A refused
/// call ends the run: its next turn is one too many.
pub(super) fn passes(call: &'static str, kind: LeakKind, argument: String) -> bool {
    let policy = POLICY.get();
    allowed(|| {
        let recorder = run::recorder();
        if policy == Leaks::Refuse
            && let Some(recorder) = &recorder
        {
            recorder.limit_turns(0);
        }
        LEAKS.with_borrow_mut(|leaks| {
            let known = leaks.iter_mut().find(|leak| leak.call == call && leak.argument == argument);
            if let Some(known) = known {
                known.times += 1;
            } else if leaks.len() < KEPT {
                let scope = recorder.as_ref().map(|recorder| recorder.scope()).unwrap_or_default();
                let events = recorder.map_or(0, |recorder| recorder.count());
                let backtrace = Arc::new(Backtrace::force_capture());
                leaks.push(Leak { call, argument, kind, scope, events, times: 1, backtrace });
            }
        });
    });
    policy == Leaks::Count
}
