//! An in-flight operation.

use crate::fault::{Applied, Corruption};
use crate::operation::Operation;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use stormglass_core::SimTime;
use stormglass_rt as rt;

/// An in-flight operation: started and not finished.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) operation: Operation,
    pub(super) faults: Option<Box<Applied>>,
    /// For a sync: it makes durable the changes before this point.
    pub(crate) sync_point: u64,
    pub(super) clock: rt::Clock,
    pub(super) at: SimTime,
    pub(super) took: Duration,
    pub(super) epoch: u64,
}

impl InFlight {
    /// Returns how the device corrupts the operation without reporting an error, with the draw that says where.
    pub(crate) fn corruption(&self) -> Option<(Corruption, u64)> {
        self.faults.as_ref()?.corruption
    }

    /// Returns how many of `len` bytes, or entries of a directory, are read or written.
    pub(crate) fn shortened(&self, len: usize) -> usize {
        self.faults.as_ref().map_or(len, |faults| faults.shortened(len))
    }
}

/// The sleep for an operation's latency; until it is dropped, a blocking thread is occupied with the operation. An operation
/// without latency uses up the budget of its task's poll instead.
#[derive(Debug)]
pub(crate) struct OperationSleep {
    sleep: Option<rt::Sleep>,
    _away: Option<rt::worker::BlockingPoolGuard>,
}

impl OperationSleep {
    pub(super) fn new(sleep: rt::Sleep) -> OperationSleep {
        OperationSleep { sleep: Some(sleep), _away: rt::worker::enter_blocking_pool() }
    }

    /// That of an operation without latency.
    pub(super) fn none() -> OperationSleep {
        OperationSleep { sleep: None, _away: None }
    }
}

impl Future for OperationSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => Pin::new(sleep).poll(context),
            None => rt::coop::poll_within_budget(context, |_| Poll::Ready(())),
        }
    }
}
