//! The only way to touch a disk: start an operation (draw its cost), sleep for its latency, finish it (apply its effect,
//! record it).

use super::in_flight::{InFlight, OperationSleep};
use super::{Disk, State};
use crate::deferred::DeferredLatency;
use crate::error::Errno;
use crate::fault::{Applied, Corruption, DiskError};
use crate::operation::{self, Operation};
use crate::profile::OpCost;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use stormglass_core::latency::transfer;
use stormglass_core::{Kind, Latency, SimTime};
use stormglass_rt as rt;

impl Disk {
    /// Starts an operation. `epoch` is that of the open file, or `None` for an operation on a path.
    pub(crate) fn start(&self, epoch: Option<u64>, mut operation: Operation) -> io::Result<InFlight> {
        let Operation { kind, subject, .. } = operation;
        let cost = operation::cost(kind, &self.shared.profile);
        let (clock, device) = (rt::Clock::current(), &self.shared.device);
        let now = clock.now();
        let mut state = self.lock();
        let epoch = epoch.unwrap_or(state.epoch);
        state.admit(epoch)?;
        let fixed = |cost: &OpCost| matches!(cost.latency, Latency::Constant(_));
        let misses = kind == Kind::Read || operation.direct;
        let draw = if fixed(cost) && (!misses || fixed(&self.shared.profile.miss)) {
            state.streams.skip(kind);
            0
        } else {
            state.streams.draw(kind)
        };
        let mut faults = None;
        if state.faults.any_on(now) {
            let path = self.shared.recorder.text(subject);
            faults = Some(state.faults.apply(kind, &path, now)).filter(Applied::happens).map(Box::new);
            if let Some(applied) = &faults {
                state.counters.affected += 1;
                self.note(&format!("fault: {applied} on {kind} {path}"));
            }
        }
        if state.is_read_only() && operation::changes(kind) {
            faults.get_or_insert_default().error.get_or_insert(DiskError::ReadOnly);
        }
        state.write_back(now, device);

        // `arrives`: when the request reaches the device. `on_device`: bytes the device transfers. `not_before`: the earliest
        // completion, behind write-back.
        let began = now + self.deferred.as_ref().map_or(Duration::ZERO, DeferredLatency::pending);
        let applied = faults.as_deref();
        let arrives = began + cost.delay + applied.map_or(Duration::ZERO, |applied| applied.delay);
        let mut not_before = SimTime::ZERO;
        let mut sync_point = 0;
        let mut on_device = operation::is_sync(kind).then_some(0);
        if let Some((inode, offset)) = operation.target {
            if on_device.is_some() {
                sync_point = state.tree.sync_point(inode);
            }
            if let Ok(contents) = state.tree.file(inode) {
                if on_device.is_some() {
                    let (done, writing) = state.write_back_of(inode);
                    operation.bytes = contents.dirty().saturating_sub(writing);
                    not_before = done;
                    on_device = Some(operation.bytes);
                } else if kind == Kind::Read {
                    operation.bytes = operation.bytes.min(contents.len().saturating_sub(offset));
                    let uncached = match operation.direct {
                        true => operation.bytes,
                        false => contents.uncached(offset, operation.bytes),
                    };
                    on_device = Some(uncached).filter(|&bytes| bytes > 0);
                } else if kind == Kind::Write && operation.direct {
                    on_device = Some(operation.bytes).filter(|&bytes| bytes > 0);
                } else if kind == Kind::Write {
                    not_before = state.throttle(began);
                }
            }
        }
        let factor = applied.and_then(|applied| applied.factor);
        let slowed = |work: Duration| factor.map_or(work, |factor| work.mul_f64(factor));
        let work = slowed(cost.work(draw, operation.bytes));
        let done = match on_device {
            None => arrives + work,
            Some(bytes) if operation::is_sync(kind) => device.submit(arrives, bytes, work),
            // A direct write: a request of the device, whose transfer costs what a sync pays for
            // it.
            Some(bytes) if kind == Kind::Write => {
                let profile = &self.shared.profile;
                let transfer = transfer(profile.sync.per_mib, bytes);
                let on_device = slowed(profile.miss.latency.at(draw) + transfer);
                device.submit(arrives + work + profile.miss.delay, bytes, on_device)
            }
            Some(uncached) => {
                let miss = &self.shared.profile.miss;
                device.submit(arrives + work + miss.delay, uncached, slowed(miss.work(draw, uncached)))
            }
        };
        let took = done.max(not_before) - began;
        Ok(InFlight { operation, faults, sync_point, clock, at: now, took, epoch })
    }

    /// Sleeps for the operation's latency and finishes it.
    pub(crate) fn complete<T, E>(&self, in_flight: InFlight, effect: E) -> Completing<'_, E>
    where
        E: FnOnce(&mut State, &InFlight) -> io::Result<T>,
    {
        Completing { disk: self, sleep: self.sleep_for(&in_flight), operation: Some((in_flight, effect)) }
    }

    /// Returns the sleep for the operation's latency, or `None` if it takes no time. On a handle for blocking calls the latency
    /// is deferred instead.
    pub(crate) fn sleep_for(&self, in_flight: &InFlight) -> Option<OperationSleep> {
        match &self.deferred {
            Some(deferred) => {
                deferred.add(in_flight.took);
                None
            }
            None => (!in_flight.took.is_zero())
                .then(|| OperationSleep::new(in_flight.clock.sleep(in_flight.took))),
        }
    }

    /// Finishes an operation: applies its effect, unless it fails, and records it.
    pub(crate) fn finish<T>(
        &self,
        in_flight: InFlight,
        effect: impl FnOnce(&mut State, &InFlight) -> io::Result<T>,
    ) -> io::Result<T> {
        // An operation without latency, or with deferred latency, finishes at the time of its start.
        let now = if in_flight.took.is_zero() || self.deferred.is_some() {
            in_flight.at
        } else {
            in_flight.clock.now()
        };
        let mut state = self.lock();
        state.tree.now = now;
        let error = in_flight.faults.as_ref().and_then(|applied| applied.error);
        let result = match error {
            _ if state.epoch != in_flight.epoch => Err(Errno::EIO.into()),
            Some(error) => {
                if let (true, Some((inode, _))) =
                    (operation::is_sync(in_flight.operation.kind), in_flight.operation.target)
                {
                    state.tree.drop_pending(inode, in_flight.sync_point);
                }
                Err(error.into())
            }
            None => {
                state.tree.lose_names(matches!(in_flight.corruption(), Some((Corruption::LostName, _))));
                effect(&mut state, &in_flight)
            }
        };
        let InFlight { operation: Operation { kind, subject, bytes, .. }, took, .. } = in_flight;
        state.counters.count(kind, result.is_err(), bytes, took);
        drop(state);
        self.shared.recorder.record(now, kind, subject, took, bytes);
        result
    }
}

/// The future of [`Disk::complete`]. Written by hand because every operation awaits one.
pub(crate) struct Completing<'a, E> {
    disk: &'a Disk,
    sleep: Option<OperationSleep>,
    operation: Option<(InFlight, E)>,
}

/// No field is pinned: the sleep is `Unpin`, and the effect is only called.
impl<E> Unpin for Completing<'_, E> {}

impl<T, E> Future for Completing<'_, E>
where
    E: FnOnce(&mut State, &InFlight) -> io::Result<T>,
{
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(Pin::new(sleep).poll(context));
        }
        let (in_flight, effect) =
            self.operation.take().expect("a future is not polled after it returned Ready");
        Poll::Ready(self.disk.finish(in_flight, effect))
    }
}
