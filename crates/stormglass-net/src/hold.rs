//! Holds: queue messages on a link and release them one by one.

use crate::fault::{Action, ActiveRule, InvalidRule};
use crate::inject::FaultGuard;
use crate::network::Network;
use crate::queue::MessageQueue;

pub use crate::queue::QueuedMessage;

/// A hold on links: queues the messages that are sent over them. Dropping it releases all of them,
/// in order.
///
/// One-way messages are queued one by one. Of a stream or a channel of calls the first message is
/// queued and listed; the messages behind it wait, and the next one is queued when the first has
/// been released. Handshakes, acknowledgements and resets are not held.
///
/// ```
/// use stormglass_core::Seed;
/// use stormglass_net::{NetProfile, Network};
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let network = Network::new(NetProfile::instant(), Seed(1));
///     let (a, b) = (network.host("a"), network.host("b"));
///     let (from, mut to) = (a.bind::<u32>(1)?, b.bind::<u32>(1)?);
///     let hold = network.hold("a", "b")?;
///     for number in 0..3 {
///         from.send_to(to.address(), number);
///     }
///     assert_eq!(hold.queued().len(), 3);
///     hold.release(1);
///     assert_eq!(to.recv_from().await.0, 1);
///     drop(hold);
///     assert_eq!((to.recv_from().await.0, to.recv_from().await.0), (0, 2));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard releases all queued messages"]
pub struct Hold {
    rule: Option<FaultGuard>,
    queue: MessageQueue,
}

impl Network {
    /// Holds what is sent from hosts to hosts whose names match these shell wildcard patterns.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn hold(&self, from: &str, to: &str) -> Result<Hold, InvalidRule> {
        self.hold_matching(ActiveRule::new(Action::Hold(MessageQueue::default())).from(from).to(to))
    }

    /// Holds as [`Network::hold`] does, only what belongs to this port of a service: requests to
    /// it and its responses.
    ///
    /// # Errors
    ///
    /// An invalid pattern.
    pub fn hold_port(&self, from: &str, to: &str, port: u16) -> Result<Hold, InvalidRule> {
        self.hold_matching(
            ActiveRule::new(Action::Hold(MessageQueue::default())).from(from).to(to).port(port),
        )
    }

    fn hold_matching(&self, rule: ActiveRule) -> Result<Hold, InvalidRule> {
        let Action::Hold(queue) = rule.effect.clone() else { unreachable!("made by `hold`") };
        Ok(Hold { rule: Some(self.install(rule)?), queue })
    }
}

impl Hold {
    /// Returns the queued messages, in the order in which they were queued.
    pub fn queued(&self) -> Vec<QueuedMessage> {
        self.queue.list()
    }

    /// Releases one message, by its index in [`Hold::queued`]: it takes its latency from now on.
    /// Returns whether there is a message at that index.
    pub fn release(&self, index: usize) -> bool {
        self.queue.release(index)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.rule = None;
        while self.release(0) {}
    }
}
