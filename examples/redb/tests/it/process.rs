//! A process with a database whose machine loses power, again and again.

use redb_crashes::backend::Syncs;
use redb_crashes::database::Database;
use redb_crashes::workload::{self, Commit, Durable};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stormglass::fs::mount;
use stormglass::prelude::*;
use stormglass::sim::AnyScenario;

#[derive(Clone, Parameters)]
struct Commits {
    /// How many transactions the process commits, over all of its lives.
    #[parameter(default = 60)]
    transactions: u64,
    /// How long it may take.
    #[parameter(default = "150s")]
    deadline: Limit,
    /// Whether the disk's syncs do nothing.
    #[parameter(default = false)]
    lies: bool,
}

/// Acknowledged transactions stay with one-phase commits.
#[stormglass::test(seeds = 0..40, profile = "quiet", plan = "plans/power.toml", nodes = ["db"])]
async fn acknowledged_transactions_stay_with_one_phase(world: World, settings: Commits) {
    acknowledged_stay(world, settings, Commit::OnePhase).await;
}

/// Acknowledged transactions stay with quick-repair.
#[stormglass::test(seeds = 0..40, profile = "quiet", plan = "plans/power.toml", nodes = ["db"])]
async fn acknowledged_transactions_stay_with_quick_repair(world: World, settings: Commits) {
    acknowledged_stay(world, settings, Commit::QuickRepair).await;
}

/// Without syncs the first power losses take the database: at least nine runs of ten fail.
#[test]
fn syncs_that_do_nothing_lose_acknowledged_transactions() {
    let scenarios: [&dyn AnyScenario; 2] =
        [&AcknowledgedTransactionsStayWithOnePhase, &AcknowledgedTransactionsStayWithQuickRepair];
    for scenario in scenarios {
        let assignments = [
            ("commits.lies", "true"),
            ("plan.generate.count", "12"),
            ("plan.generate.kinds", "['power-loss']"),
            ("plan.generate.swarm", "false"),
            ("plan.generate.until", "60s"),
        ];
        let settings = Settings::resolve(scenario, None, "quiet", &assignments).unwrap();
        let fails = |&seed: &u64| {
            let played = Run::new(scenario, settings.clone(), Seed(seed)).play(Keep::Nothing);
            !played.outcome.verdict.is_passed()
        };
        assert!((0..10).filter(fails).count() >= 9, "{}", scenario.name());
    }
}

async fn acknowledged_stay(world: World, settings: Commits, commit: Commit) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let syncs = if settings.lies { Syncs::Lie } else { Syncs::Honest };
    let (known, at) = (acknowledged.clone(), world.clone());
    world.node("db").run("commit", move || commit_all(at.clone(), known.clone(), commit, syncs));
    let all = async move {
        while acknowledged.load(Ordering::Relaxed) < settings.transactions {
            sleep(Duration::from_millis(100)).await;
        }
    };
    world.wait("commits", "db", settings.deadline, all).await;
}

/// Commits transactions, half a second apart. `acknowledged` is what a client knows.
async fn commit_all(world: World, acknowledged: Arc<AtomicU64>, commit: Commit, syncs: Syncs) {
    let disk = mount::current().expect("a node has a disk");
    let mut database = Database::open(&disk, "/app.redb", syncs).expect("the database opens");
    let found = workload::transactions(&mut database);
    database.sleep().await;
    let found = found.unwrap_or_else(|damage| panic!("{damage}"));
    let known = acknowledged.load(Ordering::Relaxed);
    if found < known {
        world.violated(
            "acknowledged transactions stay",
            format!("{found} are there, {known} were acknowledged"),
        );
    }
    for number in found + 1.. {
        workload::commit(&mut database, number, Durable::Each, commit).expect("the disk works");
        database.sleep().await;
        acknowledged.store(number, Ordering::Relaxed);
        sleep(Duration::from_millis(500)).await;
    }
}
