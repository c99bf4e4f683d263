//! The one way to touch a disk: begin (draw the cost), let it pass, finish (take effect, record).

use super::{Disk, State};
use crate::blocking::Ledger;
use crate::error;
use crate::fault::{Applied, Corruption, DiskError};
use crate::operation::{self, Operation};
use crate::profile::OpCost;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use stormglass_core::{Kind, Latency, SimTime};
use stormglass_rt as rt;

/// An operation that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) operation: Operation,
    faults: Option<Box<Applied>>,
    /// How far things had got when it began, for a sync: it keeps what was before.
    pub(crate) mark: u64,
    clock: rt::Clock,
    at: SimTime,
    took: Duration,
    epoch: u64,
}

impl Begun {
    /// How the device corrupts it, with the draw that says where.
    pub(crate) fn corruption(&self) -> Option<(Corruption, u64)> {
        self.faults.as_ref()?.corruption
    }

    /// How many of so many bytes, or entries of a directory, are read or written.
    pub(crate) fn shortened(&self, len: usize) -> usize {
        self.faults.as_ref().map_or(len, |faults| faults.shortened(len))
    }
}

impl Disk {
    /// Begins an operation. `epoch` is that of the handle through which it is done, none for a name.
    pub(crate) fn begin(&self, epoch: Option<u64>, mut operation: Operation) -> io::Result<Begun> {
        let Operation { kind, subject, .. } = operation;
        let cost = operation::price(kind, &self.shared.profile);
        let (clock, device) = (rt::Clock::current(), &self.shared.device);
        let now = clock.now();
        let mut state = self.lock();
        let epoch = epoch.unwrap_or(state.epoch);
        state.admit(epoch)?;
        let fixed = |cost: &OpCost| matches!(cost.latency, Latency::Constant(_));
        let draw = if fixed(cost) && (kind != Kind::Read || fixed(&self.shared.profile.miss)) {
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
        if state.read_only && operation::changes(kind) {
            faults.get_or_insert_default().error.get_or_insert(DiskError::ReadOnly);
        }
        state.write_back(now, device);

        // What it waits for before the device, how much the device has to do, and until when it waits in any case.
        let began = now + self.ledger.as_ref().map_or(Duration::ZERO, Ledger::owed);
        let applied = faults.as_deref();
        let arrives = began + cost.delay + applied.map_or(Duration::ZERO, |applied| applied.delay);
        let mut not_before = SimTime::ZERO;
        let mut mark = 0;
        let mut on_device = operation::is_sync(kind).then_some(0);
        if let Some((inode, offset)) = operation.on {
            if on_device.is_some() {
                mark = state.tree.mark(inode);
            }
            if let Ok(contents) = state.tree.file(inode) {
                if on_device.is_some() {
                    let (done, under_way) = state.under_way(inode);
                    operation.bytes = contents.dirty().saturating_sub(under_way);
                    not_before = done;
                    on_device = Some(operation.bytes);
                } else if kind == Kind::Read {
                    operation.bytes = operation.bytes.min(contents.len().saturating_sub(offset));
                    on_device = Some(contents.cold(offset, operation.bytes)).filter(|&cold| cold > 0);
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
            Some(bytes) if operation::is_sync(kind) => device.take(arrives, bytes, work),
            Some(cold) => {
                let miss = &self.shared.profile.miss;
                device.take(arrives + work + miss.delay, cold, slowed(miss.work(draw, cold)))
            }
        };
        let took = done.max(not_before) - began;
        Ok(Begun { operation, faults, mark, clock, at: now, took, epoch })
    }

    /// Lets the operation's time pass and finishes it.
    pub(crate) fn complete<T, E>(&self, begun: Begun, effect: E) -> Completing<'_, E>
    where
        E: FnOnce(&mut State, &Begun) -> io::Result<T>,
    {
        Completing { disk: self, passing: self.pass(&begun), left: Some((begun, effect)) }
    }

    /// The time that the operation takes, if it takes any.
    pub(crate) fn pass(&self, begun: &Begun) -> Option<Passing> {
        match &self.ledger {
            Some(ledger) => {
                ledger.owe(begun.took);
                None
            }
            None => (!begun.took.is_zero()).then(|| Passing {
                sleep: begun.clock.sleep(begun.took),
                _away: rt::worker::enter_blocking_pool(),
            }),
        }
    }

    /// Finishes an operation: it takes effect, unless it fails, and is recorded.
    pub(crate) fn finish<T>(
        &self,
        begun: Begun,
        effect: impl FnOnce(&mut State, &Begun) -> io::Result<T>,
    ) -> io::Result<T> {
        // What took no time is over when it began, and what is owed for too.
        let now = if begun.took.is_zero() || self.ledger.is_some() { begun.at } else { begun.clock.now() };
        let mut state = self.lock();
        state.tree.now = now;
        let error = begun.faults.as_ref().and_then(|applied| applied.error);
        let result = match error {
            _ if state.epoch != begun.epoch => Err(error::eio()),
            Some(error) => {
                if let (true, Some((inode, _))) =
                    (operation::is_sync(begun.operation.kind), begun.operation.on)
                {
                    state.tree.drop_pending(inode, begun.mark);
                }
                Err(error.into())
            }
            None => {
                state.tree.lose_names(matches!(begun.corruption(), Some((Corruption::LostName, _))));
                effect(&mut state, &begun)
            }
        };
        let Begun { operation: Operation { kind, subject, bytes, .. }, took, .. } = begun;
        state.counters.count(kind, result.is_err(), bytes, took);
        drop(state);
        self.shared.recorder.record(now, kind, subject, took, bytes);
        result
    }
}

/// An operation's time, which a thread spends on it until this is dropped.
#[derive(Debug)]
pub(crate) struct Passing {
    sleep: rt::Sleep,
    _away: Option<rt::worker::BlockingPoolGuard>,
}

impl Future for Passing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.sleep).poll(context)
    }
}

/// See [`Disk::complete`]. Written by hand, since every operation is one.
pub(crate) struct Completing<'a, E> {
    disk: &'a Disk,
    passing: Option<Passing>,
    left: Option<(Begun, E)>,
}

/// Nothing in it is pinned: the time is not, and the effect is only called.
impl<E> Unpin for Completing<'_, E> {}

impl<T, E> Future for Completing<'_, E>
where
    E: FnOnce(&mut State, &Begun) -> io::Result<T>,
{
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Some(passing) = &mut self.passing {
            ready!(Pin::new(passing).poll(context));
        }
        let (begun, effect) = self.left.take().expect("a future is not polled after it was ready");
        Poll::Ready(self.disk.finish(begun, effect))
    }
}
