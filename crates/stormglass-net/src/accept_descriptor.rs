//! The descriptors that a listener's `accept` opens.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use stormglass_rt::Descriptor;

/// Opens a descriptor for each `accept` that asks the kernel.
///
/// accept4(2) opens the descriptor before it looks for a connection, and tokio calls it as long as
/// the listener is ready as far as it knows: so where descriptors are used up, the `accept` after
/// one that succeeded fails, whether or not a connection waits.
#[derive(Debug, Default)]
pub(crate) struct AcceptDescriptors {
    /// Whether the last `accept` returned a connection.
    assumed_ready: AtomicBool,
}

impl AcceptDescriptors {
    /// Accepts with a descriptor. `is_waiting` tells whether a connection waits; `accept` returns
    /// it, or else registers the task.
    ///
    /// # Errors
    ///
    /// EMFILE; the connection stays where it is.
    pub(crate) fn poll_accept<T>(
        &self,
        is_waiting: bool,
        accept: impl FnOnce() -> Poll<T>,
    ) -> Poll<io::Result<(T, Descriptor)>> {
        let asks = is_waiting || self.assumed_ready.load(Ordering::Relaxed);
        let descriptor = if asks { Descriptor::open()? } else { Descriptor::default() };
        let accepted = accept();
        self.assumed_ready.store(accepted.is_ready(), Ordering::Relaxed);
        accepted.map(|accepted| Ok((accepted, descriptor)))
    }
}
