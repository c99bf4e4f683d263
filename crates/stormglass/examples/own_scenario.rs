//! A scenario of one's own with every command of the command line.
//!
//! Try: `cargo run -p stormglass --features cli --example own_scenario -- explain two-writes --set disk.sync.delay=3ms`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use stormglass::core::Limit;
use stormglass::core::latency::HumanDuration;
use stormglass::fs::FileExt;
use stormglass::sim::{Parameters, Play, Scenario, Settings, SettingsError, World};

/// A client writes to a server, which makes each write durable before it answers. Two writes shall take no longer than
/// the deadline.
struct TwoWrites;

/// Its parameters: `list parameters --scenario two-writes` shows them with these words.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Own {
    /// How long the client waits for both writes. Range: above 0s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    deadline: Duration,
}

impl Scenario for TwoWrites {
    fn name(&self) -> &str {
        "two-writes"
    }

    fn about(&self) -> &str {
        "a client has two writes made durable by a server"
    }

    fn defaults(&self) -> Parameters {
        Parameters::none().with("writes", &Own { deadline: Duration::from_millis(100) })
    }

    fn validate(&self, settings: &Settings) -> Result<(), SettingsError> {
        settings.section::<Own>("writes").map(drop)
    }

    fn play(&self, world: World, settings: &Settings) -> Play {
        let own: Own = settings.section("writes").expect("validated when resolved");
        Box::pin(async move {
            let (client, server) = (world.node("client"), world.node("server"));
            let mut service = server.host().serve::<u8, bool>(80).expect("the port is free");
            let disk = server.disk().clone();
            server.spawn("server", async move {
                let file = disk.create("log").await?;
                let mut offset = 0;
                while let Some(call) = service.next().await {
                    file.write_all_at(&[*call.request()], offset).await?;
                    file.sync_data().await?;
                    offset += 1;
                    call.reply(true);
                }
                Ok::<(), io::Error>(())
            });
            let channel = client.host().channel::<u8, bool>(server.host().address(80));
            let writes = async {
                for value in 0..2 {
                    while !matches!(channel.call(value).await, Ok(true)) {
                        stormglass::rt::sleep(Duration::from_millis(1)).await;
                    }
                }
            };
            world.wait("writes", "client", Limit::of("writes.deadline", own.deadline), writes).await;
        })
    }
}

fn main() -> ExitCode {
    stormglass::main(vec![Box::new(TwoWrites)])
}
