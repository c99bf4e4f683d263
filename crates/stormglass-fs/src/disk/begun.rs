//! The one way to touch a disk: begin (draw the cost), let it pass, finish (take effect, record).

use super::{Disk, State};
use crate::blocking::Ledger;
use crate::error;
use crate::fault::{Silent, Strike};
use crate::operation::{self, Operation};
use std::io;
use std::time::Duration;
use stormglass_core::{Kind, SimTime};
use stormglass_rt as rt;

/// An operation that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) operation: Operation,
    pub(crate) strike: Strike,
    /// How far things had got when it began: a sync keeps what was before.
    pub(crate) mark: u64,
    took: Duration,
    epoch: u64,
    place: usize,
}

impl Disk {
    /// Begins an operation. `epoch` is that of the handle through which it is done, none for a name.
    pub(crate) fn begin(&self, epoch: Option<u64>, mut operation: Operation) -> io::Result<Begun> {
        let Operation { kind, subject, .. } = operation;
        let (place, cost) = operation::price(kind, &self.shared.profile);
        let (now, device) = (rt::now(), &self.shared.device);
        let mut state = self.lock();
        let epoch = epoch.unwrap_or(state.epoch);
        state.admit(epoch)?;
        let draw = state.streams.draw(place);
        let mut strike = Strike::default();
        if !state.faults.is_empty() {
            strike = state.faults.strike(kind, &self.shared.recorder.text(subject), now);
            if strike.happens() {
                state.counters.struck += 1;
                self.note(&format!("fault: {strike} on {kind} {}", self.shared.recorder.text(subject)));
            }
        }
        if state.read_only && operation::changes(kind) {
            strike.error.get_or_insert(crate::fault::Error::ReadOnly);
        }
        state.write_back(now, device);

        // What it waits for before the device, how much the device has to do, and until when it waits in any case.
        let began = now + self.ledger.as_ref().map_or(Duration::ZERO, Ledger::owed);
        let arrives = began + cost.delay + strike.delay;
        let mut not_before = SimTime::ZERO;
        let mut mark = 0;
        let mut on_device = operation::is_sync(kind).then_some(0);
        if let Some((inode, offset)) = operation.on {
            mark = state.tree.mark(inode);
            if let Ok(contents) = state.tree.file(inode) {
                if operation::is_sync(kind) {
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
        let slowed = |work: Duration| strike.factor.map_or(work, |factor| work.mul_f64(factor));
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
        Ok(Begun { operation, strike, mark, took, epoch, place })
    }

    /// Lets the operation's time pass, or owes it.
    pub(crate) async fn pass(&self, begun: &Begun) {
        if let Some(sleep) = self.sleep(begun) {
            sleep.await;
        }
    }

    /// The sleep that the operation takes, if it takes one.
    pub(crate) fn sleep(&self, begun: &Begun) -> Option<rt::Sleep> {
        match &self.ledger {
            Some(ledger) => {
                ledger.owe(begun.took);
                None
            }
            None => (!begun.took.is_zero()).then(|| rt::sleep(begun.took)),
        }
    }

    /// Finishes an operation: it takes effect, unless it fails, and is recorded.
    pub(crate) fn finish<T>(
        &self,
        begun: Begun,
        effect: impl FnOnce(&mut State, &Begun) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.lock();
        let result = match begun.strike.error {
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
                state.tree.lose_names(begun.strike.silent == Silent::LostName);
                effect(&mut state, &begun)
            }
        };
        let Begun { operation: Operation { kind, subject, bytes, .. }, took, place, .. } = begun;
        state.counters.count(place, result.is_err(), bytes, took);
        drop(state);
        self.shared.recorder.record(rt::now(), kind, subject, took, bytes);
        result
    }
}
