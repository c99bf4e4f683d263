//! The handle of a disk: what can happen to it, and what can be observed. Operations on paths and files are in the modules
//! above: `metadata`, `names`, `directory`, `file` and `whole_file`.

mod in_flight;
mod operate;
mod snapshot;
mod state;

pub use snapshot::{Entry, EntryKind, Snapshot};

pub(crate) use in_flight::{InFlight, OperationSleep};
pub(crate) use state::{State, WriteAt, is_aligned};

use crate::deferred::DeferredLatency;
use crate::device::{Device, DeviceState};
use crate::fault::{DiskRule, InvalidRule};
use crate::injected;
use crate::operation::{Counters, Operation};
use crate::power::{DrawnLoss, Loss};
use crate::profile::{DiskProfile, Slowdown};
use crate::tree::User;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{Keep, Kind, Recorder, Seed, SimTime, Symbol};
use stormglass_rt as rt;

/// A disk with its filesystem. Clones are handles to the same disk; it outlives the tasks that use it.
///
/// An operation takes effect when its latency has passed: a task that is killed before that has changed nothing. A sync makes
/// durable what was written before it started. Errors have the kind and number of a real filesystem's.
///
/// The methods are named after the functions of `tokio::fs`. This crate has those functions too: they use the disk that is
/// mounted on the current node, see [`Disk::mount`].
#[derive(Clone, Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    /// For blocking calls: collects the latency of operations. Without it operations sleep.
    deferred: Option<DeferredLatency>,
    /// The user of the process that uses this handle.
    user: User,
}

/// The state of a disk at a time.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DiskState {
    /// The bytes that all files occupy or reserve, in whole pages.
    pub used_bytes: u64,
    /// The bytes in the page cache that are not durable.
    pub dirty_bytes: u64,
    /// How many of them the kernel has sent to the device.
    pub write_back_bytes: u64,
    /// The number of operations that were started.
    pub operations: u64,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
    /// The device, which it may share with other disks.
    pub device: DeviceState,
}

#[derive(Debug)]
struct Shared {
    profile: DiskProfile,
    device: Device,
    recorder: Recorder,
    device_number: u64,
    state: Mutex<State>,
}

impl Disk {
    /// Creates an empty disk. Its latencies are drawn from the seed's streams `("disk", name, operation)`.
    pub fn new(name: &str, profile: DiskProfile, seed: Seed) -> Disk {
        Disk::recorded(name, profile, seed, &Recorder::new(Keep::Nothing))
    }

    /// As [`Disk::new`], and records events with `recorder`.
    pub fn recorded(name: &str, profile: DiskProfile, seed: Seed, recorder: &Recorder) -> Disk {
        Disk::on(Device::new(name, &profile.device, seed), name, profile, seed, recorder)
    }

    /// As [`Disk::recorded`], on a device that disks can share. The profile's own device is ignored.
    pub fn on(device: Device, name: &str, profile: DiskProfile, seed: Seed, recorder: &Recorder) -> Disk {
        let state = Mutex::new(State::new(name, &profile, seed));
        let (recorder, device_number) = (recorder.clone(), device_number(name));
        let shared = Shared { profile, device, recorder, device_number, state };
        Disk { shared: Arc::new(shared), deferred: None, user: User::ROOT }
    }

    /// Fails the power: of what was not synced, `loss` selects what is lost, drawn from the stream `("disk", name, "power
    /// loss")`. Operations on open files and in-flight operations fail with EIO; kill the disk's node first if its tasks must
    /// not see that. The disk works again immediately, with a cold page cache.
    pub fn power_loss(&self, loss: Loss) {
        let mut state = self.lock();
        state.write_back(rt::now(), &self.shared.device);
        let State { tree, power, .. } = &mut *state;
        tree.power_loss(&mut DrawnLoss { loss, stream: power });
        state.power_off();
        drop(state);
        self.note("power loss");
    }

    /// Replaces the disk by an empty one. Operations on open files fail with EIO.
    pub fn wipe(&self) {
        let mut state = self.lock();
        state.wipe();
        state.power_off();
        drop(state);
        self.note("disk wiped");
    }

    /// Mounts the filesystem read-only, as Linux does with `errors=remount-ro` when it detects corruption, or
    /// read-write again. While it is read-only, changes fail with EROFS.
    pub fn remount(&self, read_only: bool) {
        self.lock().tree.read_only = read_only;
        self.note(if read_only { "remounted read-only" } else { "remounted read-write" });
    }

    /// Sets the capacity in bytes; 0 has no limit. Existing files stay.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity = bytes;
    }

    /// Returns the bytes that all files with a name or an open handle occupy or reserve, in whole pages.
    pub fn used_bytes(&self) -> u64 {
        self.lock().tree.allocated()
    }

    /// Evicts every clean page from the page cache, as `echo 3 > /proc/sys/vm/drop_caches`. The next reads go to the device: they
    /// cost its latency and return what the device stored, corruption included.
    pub fn drop_caches(&self) {
        self.lock().tree.evict();
        self.note("caches dropped");
    }

    /// Installs a rule. It is active until the guard is dropped.
    ///
    /// # Errors
    ///
    /// A wrong pattern, probability, period or factor: see [`InvalidRule`].
    pub fn inject(&self, rule: DiskRule) -> Result<FaultGuard, InvalidRule> {
        let guard = self.inject_planned(rule.clone())?;
        if let Some(number) = guard.number {
            let (name, at) = (self.name(), now());
            self.recorder().record_injected(&name, number, || injected::of_rule(&name, &rule, at));
        }
        Ok(guard)
    }

    /// As [`Disk::inject`], for a fault of a plan: reports know it from the plan, so the trace has no record
    /// of it.
    ///
    /// # Errors
    ///
    /// As [`Disk::inject`].
    pub fn inject_planned(&self, rule: DiskRule) -> Result<FaultGuard, InvalidRule> {
        let number = self.lock().faults.install(rule)?;
        Ok(FaultGuard { disk: self.clone(), number })
    }

    /// Slows the disk's device down by `factor` for a time: [`Device::stall`], which other disks of the device notice
    /// too. Reports show the stall as they show a rule.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::{Seed, SimTime};
    /// use stormglass_fs::{Disk, DiskProfile, Slowdown};
    ///
    /// let disk = Disk::new("node-1", DiskProfile::instant(), Seed(1));
    /// let second = SimTime::ZERO + Duration::from_secs(1);
    /// disk.stall(second..second + Duration::from_secs(2), Slowdown::new(60.0)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stall(&self, during: Range<SimTime>, factor: Slowdown) {
        let record = || injected::of_stall(&self.name(), &during, factor);
        // No rule has this number, and a stall is not removed.
        self.recorder().record_injected("", u64::MAX, record);
        self.shared.device.stall(during, factor);
    }

    /// Fails every operation from number `operation` on (the disk's first is 0) with EIO, until [`Disk::power_loss`]. Running a
    /// workload once for each number enumerates its crash points.
    pub fn stop_before(&self, operation: u64) {
        self.lock().stop_before = Some(operation);
    }

    /// Returns how many operations were started, failed ones included.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Returns the state as of now: what a run that ends here leaves. It does the write-back that is due,
    /// which may draw.
    ///
    /// # Panics
    ///
    /// Outside of a run.
    pub fn state(&self) -> DiskState {
        let (now, device) = (rt::now(), &self.shared.device);
        let mut state = self.lock();
        state.write_back(now, device);
        let (dirty_bytes, write_back_bytes) = state.dirty();
        let (used_bytes, operations) = (state.tree.allocated(), state.operations);
        let is_read_only = state.tree.read_only;
        drop(state);
        DiskState {
            used_bytes,
            dirty_bytes,
            write_back_bytes,
            operations,
            is_read_only,
            device: device.state(now),
        }
    }

    /// Returns the number, failures, bytes and time of operations of each kind.
    pub fn counters(&self) -> Counters {
        self.lock().counters.clone()
    }

    /// Returns a snapshot of the files, for inspection.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.lock().tree)
    }

    /// Returns `st_dev`: a number of `blkext` block devices, 259, with a minor number that follows
    /// from the disk's name.
    pub(crate) fn device_number(&self) -> u64 {
        self.shared.device_number
    }

    /// Returns the name.
    fn name(&self) -> String {
        self.lock().faults.disk().to_string()
    }

    /// Returns the recorder of this disk's events.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Returns the block device.
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// Returns a handle for blocking calls: operations take effect immediately and their latency is deferred.
    pub(crate) fn deferring_to(&self, deferred: &DeferredLatency) -> Disk {
        Disk { deferred: Some(deferred.clone()), ..self.clone() }
    }

    /// Returns a handle for the processes of this user and group, which permission bits can refuse
    /// (EACCES, EPERM). Without it, a process is root, as in most containers: the disk keeps
    /// permission bits and does not check them.
    ///
    /// ```
    /// use std::os::unix::fs::PermissionsExt;
    /// use stormglass_core::Seed;
    /// use stormglass_fs::{self as fs, Disk, DiskProfile};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
    ///     disk.write("/secret", "of root").await?;
    ///     disk.set_permissions("/secret", PermissionsExt::from_mode(0o600)).await?;
    ///     let _mounted = disk.as_user(1000, 1000).mount();
    ///     assert_eq!(fs::read("/secret").await.unwrap_err().raw_os_error(), Some(13));
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn as_user(&self, uid: u32, gid: u32) -> Disk {
        Disk { user: User { uid, gid }, ..self.clone() }
    }

    pub(crate) fn subject(&self, path: &str) -> Symbol {
        self.shared.recorder.symbol(path)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tree.set_user(self.user);
        state
    }

    fn note(&self, what: &str) {
        let recorder = &self.shared.recorder;
        recorder.record(rt::now(), Kind::Note, recorder.symbol(what), Duration::ZERO, 0);
    }

    /// Runs an operation on a path.
    pub(crate) async fn operate<T>(
        &self,
        kind: Kind,
        path: &str,
        effect: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let operation =
            Operation { kind, subject: self.subject(path), bytes: 0, target: None, direct: false };
        let in_flight = self.start(None, operation)?;
        self.complete(in_flight, |state, _| effect(state)).await
    }
}

/// Returns the `st_dev` of a disk of this name: FNV-1a of the name as a minor number of 20 bits, in
/// glibc's encoding (makedev).
fn device_number(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let minor = name.bytes().fold(0xcbf2_9ce4_8422_2325, step) & 0xf_ffff;
    libc::makedev(259, minor as u32)
}

/// Returns the current time; that of the start outside of a run.
fn now() -> SimTime {
    if rt::is_in_run() { rt::now() } else { SimTime::ZERO }
}

/// An installed rule; dropping it removes the rule.
#[derive(Debug)]
#[must_use = "dropping the guard removes the rule"]
pub struct FaultGuard {
    disk: Disk,
    /// `None` if the rule is for other disks.
    number: Option<u64>,
}

impl FaultGuard {
    /// Returns how many operations this rule was applied to.
    pub fn applied(&self) -> u64 {
        self.number.map_or(0, |number| self.disk.lock().faults.applied(number))
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.disk.lock().faults.remove(number);
            self.disk.recorder().end_injected(&self.disk.name(), number, now());
        }
    }
}
