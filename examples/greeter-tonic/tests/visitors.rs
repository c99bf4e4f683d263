//! Deadlines and repeated calls while links are cut. Without the feature `repaired` one test has
//! to fail: `cargo test --features repaired` passes.

use greeter::{Client, DEADLINE};
use stormglass::prelude::*;
use tokio::time::{Instant, sleep};
use tonic::Code;

#[derive(Clone, Parameters)]
struct Visits {
    /// How many visitors come, one every half second.
    #[parameter(default = 40)]
    count: u64,
    /// How long the client may take.
    #[parameter(default = "110s")]
    deadline: Limit,
}

/// Each visitor is counted once, whatever is lost on the way.
#[stormglass::test(seeds = 0..60, plan = "plans/cuts.toml", nodes = ["greeter", "client"])]
async fn every_visitor_is_counted_once(world: World, settings: Visits) {
    world.node("greeter").run("serve", greeter::serve);
    let visitors = world.client("client");
    let test = visitors.run(async move |client| {
        let mut greeter = Client::new("greeter").expect("it is a host");
        for number in 1..=settings.count {
            let reply = greeter.greet("Ada", number).await;
            client.check("every visitor is counted once", reply.visitors == number);
            sleep(Duration::from_millis(500)).await;
        }
    });
    world.wait("answers", "client", settings.deadline, test).await;
}

/// A call ends at its deadline, also when nothing comes back, and the connection works again after
/// the partition.
#[stormglass::test(seeds = 0..20, plan = "plans/partition.toml")]
#[cfg_attr(not(madsim), ignore = "needs a partition, which only a simulation makes")]
async fn a_call_ends_at_its_deadline(world: World) {
    world.node("greeter").run("serve", greeter::serve);
    let client = world.client("client");
    let test = client.run(async |client| {
        let mut greeter = Client::new("greeter").expect("it is a host");
        let first = greeter.greet_once("Ada", 1).await;
        client.check("the first call has an answer", first.is_ok());
        sleep(Duration::from_secs(3)).await;
        let began = Instant::now();
        let lost = greeter.greet_once("Bob", 2).await;
        client.check("the lost call is cancelled", lost.is_err_and(|status| status.code() == Code::Cancelled));
        // tokio's timers fire in the millisecond after their time.
        let waited = began.elapsed();
        let is_in_time = waited >= DEADLINE && waited <= DEADLINE + Duration::from_millis(3);
        client.check("it ends at its deadline", is_in_time);
        sleep(Duration::from_secs(12)).await;
        let last = greeter.greet_once("Cem", 3).await;
        client.check("a call after the partition has an answer", last.is_ok());
    });
    world.wait("answers", "client", Duration::from_secs(60), test).await;
}
