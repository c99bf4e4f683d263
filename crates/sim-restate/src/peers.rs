//! Connections of one service to the other nodes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stormglass_net::{Channel, Host};

/// Channels to one port of the other nodes, each connected at its first use and kept. Clones share
/// them.
///
/// In Restate all services of a node share its fabric's port, with a connection for each swimlane;
/// here each service is its own swimlane.
#[derive(Debug)]
pub(crate) struct Peers<Q, A> {
    shared: Arc<Shared<Q, A>>,
}

#[derive(Debug)]
struct Shared<Q, A> {
    host: Host,
    port: u16,
    connect_timeout: Duration,
    channels: Mutex<BTreeMap<String, Arc<Channel<Q, A>>>>,
}

impl<Q, A> Clone for Peers<Q, A> {
    fn clone(&self) -> Peers<Q, A> {
        Peers { shared: self.shared.clone() }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Peers<Q, A> {
    pub(crate) fn new(host: &Host, port: u16, connect_timeout: Duration) -> Peers<Q, A> {
        let shared = Shared { host: host.clone(), port, connect_timeout, channels: Mutex::default() };
        Peers { shared: Arc::new(shared) }
    }

    /// Sends a request to a node and returns its answer; connecting has a limit of its own.
    ///
    /// # Errors
    ///
    /// `TimedOut` when a limit is over; those of [`Channel::call`].
    pub(crate) async fn call(&self, node: &str, limit: Duration, request: Q) -> io::Result<A> {
        let channel = self.channel(node);
        channel.connect_within(self.shared.connect_timeout).await?;
        channel.call_within(limit, request).await
    }

    fn channel(&self, node: &str) -> Arc<Channel<Q, A>> {
        let Shared { host, port, channels, .. } = &*self.shared;
        let mut channels = channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(node) {
            return channel.clone();
        }
        let channel = Arc::new(host.channel(host.network().host(node).address(*port)));
        channels.insert(node.to_string(), channel.clone());
        channel
    }
}
