//! The partition processor manager: which partitions run on a node, and what happens when one
//! stops.
//!
//! A partition starts on an order of the controller, or since 1.7 when gossip says that the node
//! is one of its replicas. A partition that met a gap in its log starts again from a snapshot
//! beyond the gap, if there is a repository; the target of this fast-forward holds for one start.

use super::PartitionId;
use super::log_lines::gap_text;
use super::processor::{self, Ended, Event, SharedStatus};
use super::protocol::{Invoke, Invoked, PARTITION_PORT, Role, SnapshotError, Status};
use super::settings::{PlacedBy, Restarts};
use super::snapshots::Snapshot;
use super::state::State;
use super::table::EpochMetadata;
use super::worker::Worker;
use crate::log::Lsn;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stormglass_rt as rt;
use stormglass_rt::Watch;
use stormglass_rt::channel::{self, Receiver, Sender};

/// A message to the manager.
enum Order {
    Control(PartitionId, Role),
    Ended(PartitionId, u64, Ended),
    Again(PartitionId),
}

/// The partitions of a node. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Manager {
    worker: Arc<Worker>,
    slots: Arc<Mutex<BTreeMap<PartitionId, Slot>>>,
    /// The number of the last slot; `None` once the node shuts down and no partition starts any
    /// more.
    last: Arc<Mutex<Option<u64>>>,
    orders: Sender<Order>,
}

struct Slot {
    events: Sender<Event>,
    status: SharedStatus,
    started: Watch<bool>,
    /// Whether an epoch is being obtained for it.
    claiming: bool,
    /// Set once the partition has to stop: until it has stopped, no other one of the same id
    /// starts.
    stopping: Option<AfterStop>,
    /// Distinguishes it from earlier slots of the same partition.
    number: u64,
}

/// What follows when a partition has stopped on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterStop {
    Nothing,
    StartAgain,
}

impl Slot {
    /// Returns whether the partition runs, or will run again.
    fn will_run(&self) -> bool {
        self.stopping != Some(AfterStop::Nothing)
    }
}

impl Manager {
    /// Starts a manager without partitions.
    ///
    /// # Errors
    ///
    /// `AddrInUse`.
    pub(crate) fn start(worker: Worker) -> io::Result<Manager> {
        let recorder = worker.recorder.clone();
        let (orders, queue) = channel::channel(&recorder);
        let manager = Manager {
            worker: Arc::new(worker),
            slots: Arc::default(),
            last: Arc::new(Mutex::new(Some(0))),
            orders,
        };
        let mut service = manager.worker.node.host().serve::<Invoke, Invoked>(PARTITION_PORT)?;
        let router = manager.clone();
        rt::spawn(&recorder, "partition requests", async move {
            while let Some(call) = service.next().await {
                let (invoke, reply) = call.split();
                match router.lock().get(&invoke.partition) {
                    Some(slot) => slot.events.send(Event::Invoke(invoke, reply)),
                    None => reply.send(Invoked::NotLeader),
                }
            }
        });
        rt::spawn(&recorder, "partition processor manager", manager.clone().work(queue));
        Ok(manager)
    }

    /// Runs a partition in this role from now on.
    pub(crate) fn control(&self, partition: PartitionId, role: Role) {
        self.orders.send(Order::Control(partition, role));
    }

    /// Returns the statuses of the partitions that have started.
    pub(crate) fn statuses(&self) -> BTreeMap<PartitionId, Status> {
        let slots = self.lock();
        let started = slots.iter().filter(|(_, slot)| slot.started.get() && slot.stopping.is_none());
        started.map(|(&id, slot)| (id, slot.status.get())).collect()
    }

    /// Has a partition create a snapshot that includes this record.
    pub(crate) async fn snapshot(
        &self,
        partition: PartitionId,
        least: Lsn,
    ) -> Result<Snapshot, SnapshotError> {
        let (reply, mut answer) = channel::channel(&self.worker.recorder);
        match self.lock().get(&partition).filter(|slot| slot.started.get()) {
            Some(slot) => slot.events.send(Event::Snapshot(least, reply)),
            None => return Err(format!("{partition} does not run here").into()),
        }
        answer.recv().await.unwrap_or_else(|| Err(format!("{partition} has stopped").into()))
    }

    /// Returns the state of a partition, for comparisons.
    pub(crate) async fn state(&self, partition: PartitionId) -> Option<Arc<State>> {
        let (reply, mut answer) = channel::channel(&self.worker.recorder);
        self.lock().get(&partition).filter(|slot| slot.started.get())?.events.send(Event::GetState(reply));
        answer.recv().await
    }

    /// Stops all partitions and starts none any more; afterwards everything they have applied is
    /// durable.
    pub(crate) async fn stop(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let slots = std::mem::take(&mut *self.lock());
        let stops = slots.into_values().filter(|slot| slot.started.get()).map(|slot| {
            let (done, mut stopped) = channel::channel(&self.worker.recorder);
            slot.events.send(Event::Stop(done));
            rt::scoped_task(&self.worker.recorder, "stop", async move {
                stopped.recv().await;
            })
        });
        rt::join_all(stops.collect()).await;
    }

    async fn work(self, mut orders: Receiver<Order>) {
        let worker = self.worker.clone();
        let gossips = worker.settings.partition.placed_by == PlacedBy::Epochs;
        let mut fast_forward: BTreeMap<PartitionId, Lsn> = BTreeMap::new();
        let mut seen = worker.views.get();
        let mut reconcile = gossips;
        loop {
            if reconcile {
                for (&id, view) in &*seen {
                    let runs = self.runs(id);
                    match view.has(worker.me.id) {
                        true if !runs => self.start_partition(id, &mut fast_forward),
                        false if runs && view.current.is_some() => self.stop_partition(id),
                        _ => {}
                    }
                }
                reconcile = false;
            }
            let order = poll_fn(|context| {
                if let Poll::Ready(order) = orders.poll_recv(context) {
                    return Poll::Ready(Ok(order));
                }
                if !gossips {
                    return Poll::Pending;
                }
                worker.views.watch().poll_until(context, |views| !Arc::ptr_eq(views, &seen)).map(Err)
            })
            .await;
            match order {
                Ok(Some(order)) => self.handle(order, &mut fast_forward),
                Ok(None) => return,
                Err(views) => {
                    seen = views;
                    reconcile = true;
                }
            }
        }
    }

    fn handle(&self, order: Order, fast_forward: &mut BTreeMap<PartitionId, Lsn>) {
        match order {
            Order::Control(id, Role::Stopped) => self.stop_partition(id),
            Order::Control(id, role) => {
                if !self.runs(id) {
                    self.start_partition(id, fast_forward);
                }
                if role == Role::Leader {
                    self.lead(id);
                }
            }
            Order::Again(id) => {
                if !self.lock().contains_key(&id) && self.is_wanted(id) {
                    self.start_partition(id, fast_forward);
                }
            }
            Order::Ended(id, number, ended) => {
                let mut slots = self.lock();
                // A shutdown of the node removes all slots.
                if slots.get(&id).is_none_or(|slot| slot.number != number) {
                    return;
                }
                let slot = slots.remove(&id);
                drop(slots);
                match slot.as_ref().and_then(|slot| slot.stopping) {
                    Some(AfterStop::Nothing) => {}
                    Some(AfterStop::StartAgain) => self.start_partition(id, fast_forward),
                    None => {
                        let started = slot.is_some_and(|slot| slot.started.get());
                        self.on_ended(id, started, ended, fast_forward);
                    }
                }
            }
        }
    }

    /// Returns whether this node is a replica of the partition, as far as it knows.
    fn is_wanted(&self, id: PartitionId) -> bool {
        self.worker.views.get().get(&id).is_some_and(|view| view.has(self.worker.me.id))
    }

    /// Returns the number of the next slot, or `None` once the node shuts down.
    fn next_number(&self) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.map(|last| last + 1);
        *last
    }

    fn runs(&self, id: PartitionId) -> bool {
        self.lock().get(&id).is_some_and(Slot::will_run)
    }

    /// Starts a partition, or has it start again after it has stopped.
    fn start_partition(&self, id: PartitionId, fast_forward: &mut BTreeMap<PartitionId, Lsn>) {
        if let Some(slot) = self.lock().get_mut(&id) {
            slot.stopping = slot.stopping.map(|_| AfterStop::StartAgain);
            return;
        }
        let Worker { recorder, settings, .. } = &*self.worker;
        let (events, inbox) = channel::channel(recorder);
        let (status, started) = (SharedStatus::default(), Watch::new(recorder, false));
        let Some(number) = self.next_number() else { return };
        let slot = Slot {
            events: events.clone(),
            status: status.clone(),
            started: started.clone(),
            claiming: false,
            stopping: None,
            number,
        };
        self.lock().insert(id, slot);
        let target = fast_forward.remove(&id);
        let (worker, orders, mailbox) = (self.worker.clone(), self.orders.clone(), (events, inbox));
        let creates_log = settings.partition.placed_by == PlacedBy::Epochs;
        rt::spawn(recorder, &format!("{id}"), async move {
            let has_log = !creates_log || ensure_log(&worker, id).await;
            let ended = match has_log {
                true => processor::run(worker, id, target, mailbox, status, started).await,
                false => Ended::NotStarted,
            };
            orders.send(Order::Ended(id, number, ended));
        });
    }

    fn stop_partition(&self, id: PartitionId) {
        if let Some(slot) = self.lock().get_mut(&id)
            && slot.stopping.replace(AfterStop::Nothing).is_none()
        {
            let (done, _) = channel::channel(&self.worker.recorder);
            slot.events.send(Event::Stop(done));
        }
    }

    fn on_ended(
        &self,
        id: PartitionId,
        started: bool,
        ended: Ended,
        fast_forward: &mut BTreeMap<PartitionId, Lsn>,
    ) {
        let worker = &self.worker;
        let settings = &worker.settings.partition;
        let pause = match ended {
            Ended::Stopped => Duration::ZERO,
            Ended::NotStarted => settings.restart_failed,
            Ended::Gap(_) if !started => settings.restart_failed,
            Ended::Gap(to) if worker.repository.is_some() => {
                worker.note(&format!("{id} stopped due to a log gap up to {to}, will fast-forward"));
                fast_forward.insert(id, to);
                Duration::ZERO
            }
            Ended::Gap(to) => {
                worker.note(&gap_text(id, to));
                let mut chance = worker.streams.next("restart", u64::from(id.0));
                let most = settings.restart_blocked.as_nanos() as u64 * 3 / 10;
                settings.restart_blocked + Duration::from_nanos(chance.below(most.max(1)))
            }
        };
        if settings.restarts == Restarts::Manager {
            let (orders, recorder) = (self.orders.clone(), worker.recorder.clone());
            rt::spawn(&worker.recorder, "restart partition", async move {
                if !pause.is_zero() {
                    rt::pause(&recorder, recorder.symbol("partition restart pause"), pause).await;
                }
                orders.send(Order::Again(id));
            });
        }
    }

    /// Obtains an epoch for a partition, which then announces itself as the leader, unless it
    /// leads already or is about to.
    fn lead(&self, id: PartitionId) {
        {
            let mut slots = self.lock();
            let Some(slot) = slots.get_mut(&id) else { return };
            let Status { leads, campaigns, .. } = slot.status.get();
            if slot.claiming || slot.stopping.is_some() || campaigns || leads.is_some() {
                return;
            }
            slot.claiming = true;
        }
        let (manager, started) = (self.clone(), self.lock()[&id].started.clone());
        rt::spawn(&self.worker.recorder, "obtain epoch", async move {
            started.until(|started| *started).await;
            let Worker { client, me, .. } = &*manager.worker;
            let key = EpochMetadata::key(id);
            let claimed = client.update::<EpochMetadata>(&key, |known| {
                Ok(Some(known.cloned().unwrap_or_default().claimed_by(*me)))
            });
            let claimed = claimed.await;
            if let Some(slot) = manager.lock().get_mut(&id) {
                slot.claiming = false;
                if let Ok(Some(claimed)) = claimed {
                    slot.status.set(|status| status.campaigns = true);
                    slot.events.send(Event::Lead(claimed.epoch));
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes sure that a partition has its log, with up to four attempts.
async fn ensure_log(worker: &Worker, id: PartitionId) -> bool {
    const FIRST: Duration = Duration::from_secs(1);
    let mut pause = FIRST;
    for _ in 0..3 {
        if worker.log.ensure(id.log()).await.is_ok() {
            return true;
        }
        rt::pause(&worker.recorder, worker.recorder.symbol("ensure log back-off"), pause).await;
        pause = pause.mul_f64(1.5);
    }
    worker.log.ensure(id.log()).await.is_ok()
}
