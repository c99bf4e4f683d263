//! Acknowledged writes stay, whatever breaks. Without the feature `repaired` the test has to fail:
//! `cargo test --features repaired` passes.

use kv::{PORT, send};
use stormglass::prelude::*;
use tokio::time::sleep;

const CLUSTER: &[&str] = &["kv-1", "kv-2", "kv-3"];

#[derive(Clone, Parameters)]
struct Writes {
    /// How many writes the client sends, one every half second.
    #[parameter(default = 40)]
    count: u64,
    /// How long the client may take.
    #[parameter(default = "110s")]
    deadline: Limit,
}

#[stormglass::test(seeds = 0..60, plan = "storm", nodes = ["kv-1", "kv-2", "kv-3"])]
async fn acknowledged_writes_stay(world: World, settings: Writes) {
    for &name in CLUSTER {
        world.node(name).run("serve", move || kv::serve(name, CLUSTER));
    }
    let client = world.client("client");
    let test = client.run(async move |client| {
        let uri = |node: u64, key: u64| format!("http://{}:{PORT}/{key}", CLUSTER[node as usize % 3]);
        let mut acknowledged = Vec::new();
        for number in 1..=settings.count {
            if send("PUT", &uri(number, number), number.to_string()).await.is_ok() {
                acknowledged.push(number);
            }
            sleep(Duration::from_millis(500)).await;
        }
        let mut node = 0;
        for number in acknowledged {
            let got = loop {
                match send("GET", &uri(node, number), String::new()).await {
                    Ok(text) => break text,
                    Err(_) => sleep(Duration::from_secs(1)).await,
                }
                node += 1;
            };
            client.check("acknowledged writes stay", got == number.to_string());
        }
    });
    world.wait("answers", "client", settings.deadline, test).await;
}
