//! Signals of a node's process, by the names and with the behaviour of `tokio::signal` (1.54.1).
//!
//! A signal reaches a process through [`Signals::raise`], which `Node::signal` of `stormglass_sim`
//! calls. A program that listens for a signal has taken its default action away for the rest of the
//! process's life; the next incarnation begins without listeners.

mod kind;
mod listeners;
pub mod unix;

pub use listeners::Signals;
use std::io;
use unix::SignalKind;

/// Completes when the process of the current node receives SIGINT, as `tokio::signal::ctrl_c` does.
/// From the first call on SIGINT no longer ends the process.
///
/// # Errors
///
/// `Unsupported` if no process has signals on the current node: it is no node of a
/// `stormglass_sim::World`, and no [`Signals`] are mounted on it.
///
/// # Panics
///
/// Outside a madsim runtime.
pub async fn ctrl_c() -> io::Result<()> {
    unix::signal(SignalKind::interrupt())?.recv().await;
    Ok(())
}
