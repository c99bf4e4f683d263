//! The partition processor: reads the log of its partition and applies it; if it leads, it also
//! proposes records, calls the service and answers clients.

use super::PartitionId;
use super::log_lines::started_text;
use super::open::open;
use super::protocol::{Invoke, Invoked, SnapshotError, Status};
use super::service;
use super::settings::{PartitionSettings, PlacedBy};
use super::snapshots::Snapshot;
use super::state::{Command, Effect, InvocationId, State, Task};
use super::views::PartitionViews;
use super::worker::Worker;
use crate::canary::Canary;
use crate::log::reader::Entry;
use crate::log::{Generation, Lsn, Record};
use crate::logging::Occasion;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stormglass_core::Kind;
use stormglass_net::rpc;
use stormglass_rt as rt;
use stormglass_rt::channel::{self, Receiver, Sender};
use stormglass_rt::{AbortHandle, Watch};

/// A partition's status, written by its processor and read by the manager.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedStatus(Arc<Mutex<Status>>);

impl SharedStatus {
    pub(crate) fn get(&self) -> Status {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A message to a partition.
pub(crate) enum Event {
    /// The next entry of the log.
    Entry(Entry),
    /// Lead, in this epoch.
    Lead(u64),
    /// An ingress sends an invocation.
    Invoke(Invoke, rpc::Reply<Invoked>),
    /// An invocation has run here, in this epoch, with this result.
    Ran(u64, InvocationId, i64),
    /// A flush has completed: everything up to this record is durable.
    Durable(Lsn),
    /// Create a snapshot that includes this record.
    Snapshot(Lsn, Sender<Result<Snapshot, SnapshotError>>),
    /// A snapshot up to this record was published.
    Archived(Lsn),
    /// Return the state.
    GetState(Sender<Arc<State>>),
    /// Another node leads, in a later epoch.
    Overtaken,
    /// Stop.
    Stop(Sender<()>),
}

/// Why a partition has stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// On request.
    Stopped,
    /// It could not start.
    NotStarted,
    /// The records up to this one were trimmed from the log, and this replica does not have them.
    Gap(Lsn),
}

/// Runs a partition until it stops.
pub(crate) async fn run(
    worker: Arc<Worker>,
    id: PartitionId,
    fast_forward: Option<Lsn>,
    mailbox: (Sender<Event>, Receiver<Event>),
    status: SharedStatus,
    started: Watch<bool>,
) -> Ended {
    let began = rt::now();
    let state = match open(&worker, id, fast_forward).await {
        Ok(state) => state,
        Err(error) => {
            worker.note(&format!("{id} does not start: {error}"));
            return Ended::NotStarted;
        }
    };
    let tail = worker.log.find_tail(id.log()).await;
    worker.oracle.opened(id, &state, tail);
    worker.logging.write(Occasion::PartitionStarts(id.0)).await;
    let (sender, inbox) = mailbox;
    let reader = read(&worker, id, state.applied().next(), sender.clone());
    let durable = state.applied();
    status.set(|status| {
        *status = Status { applied: durable, durable, active: durable.next() >= tail, ..Status::default() };
    });
    let subject = worker.recorder.symbol(&started_text(id));
    worker.recorder.record(rt::now(), Kind::Step, subject, rt::now() - began, u64::from(id.0));
    worker.journal.log(worker.node.name(), started_text(id));
    started.set(true);
    let processor = Processor {
        id,
        flushing: durable,
        exporting: durable,
        state: Arc::new(state),
        tail,
        status,
        sender,
        leadership: None,
        asked: BTreeMap::new(),
        worker,
    };
    let ended = processor.work(inbox).await;
    reader.abort();
    ended
}

/// Reads a partition's log in a task of its own.
fn read(worker: &Arc<Worker>, id: PartitionId, from: Lsn, events: Sender<Event>) -> AbortHandle {
    const ROOM: usize = 64;
    let mut reader = worker.log.reader(id.log(), from);
    let oracle = worker.oracle.clone();
    rt::spawn(&worker.recorder, &format!("{id} reader"), async move {
        while !events.is_closed() {
            let entry = reader.next().await;
            if let Entry::Record(lsn, record) = &entry {
                oracle.read(id.log(), *lsn, record);
            }
            events.wait_for_capacity(ROOM).await;
            events.send(Event::Entry(entry));
        }
    })
    .abort_handle()
}

/// A running partition.
struct Processor {
    worker: Arc<Worker>,
    id: PartitionId,
    state: Arc<State>,
    /// The log's tail when the partition started.
    tail: Lsn,
    status: SharedStatus,
    sender: Sender<Event>,
    leadership: Option<Leadership>,
    /// The replies that are due for each invocation.
    asked: BTreeMap<InvocationId, Vec<rpc::Reply<Invoked>>>,
    /// The last record of the last flush that was started.
    flushing: Lsn,
    /// The last record of the last snapshot that was started because of `snapshot-records`.
    exporting: Lsn,
}

/// The partition's own epoch, from its campaign to its end.
struct Leadership {
    epoch: u64,
    /// Whether its announcement was read back from the log.
    won: bool,
    proposals: Sender<Command>,
    appender: AbortHandle,
}

impl Processor {
    async fn work(mut self, mut inbox: Receiver<Event>) -> Ended {
        while let Some(event) = self.next(&mut inbox).await {
            match event {
                Event::Overtaken => self.step_down(),
                Event::Entry(Entry::Record(lsn, record)) => {
                    let led = self.has_won();
                    self.apply(lsn, &record);
                    if self.has_won() && !led {
                        self.worker.logging.write(Occasion::PartitionLeads(self.id.0)).await;
                    }
                }
                Event::Entry(Entry::Gap(to)) => {
                    self.step_down();
                    return Ended::Gap(to);
                }
                Event::Lead(epoch) => self.campaign(epoch),
                Event::Invoke(invoke, reply) => self.invoke(invoke, reply),
                Event::Ran(epoch, id, value) => self.propose(epoch, Command::Finish { epoch, id, value }),
                Event::Durable(lsn) => self.status.set(|status| status.durable = lsn.max(status.durable)),
                Event::Archived(lsn) => {
                    self.status.set(|status| status.archived = lsn.max(status.archived));
                    self.trim(lsn);
                }
                Event::Snapshot(least, reply) => self.snapshot(least, reply),
                Event::GetState(reply) => reply.send(self.state.clone()),
                Event::Stop(done) => {
                    self.step_down();
                    // An orderly shutdown makes everything that was applied durable.
                    let flushed = self.worker.store.flush(self.id, &self.state).await;
                    if let Err(error) = flushed {
                        self.worker.note(&format!("{} is not flushed: {error}", self.id));
                    }
                    self.worker.logging.write(Occasion::PartitionStops(self.id.0)).await;
                    done.send(());
                    return Ended::Stopped;
                }
            }
        }
        Ended::Stopped
    }

    /// Returns the next event. A leader steps down as soon as gossip reports a later epoch (1.7):
    /// the log may never show it, if the sequencer of the later leader is gone. Source:
    /// restatedev/restate 1.7 `crates/worker/src/partition/mod.rs`, `watch_leader_changes`.
    async fn next(&self, inbox: &mut Receiver<Event>) -> Option<Event> {
        let own = self.leadership.as_ref().map(|own| own.epoch);
        let own = own.filter(|_| self.worker.settings.partition.placed_by == PlacedBy::Epochs);
        poll_fn(|context| {
            if let Poll::Ready(event) = inbox.poll_recv(context) {
                return Poll::Ready(event);
            }
            let Some(own) = own else { return Poll::Pending };
            let overtaken = |views: &Arc<PartitionViews>| {
                views.get(&self.id).and_then(|view| view.leader).is_some_and(|(epoch, _)| epoch > own)
            };
            self.worker.views.watch().poll_until(context, overtaken).map(|_| Some(Event::Overtaken))
        })
        .await
    }

    fn apply(&mut self, lsn: Lsn, record: &Record) {
        let command: Command =
            postcard::from_bytes(record).expect("what is in the log was encoded by a leader");
        let effect = Arc::make_mut(&mut self.state).apply(lsn, command, self.worker.settings.cluster.canary);
        self.worker.oracle.applied(self.id, lsn, command, effect);
        let active = lsn.next() >= self.tail;
        self.status.set(|status| {
            status.applied = lsn;
            status.active |= active;
        });
        match effect {
            Effect::Nothing => self.lost(command),
            Effect::Leads(epoch, leader) => self.leads(epoch, leader),
            Effect::Run(task) => self.run(task),
            Effect::Done(id, value, next) => {
                for reply in self.asked.remove(&id).into_iter().flatten() {
                    reply.send(Invoked::Value(value));
                }
                next.into_iter().for_each(|task| self.run(task));
            }
        }
        let PartitionSettings { flush_records, snapshot_records, .. } = self.worker.settings.partition;
        if flush_records > 0 && lsn.0 >= self.flushing.0 + flush_records {
            self.flush();
        }
        if snapshot_records > 0 && self.has_won() && lsn.0 >= self.exporting.0 + snapshot_records {
            self.exporting = lsn;
            // No caller waits for this snapshot: the status shows it.
            let (reply, _) = channel::channel(&self.worker.recorder);
            self.snapshot(lsn, reply);
        }
    }

    /// Returns whether its own epoch leads.
    fn has_won(&self) -> bool {
        self.leadership.as_ref().is_some_and(|own| own.won)
    }

    /// Trims the log up to a published snapshot, after `trim-delay`, if leaders create snapshots
    /// by themselves.
    fn trim(&self, archived: Lsn) {
        let delay = self.worker.settings.partition.trim_delay;
        if self.worker.settings.partition.snapshot_records == 0 {
            return;
        }
        let (worker, id) = (self.worker.clone(), self.id);
        rt::spawn(&self.worker.recorder, "trim", async move {
            rt::sleep(delay).await;
            // If this fails, the next snapshot trims these records too.
            let _ = worker.trim(id, archived).await;
        });
    }

    /// Makes the applied state durable, in a task of its own.
    fn flush(&mut self) {
        self.flushing = self.state.applied();
        let (worker, id, state) = (self.worker.clone(), self.id, self.state.clone());
        let events = self.sender.clone();
        rt::spawn(&self.worker.recorder, "flush", async move {
            if worker.store.flush(id, &state).await.is_ok() {
                events.send(Event::Durable(state.applied()));
            }
        });
    }

    /// Handles a command that came after the announcement of a later epoch: if it announces this
    /// partition's own epoch, the campaign is lost.
    fn lost(&mut self, command: Command) {
        if let Command::AnnounceLeader { epoch, leader } = command
            && leader == self.worker.me
            && self.leadership.as_ref().is_some_and(|own| own.epoch == epoch)
        {
            self.step_down();
        }
    }

    /// Handles the announcement of a leader, which may be this partition.
    fn leads(&mut self, epoch: u64, leader: Generation) {
        self.worker.views.lead(self.id, epoch, leader);
        match &mut self.leadership {
            Some(own) if own.epoch == epoch => {
                own.won = true;
                self.worker.oracle.leads(self.id, epoch, self.worker.me.id);
                self.status.set(|status| (status.leads, status.campaigns) = (Some(epoch), false));
                self.worker.note(&format!("{} leads {} in epoch {epoch}", self.worker.me, self.id));
                self.state.runnable().into_iter().for_each(|task| self.run(task));
            }
            Some(own) if own.epoch < epoch => self.step_down(),
            _ => {}
        }
    }

    /// Announces itself as the leader of an epoch.
    fn campaign(&mut self, epoch: u64) {
        if self.leadership.as_ref().is_some_and(|own| own.epoch >= epoch) {
            return;
        }
        self.step_down();
        let (proposals, queue) = channel::channel(&self.worker.recorder);
        let appender = append(&self.worker, self.id, queue);
        proposals.send(Command::AnnounceLeader { epoch, leader: self.worker.me });
        self.status.set(|status| status.campaigns = true);
        self.leadership = Some(Leadership { epoch, won: false, proposals, appender });
    }

    fn step_down(&mut self) {
        if let Some(own) = self.leadership.take() {
            own.appender.abort();
            self.status.set(|status| (status.leads, status.campaigns) = (None, false));
            for reply in std::mem::take(&mut self.asked).into_values().flatten() {
                reply.send(Invoked::NotLeader);
            }
        }
    }

    fn propose(&self, epoch: u64, command: Command) {
        if let Some(own) = self.leadership.as_ref().filter(|own| own.epoch == epoch) {
            own.proposals.send(command);
        }
    }

    fn invoke(&mut self, invoke: Invoke, reply: rpc::Reply<Invoked>) {
        let Some(epoch) = self.leadership.as_ref().filter(|own| own.won).map(|own| own.epoch) else {
            return reply.send(Invoked::NotLeader);
        };
        let Invoke { id, handler, .. } = invoke;
        let known = self.state.find(id);
        if let Some(Some(value)) = known
            && self.worker.settings.cluster.canary != Canary::ForgetsIdempotencyKeys
        {
            return reply.send(Invoked::Value(value));
        }
        let waiting = self.asked.entry(id).or_default();
        waiting.push(reply);
        if waiting.len() == 1 && known != Some(None) {
            self.propose(epoch, Command::Invoke { epoch, id, handler });
        }
    }

    /// Calls the user's service, if this partition leads.
    fn run(&self, task: Task) {
        let Some(epoch) = self.leadership.as_ref().filter(|own| own.won).map(|own| own.epoch) else { return };
        let (worker, events) = (self.worker.clone(), self.sender.clone());
        let jitter = (task.id.object, epoch, self.state.applied().0);
        rt::spawn(&self.worker.recorder, "invoker", async move {
            const LIMIT: Duration = Duration::from_secs(60);
            let mut delays = None;
            while !events.is_closed() {
                let host = worker.metadata.schema.get().and_then(|schema| schema.deployments.last().cloned());
                if let Some(host) = host
                    && let Ok(value) = worker
                        .services
                        .call(&host, LIMIT, service::ServiceRequest::Run(task.handler, task.value))
                        .await
                {
                    return events.send(Event::Ran(epoch, task.id, value));
                }
                let retry = &worker.settings.partition.invoker_retry;
                let stream = || worker.seed.stream(("invoker", jitter.0, jitter.1, jitter.2));
                let delay = delays.get_or_insert_with(|| retry.delays(stream())).next().unwrap_or(retry.max);
                rt::pause(&worker.recorder, worker.recorder.symbol("invoker back-off"), delay).await;
            }
        });
    }

    /// Exports the applied state and publishes it, in a task of its own.
    fn snapshot(&self, least: Lsn, reply: Sender<Result<Snapshot, SnapshotError>>) {
        let applied = self.state.applied();
        let Some(repository) = self.worker.repository.clone() else {
            return reply.send(Err("no snapshot repository is configured".into()));
        };
        if !self.status.get().active {
            return reply.send(Err(format!("{} is not active", self.id).into()));
        }
        if applied < least {
            return reply.send(Err(format!("{} has applied {applied}, not yet {least}", self.id).into()));
        }
        let (worker, id, state) = (self.worker.clone(), self.id, self.state.clone());
        let events = self.sender.clone();
        rt::spawn(&self.worker.recorder, "snapshot", async move {
            let name = format!("snap_{}_{}_{applied}", worker.me, id);
            let directory = Path::new("/data/db-snapshots").join(&name);
            let made = async {
                let file =
                    worker.store.export(id, &state, &directory).await.map_err(|error| error.to_string())?;
                events.send(Event::Durable(applied));
                let disk = worker.node.disk();
                let published = repository.publish(id, &name, applied, disk, &file).await;
                let snapshot = published.map_err(|error| error.to_string())?;
                disk.remove_dir_all(&directory).await.map_err(|error| error.to_string())?;
                Ok(snapshot)
            };
            let made: Result<Snapshot, SnapshotError> = made.await;
            if made.is_ok() {
                events.send(Event::Archived(applied));
            }
            reply.send(made);
        });
    }
}

/// Appends a leader's proposals, all that have arrived in the meantime at once.
fn append(worker: &Arc<Worker>, id: PartitionId, mut queue: Receiver<Command>) -> AbortHandle {
    let (log, oracle) = (worker.log.clone(), worker.oracle.clone());
    rt::spawn(&worker.recorder, &format!("{id} appender"), async move {
        while let Some(command) = queue.recv().await {
            let mut records = vec![encode(command)];
            while let Some(more) = queue.try_recv() {
                records.push(encode(more));
            }
            let records: Arc<[Record]> = records.into();
            let last = log.append(id.log(), records.clone()).await;
            oracle.acknowledged(id.log(), last, &records);
        }
    })
    .abort_handle()
}

fn encode(command: Command) -> Record {
    postcard::to_stdvec(&command).expect("plain data has an encoding").into()
}
