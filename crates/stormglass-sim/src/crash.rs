//! Crash points: the times at which a node of a run can crash so that it leaves something else behind.
//!
//! One run for each of them, with one crash, tries every moment at which a crash of this run can leave something
//! else: on the node's disk, or in what other nodes know by then. What a power loss keeps is drawn, except under
//! [`Loss::Everything`]. The method is that of ALICE (Pillai et al., "All File Systems Are Not Created Equal",
//! OSDI 2014) and of SQLite's crash tests (<https://www.sqlite.org/testing.html>), applied to whole nodes.

use crate::run::{Played, Run};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use stormglass_core::fault::{Loss, OneShot, Pattern};
use stormglass_core::{Event, EventId, Kind, SimTime};
use stormglass_plan::Fault;

/// How a node crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crash {
    /// SIGKILL: what was written stays in the page cache.
    Kill,
    /// The power fails, and the disk loses this of what was not synced.
    PowerLoss(Loss),
}

impl Crash {
    /// All kinds.
    pub const ALL: [Crash; 5] = [
        Crash::Kill,
        Crash::PowerLoss(Loss::Everything),
        Crash::PowerLoss(Loss::Suffix),
        Crash::PowerLoss(Loss::Subset),
        Crash::PowerLoss(Loss::Torn),
    ];

    /// Returns the fault that crashes this node at `at`, and starts its process again after `down`.
    pub fn fault(self, node: &str, at: SimTime, down: Duration) -> Fault {
        let node = Pattern::new(node);
        let kind = match self {
            Crash::Kill => OneShot::Kill { node },
            Crash::PowerLoss(loss) => OneShot::PowerLoss { node, loss },
        };
        Fault::new(at - SimTime::ZERO, down, kind)
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Crash::Kill => f.write_str("kill"),
            Crash::PowerLoss(loss) => write!(f, "power loss ({loss})"),
        }
    }
}

/// On which side of an event a crash point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// 1 µs before: the operation has no effect yet.
    Before,
    /// Directly after: the operation has its effect.
    After,
}

impl Side {
    /// Returns the word: `before`, `after`.
    pub fn word(self) -> &'static str {
        match self {
            Side::Before => "before",
            Side::After => "after",
        }
    }
}

/// A time at which a node can crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// The node.
    pub node: String,
    /// When it crashes.
    pub at: SimTime,
    /// The operation next to it.
    pub event: EventId,
    /// The side of the operation.
    pub side: Side,
}

/// Returns the crash points of a run that was played with its events, for the nodes that `is_chosen` accepts:
/// node by node in the order of names, and in the order of time. They are 1 µs before and directly after
/// each operation of the node that others can notice or that its disk keeps: a change of a file or directory, a
/// sync, a message sent, a connection opened or closed.
///
/// Between two of these operations only the time differs: both ends of the interval are crash points, the
/// first with the least, the last with the most that other nodes know. Operations within 1 µs, such as those
/// of a handle for blocking calls, which take no time, have a crash point before the first and after the last of
/// them: `stormglass_fs::Disk::stop_before` separates them.
///
/// ```
/// use std::time::Duration;
/// use stormglass_core::fault::Loss;
/// use stormglass_core::{Keep, Seed};
/// use stormglass_sim::crash::{Crash, crash_points};
/// use stormglass_sim::fs::mount;
/// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
///
/// struct Renames;
///
/// /// A process renames a file that it has not synced, and syncs only the directory
/// #[scenario]
/// impl Scenario for Renames {
///     async fn play(&self, world: World) {
///         let node = world.node("db");
///         node.run("save", async || {
///             let disk = mount::current().expect("a node has a disk");
///             disk.write("/new", b"state").await.unwrap();
///             disk.rename("/new", "/state").await.unwrap();
///             disk.open("/").await.unwrap().sync_all().await.unwrap();
///             std::future::pending::<()>().await
///         });
///         stormglass_rt::sleep(Duration::from_secs(1)).await;
///         let found = node.disk().read("/state").await;
///         world.check("a state is whole", found.is_err() || found.is_ok_and(|found| found == b"state"));
///     }
/// }
///
/// let settings = Settings::resolve(&Renames, None, "quiet", &[])?;
/// let run = Run::new(&Renames, settings, Seed(0));
/// let points = crash_points(&run.play(Keep::Events), |node| node == "db");
/// let down = Duration::from_secs(9);
/// let fails = |crash| {
///     let fails = |point| !run.clone().crashing(point, crash, down).play(Keep::Nothing).outcome.verdict.is_passed();
///     points.iter().filter(|&point| fails(point)).count()
/// };
/// assert_eq!(fails(Crash::Kill), 0);
/// assert!(fails(Crash::PowerLoss(Loss::Everything)) > 0);
/// # Ok::<(), stormglass_sim::SettingsError>(())
/// ```
pub fn crash_points(played: &Played, is_chosen: impl Fn(&str) -> bool) -> Vec<CrashPoint> {
    let trace = &played.trace;
    let (mut nodes, mut points): (BTreeMap<&str, Vec<CrashPoint>>, _) = (BTreeMap::new(), Vec::new());
    for (index, event) in trace.events.iter().enumerate().filter(|(_, event)| has_effect(event)) {
        let (node, at, event) =
            (trace.text(event.node), SimTime::from_nanos(event.at_nanos), EventId::at(index));
        if !is_chosen(node) {
            continue;
        }
        let points = nodes.entry(node).or_default();
        let point = |at, side| CrashPoint { node: node.into(), at, event, side };
        let before = at.as_nanos().checked_sub(BEFORE_NANOS).map(SimTime::from_nanos);
        if let Some(before) = before.filter(|before| points.last().is_none_or(|last| last.at < *before)) {
            points.push(point(before, Side::Before));
        }
        let after = point(at + AFTER, Side::After);
        match points.last_mut().filter(|last| last.side == Side::After && after.at <= last.at) {
            Some(last) => *last = after,
            None => points.push(after),
        }
    }
    nodes.into_values().for_each(|of_node| points.extend(of_node));
    points
}

/// How long before an operation takes effect the crash is. A poll of a task takes madsim's clock 50 to 100 ns
/// forward, and so does a timer, so what is due within some polls happens together.
const BEFORE_NANOS: u64 = 1_000;

/// How long after an operation the crash is: what its task does at the same instant happens before it.
const AFTER: Duration = Duration::from_nanos(1);

/// Returns whether an event changes what a disk keeps or what other nodes can notice.
fn has_effect(event: &Event) -> bool {
    match event.kind {
        Kind::Create
        | Kind::Write
        | Kind::Fsync
        | Kind::Fdatasync
        | Kind::Rename
        | Kind::Unlink
        | Kind::Mkdir
        | Kind::Truncate
        | Kind::Allocate
        | Kind::Link
        | Kind::Symlink
        | Kind::SetAttributes => true,
        Kind::Connect | Kind::Send | Kind::Close => true,
        Kind::Open
        | Kind::Read
        | Kind::Readdir
        | Kind::Stat
        | Kind::Readlink
        | Kind::Settle
        | Kind::Refuse
        | Kind::Deliver
        | Kind::Stall
        | Kind::Lose
        | Kind::Resolve
        | Kind::Sleep
        | Kind::Tick
        | Kind::Compute
        | Kind::Step
        | Kind::Note
        | Kind::WaitBegin
        | Kind::WaitEnd
        | Kind::Lock
        | Kind::Unlock
        | Kind::Fact
        | Kind::Status
        | Kind::Block => false,
    }
}

impl<'a> Run<'a> {
    /// Returns the same run in which a node also crashes at this point, and stays down for `down`. Until the
    /// crash it has the same events.
    #[must_use]
    pub fn crashing(self, point: &CrashPoint, crash: Crash, down: Duration) -> Run<'a> {
        let mut faults = self.faults();
        faults.push(crash.fault(&point.node, point.at, down));
        faults.sort_by_key(|fault| fault.at);
        self.with_faults(faults)
    }
}
