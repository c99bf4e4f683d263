//! A client: a node for the code of a test.

use crate::node::Node;
use crate::world::World;
use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::time::Duration;
use stormglass_net::TcpStream;
use stormglass_rt as rt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    /// output. Its panic is the caller's. A client that is killed does not start again: this never
    /// returns then, and a note in the trace says so.
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
    /// assert!(outcome.verdict.to_string().starts_with("violated sums are right: on client, at "));
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    pub fn run<M, F>(&self, body: M) -> impl Future<Output = F::Output> + use<M, F>
    where
        M: FnOnce(Client) -> F,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let client = self.clone();
        async move {
            let main = client.node.hosted(body(client.clone()));
            match client.node.spawn("main", main).await {
                Ok(output) => output,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => {
                    client.world.client_was_killed(client.node.name());
                    std::future::pending().await
                }
            }
        }
    }

    /// Sends a request on a new connection from the client, and returns the answer: what the other
    /// side sends until it closes the connection. For services of a line or a few; call it in the
    /// client's [`Client::run`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use stormglass_core::{Keep, Seed};
    /// use stormglass_sim::net::TcpListener;
    /// use stormglass_sim::{Run, Scenario, Settings, World, scenario};
    /// use tokio::io::AsyncWriteExt;
    ///
    /// struct Greets;
    ///
    /// /// A service greets
    /// #[scenario]
    /// impl Scenario for Greets {
    ///     async fn play(&self, world: World) {
    ///         world.node("service").run("serve", async || {
    ///             let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
    ///             while let Ok((mut stream, _)) = listener.accept().await {
    ///                 stream.write_all(b"hello").await.unwrap();
    ///             }
    ///         });
    ///         let client = world.client("client");
    ///         client.run(async |client| {
    ///             let greeting = client.request("service:80", "", Duration::from_secs(1)).await;
    ///             client.check("the service greets", greeting.unwrap() == "hello");
    ///             let refused = client.request("service:81", "", Duration::from_secs(1)).await;
    ///             client.check("the port is closed", refused.is_err());
    ///         }).await;
    ///     }
    /// }
    ///
    /// let settings = Settings::resolve(&Greets, None, "quiet", &[])?;
    /// assert!(Run::new(&Greets, settings, Seed(1)).play(Keep::Nothing).outcome.verdict.is_passed());
    /// # Ok::<(), stormglass_sim::SettingsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the connection; `TimedOut` if the answer is not complete within `deadline`;
    /// `InvalidData` if it is no UTF-8.
    pub async fn request(
        &self,
        to: &str,
        request: impl AsRef<[u8]>,
        deadline: Duration,
    ) -> io::Result<String> {
        let exchange = async {
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(request.as_ref()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        rt::timeout(deadline, exchange).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
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
