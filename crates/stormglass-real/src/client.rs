//! A client of a service: a node that runs code of the test.

use crate::node::Node;
use crate::world::World;
use std::future::Future;
use std::io;
use std::panic::{Location, resume_unwind};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client of a service: a node that runs code of the test. [`World::client`] makes it.
#[derive(Clone, Debug)]
pub struct Client {
    world: World,
    node: Node,
}

impl World {
    /// Returns the client of this name, and makes it on the first call.
    pub fn client(&self, name: &str) -> Client {
        Client { world: self.clone(), node: self.node(name) }
    }
}

impl Client {
    /// Runs `body` on the client and returns its output. Its panic is the caller's. A client that is killed
    /// never returns.
    pub fn run<M, F>(&self, body: M) -> impl Future<Output = F::Output> + use<M, F>
    where
        M: FnOnce(Client) -> F,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let client = self.clone();
        async move {
            match client.node.spawn("main", body(client.clone())).await {
                Ok(output) => output,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Sends a request on a new connection from the client, and returns what the other side sends until
    /// it closes the connection.
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
        crate::rt::timeout(deadline, exchange).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    /// As [`World::check`]; the evidence also names the client.
    #[track_caller]
    pub fn check(&self, property: &str, holds: bool) {
        let place = Location::caller();
        self.world.check_with(property, holds, || format!("on {}, at {place}", self.node.name()));
    }

    /// As [`World::sometimes`].
    pub fn sometimes(&self, property: &str, holds: bool) {
        self.world.sometimes(property, holds);
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
