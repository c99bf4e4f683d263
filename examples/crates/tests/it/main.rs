//! Each crate of the table in docs/crates.md, unmodified, in a simulated process: its tasks, its
//! timers and its sockets.

mod http;
mod lines;
mod local;
mod postgres;
mod redis;
mod rpc;

use std::future::Future;
use stormglass::prelude::*;

/// Runs a server on the node `server`, and the client's body on `client`, which has to end.
async fn between<S, F>(
    world: &World,
    server: impl Fn() -> S + Send + Sync + 'static,
    body: impl FnOnce() -> F,
) where
    S: Future<Output = ()> + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    world.node("server").run("serve", server);
    let client = world.client("client");
    let body = body();
    let test = client.run(async move |_| {
        // The server binds its port first.
        tokio::time::sleep(Duration::from_millis(100)).await;
        body.await;
    });
    world.wait("answers", "client", Duration::from_secs(60), test).await;
}
