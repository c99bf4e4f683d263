//! Events: one fixed-size record for each observable operation.
//!
//! An event is recorded when it is over. It has its duration and its cause, the event it had to
//! wait for. Following the causes backwards from any event gives the critical path to it: the time
//! between an event and its cause is what the event itself cost.

use std::fmt;

/// An interned string of one trace: a node, a task, a file, a link, a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol(pub(crate) u32);

impl Symbol {
    /// The empty string.
    pub const NONE: Symbol = Symbol(0);

    /// Returns the index of the string in [`crate::Trace::symbols`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of an event in its trace, from 1. Later events have larger numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(pub(crate) u32);

impl EventId {
    /// No event: the start of the run.
    pub const START: EventId = EventId(0);

    /// Returns the index of the event in [`crate::Trace::events`], `None` for the start of the run.
    pub fn index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }

    /// Returns the number of the event at this index of [`crate::Trace::events`].
    ///
    /// # Panics
    ///
    /// When the index is 2³² - 1 or larger.
    pub fn at(index: usize) -> EventId {
        EventId(u32::try_from(index + 1).expect("fewer than 2³² events in a run"))
    }

    /// Returns the number.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// One observable operation that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was over, in nanoseconds since the start of the run.
    pub at_nanos: u64,
    /// How long it took, in nanoseconds; 0 for an instant.
    pub took_nanos: u64,
    /// A number whose meaning depends on the kind: bytes, a term, a version.
    pub value: u64,
    /// The event that this one had to wait for.
    pub cause: EventId,
    /// The object of the operation: a path, a link, a step.
    pub subject: Symbol,
    /// The node that did it.
    pub node: Symbol,
    /// The task that did it.
    pub task: Symbol,
    /// The kind of operation.
    pub kind: Kind,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident $text:literal $category:ident,)+) => {
        /// The kind of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind { $($(#[doc = $doc])* $name,)+ }

        impl Kind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &[Kind] = &[$(Kind::$name,)+];

            /// Returns the name in timelines and counters.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$name => $text,)+ }
            }

            /// Returns what it is, as its documentation says.
            pub fn about(self) -> &'static str {
                match self { $(Kind::$name => concat!($($doc),*).trim_ascii_start(),)+ }
            }

            /// Returns the part of the system that spends the time.
            pub fn category(self) -> Category {
                match self { $(Kind::$name => Category::$category,)+ }
            }
        }
    };
}

// A kind's number is part of every trace's hash: add new kinds at the end.
kinds! {
    /// A file was opened.
    Open "open" Disk,
    /// A file was created.
    Create "create" Disk,
    /// Bytes were read; the value is their number.
    Read "read" Disk,
    /// Bytes were written to the page cache; the value is their number.
    Write "write" Disk,
    /// A file or directory with its metadata became durable; the value is the number of bytes that
    /// had to be written for it.
    Fsync "fsync" Sync,
    /// A file's data became durable; the value as for fsync.
    Fdatasync "fdatasync" Sync,
    /// A file or directory was renamed.
    Rename "rename" Disk,
    /// A file was unlinked.
    Unlink "unlink" Disk,
    /// A directory was created.
    Mkdir "mkdir" Disk,
    /// A directory was listed; the value is the number of names.
    Readdir "readdir" Disk,
    /// A file's length was set; the value is the new length.
    Truncate "truncate" Disk,
    /// Space was reserved for a file; the value is its size.
    Allocate "allocate" Disk,
    /// A connection was established.
    Connect "connect" Network,
    /// A connection was refused.
    Refuse "refuse" Network,
    /// A message left its sender.
    Send "send" Network,
    /// A message arrived; its cause is its `send` event.
    Deliver "deliver" Network,
    /// A connection was closed or reset.
    Close "close" Network,
    /// A deliberate pause: a back-off, a polling interval. The subject says which.
    Sleep "sleep" Sleep,
    /// A periodic timer fired.
    Tick "tick" Tick,
    /// Work on a CPU.
    Compute "compute" Cpu,
    /// A step of a longer procedure was completed; the event took as long as the step.
    Step "step" Other,
    /// A log line: something notable that takes no time of its own.
    Note "note" Other,
    /// A wait began.
    WaitBegin "wait" Other,
    /// A wait ended.
    WaitEnd "waited" Other,
    /// A connection stalled; the subject says why.
    Stall "stall" Network,
    /// The deferred latency of blocking calls was slept.
    Settle "settle" Disk,
    /// The metadata of a path was read.
    Stat "stat" Disk,
    /// A hard link was created.
    Link "link" Disk,
    /// A symbolic link was created.
    Symlink "symlink" Disk,
    /// A symbolic link was read.
    Readlink "readlink" Disk,
    /// A lock was acquired; the event took as long as another holder had it.
    Lock "lock" Other,
    /// A lock was released.
    Unlock "unlock" Other,
    /// A message, or a segment of a stream, was lost in transit.
    Lose "lose" Network,
    /// A host's name was looked up; the value is 1 if it was found.
    Resolve "resolve" Network,
    /// A fact for a checker; the subject says which, and the component that records it defines the
    /// encoding of the value.
    Fact "fact" Other,
    /// A component changed its state; the subject is `component: state`.
    Status "status" Other,
    /// A process had a blocked event loop: a task blocked the only worker thread that was awake,
    /// so nothing polled the I/O and time drivers. The value is the number of wake-ups that were
    /// delayed.
    Block "blocked" Other,
    /// The permission bits or times of a file were set.
    SetAttributes "setattr" Disk,
}

/// The part of the system that spends an event's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Making data durable: fsync and fdatasync.
    Sync,
    /// Every other disk operation.
    Disk,
    /// Connecting, and messages in transit.
    Network,
    /// Deliberate pauses: back-offs and polling intervals.
    Sleep,
    /// Waiting for a periodic timer: election and heartbeat ticks.
    Tick,
    /// Work on a CPU, including its run queue.
    Cpu,
    /// Everything else; near zero in a well-instrumented run.
    Other,
}

impl Category {
    /// Every category, in the order in which reports list them.
    pub const ALL: [Category; 7] = [
        Category::Sync,
        Category::Disk,
        Category::Network,
        Category::Sleep,
        Category::Tick,
        Category::Cpu,
        Category::Other,
    ];

    /// Returns the heading in reports.
    pub fn name(self) -> &'static str {
        match self {
            Category::Sync => "fsync",
            Category::Disk => "other disk",
            Category::Network => "network",
            Category::Sleep => "back-off",
            Category::Tick => "timer tick",
            Category::Cpu => "cpu",
            Category::Other => "other",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
