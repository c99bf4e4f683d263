//! A scenario with one known cause of failure: a database that seldom compacts while it is written.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_cli::App;
use stormglass_core::{Keep, Limit, Seed};
use stormglass_sim::fs::FileExt;
use stormglass_sim::net::TcpListener;
use stormglass_sim::{Parameters, Run, RunDefaults, Scenario, Settings, World, scenario};

pub(crate) struct Compacts;

#[derive(Clone, Parameters)]
#[parameters(crate = "stormglass_sim")]
pub(crate) struct CompactSettings {
    /// How long all writes may take.
    #[parameter(default = "1s")]
    deadline: Limit,
    /// How long a compaction takes.
    #[parameter(default = "2s")]
    compaction: Duration,
    /// Of 100 runs, in how many the database compacts.
    #[parameter(default = 5)]
    percent: u64,
}

#[scenario(about = "a database is written 20 times, and may compact after the tenth write")]
impl Scenario for Compacts {
    fn run_defaults(&self) -> RunDefaults {
        RunDefaults { profile: "quiet", ..RunDefaults::default() }
    }

    async fn play(&self, world: World, settings: CompactSettings) {
        let node = world.node("node-1");
        let (disk, written) = (node.disk().clone(), Arc::new(Mutex::new(0)));
        let seen = written.clone();
        world.state("writes", move || *seen.lock().unwrap());
        let (noting, mut chance) = (world.clone(), world.seed().stream("compaction"));
        let writes = node.spawn("writer", async move {
            noting.status("database", "open");
            let _listener = TcpListener::bind("0.0.0.0:5432").await.unwrap();
            let file = disk.create("log").await.unwrap();
            for number in 0..20 {
                file.write_all_at(b"a record", 8 * number).await.unwrap();
                if number == 10 && chance.below(100) < settings.percent {
                    noting.note("compacts");
                    stormglass_rt::sleep(settings.compaction).await;
                }
                file.sync_data().await.unwrap();
                *written.lock().unwrap() += 1;
            }
        });
        world.wait("writes", "node-1", settings.deadline, writes).await;
    }
}

pub(crate) fn app() -> App {
    App::new().with_scenario(Compacts)
}

/// Returns the first seed whose run fails, and the first whose run passes.
pub(crate) fn seeds() -> (String, String) {
    let settings = Settings::resolve(&Compacts, None, "quiet", &[]).unwrap();
    let fails = |seed: &u64| {
        let played = Run::new(&Compacts, settings.clone(), Seed(*seed)).play(Keep::Nothing);
        !played.outcome.verdict.is_passed()
    };
    let first = |wanted| (0..1_000).find(|seed| fails(seed) == wanted).unwrap().to_string();
    (first(true), first(false))
}
