//! Acknowledged messages while the server restarts. Without the feature `repaired` the test has to
//! fail: `cargo test --features repaired` passes.

use nats::client::Calls;
use nats::delivery::deliver;
use stormglass::prelude::*;

/// A message is acknowledged when `publish` and `flush` have returned; repaired, when the
/// subscriber has replied.
const CALLS: Calls = if cfg!(feature = "repaired") { Calls::Repeat } else { Calls::Flush };

#[stormglass::test(
    seeds = 0..40,
    profile = "quiet",
    plan = "plans/kills.toml",
    nodes = ["server"],
    set("run.tick" = "10ms")
)]
async fn acknowledged_messages_arrive(world: World) {
    let messages = deliver(&world, CALLS, 1_000).await;
    if let Some(number) = messages.lost().first() {
        world.violated("acknowledged messages arrive", format!("message {number} did not"));
    }
}
