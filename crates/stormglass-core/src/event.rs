//! What happened: one fixed-size record for each observable thing.
//!
//! An event is recorded when it is over. It says how long it took and which event it had to wait for, so
//! that following the causes backwards from any event gives the critical path to it: the time between an
//! event and its cause is what the event itself cost.

use std::fmt;

/// An interned string of one trace: a node, a task, a file, a link, a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol(pub(crate) u32);

impl Symbol {
    /// The empty string.
    pub const NONE: Symbol = Symbol(0);

    /// The place of the string in [`crate::Trace::symbols`].
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

    /// The place of the event in [`crate::Trace::events`], none for the start of the run.
    pub fn index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }

    /// The event at this place of [`crate::Trace::events`].
    ///
    /// # Panics
    ///
    /// When the place is beyond 2³² events.
    pub fn at(index: usize) -> EventId {
        EventId(u32::try_from(index + 1).expect("fewer than 2³² events in a run"))
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// One observable thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was over, in nanoseconds since the start of the run.
    pub at_nanos: u64,
    /// How long it took, in nanoseconds; 0 for a moment.
    pub took_nanos: u64,
    /// A number that belongs to the kind: bytes, a term, a version.
    pub value: u64,
    /// The event that this one had to wait for.
    pub cause: EventId,
    /// What it was about: a path, a link, a step.
    pub subject: Symbol,
    /// The node that did it.
    pub node: Symbol,
    /// The task that did it.
    pub task: Symbol,
    /// What kind of thing.
    pub kind: Kind,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $text:literal $category:ident,)+) => {
        /// What kind of thing an event is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name,)+ }

        impl Kind {
            /// Every kind, in order.
            pub const ALL: &[Kind] = &[$(Kind::$name,)+];

            /// The word for it in timelines and counters.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$name => $text,)+ }
            }

            /// Which part of the world spends the time.
            pub fn category(self) -> Category {
                match self { $(Kind::$name => Category::$category,)+ }
            }
        }
    };
}

// A kind's place is part of every trace's hash: new ones come last.
kinds! {
    /// A file was opened.
    Open "open" Disk,
    /// A file was created.
    Create "create" Disk,
    /// Bytes were read; the value is their number.
    Read "read" Disk,
    /// Bytes were written to the page cache; the value is their number.
    Write "write" Disk,
    /// A file or directory with its metadata became durable; the value is the number of bytes that had to be written for it.
    Fsync "fsync" Sync,
    /// A file's data became durable; the value as for fsync.
    Fdatasync "fdatasync" Sync,
    /// A name was moved.
    Rename "rename" Disk,
    /// A file's name was removed.
    Unlink "unlink" Disk,
    /// A directory was made.
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
    /// A message arrived; its cause is the sending.
    Deliver "deliver" Network,
    /// A connection was closed or reset.
    Close "close" Network,
    /// A pause on purpose: a back-off, a poll gap. The subject says which.
    Sleep "sleep" Sleep,
    /// A periodic timer fired.
    Tick "tick" Tick,
    /// Work on a CPU.
    Compute "compute" Cpu,
    /// A step of a longer procedure was completed; the event took as long as the step.
    Step "step" Other,
    /// Something worth telling that costs no time of its own.
    Note "note" Other,
    /// Somebody began to wait.
    WaitBegin "wait" Other,
    /// The wait was over.
    WaitEnd "waited" Other,
    /// A connection stood still: the subject says why.
    Stall "stall" Network,
    /// The time of blocking operations was slept.
    Settle "settle" Disk,
    /// A name was looked up.
    Stat "stat" Disk,
    /// A file got another name.
    Link "link" Disk,
    /// A symbolic link was made.
    Symlink "symlink" Disk,
    /// A symbolic link was read.
    Readlink "readlink" Disk,
    /// A lock was taken; the event took as long as somebody else held it.
    Lock "lock" Other,
    /// A lock was let go.
    Unlock "unlock" Other,
    /// A message, or a segment of a stream, was lost on its way.
    Lose "lose" Network,
    /// A host's name was looked up; the value is 1 if it was found.
    Resolve "resolve" Network,
    /// Something that a checker wants to know; the subject says what, the value is packed by whoever records it.
    Fact "fact" Other,
    /// Something is in another state from now on: the subject says what and which, as `what: state`.
    Status "status" Other,
    /// A process stood still, since a task held the thread that would have heard of the network and of the time; the value is how many wakings waited.
    Block "blocked" Other,
}

/// Which part of the world an event's time goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Making data durable: fsync and fdatasync.
    Sync,
    /// Every other disk operation.
    Disk,
    /// Connecting and messages under way.
    Network,
    /// Pauses on purpose: back-offs and poll gaps.
    Sleep,
    /// Waiting for a periodic timer: election and heartbeat ticks.
    Tick,
    /// Work on a CPU, its queue included.
    Cpu,
    /// Everything that has no better name; near zero in a well-instrumented run.
    Other,
}

impl Category {
    /// Every category, in the order of reports.
    pub const ALL: [Category; 7] = [
        Category::Sync,
        Category::Disk,
        Category::Network,
        Category::Sleep,
        Category::Tick,
        Category::Cpu,
        Category::Other,
    ];

    /// The heading in reports.
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
