//! A client: a node for the code of a test.

use crate::node::Node;
use crate::world::World;
use std::future::Future;

/// A node for the code of a test, such as a client of the service or a checker: on a machine of its
/// own, so that it does not share CPUs or a disk with the service. A plan's kills, pauses and power
/// losses affect it only if they name it: a pattern such as `*` does not select it. Clones are handles to the same
/// one.
#[derive(Clone)]
pub struct Client {
    world: World,
    node: Node,
}

impl World {
    /// Returns the client of this name, and makes it on the first call, on the machine of the same
    /// name.
    pub fn client(&self, name: &str) -> Client {
        let node = self.node_on(name, name);
        self.mark_as_client(&node);
        Client { world: self.clone(), node }
    }
}

impl Client {
    /// Runs `body` on the client, as the main task of a process ([`Node::run`]), and returns its
    /// output. A client that a fault kills does not start again, and this never returns then.
    ///
    /// ```
    /// use stormglass_core::{Keep, Seed};
    /// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
    ///
    /// struct Adds;
    ///
    /// /// A client adds
    /// #[scenario]
    /// impl Scenario for Adds {
    ///     async fn play(&self, world: World) {
    ///         let sum = world.client("client").run(async |client| {
    ///             client.check("sums are right", 1 + 1 == 3);
    ///             1 + 1
    ///         }).await;
    ///         assert_eq!(sum, 2);
    ///     }
    /// }
    ///
    /// let settings = Settings::resolve(&Adds, None, "quiet", &[])?;
    /// let outcome = Run::new(&Adds, settings, Seed(1)).play(Keep::Nothing).outcome;
    /// assert_eq!(outcome.verdict.to_string(), "violated sums are right: on client");
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    pub async fn run<M, F>(&self, body: M) -> F::Output
    where
        M: FnOnce(Client) -> F,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let main = self.node.hosted(body(self.clone()));
        match self.node.spawn("main", main).await {
            Ok(output) => output,
            // Its node was killed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Reports that the property of this name does not hold unless `holds`, which is then the
    /// run's verdict.
    pub fn check(&self, property: &str, holds: bool) {
        if !holds {
            self.world.violated(property, format!("on {}", self.node.name()));
        }
    }

    /// Returns the client's node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Returns the world.
    pub fn world(&self) -> &World {
        &self.world
    }
}
