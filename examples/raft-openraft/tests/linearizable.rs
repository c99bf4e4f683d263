//! Every operation takes effect at one moment between its request and its answer, whatever breaks.

use futures_util::future::join_all;
use raft::{Answer, Bugs, Command, Request, ask, serve};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use stormglass::core::linearizability::{Call, Linearizable, Object, check, first_unexplained};
use stormglass::prelude::*;
use stormglass::rt::now;
use tokio::time::timeout;

const CLUSTER: [&str; 3] = ["raft-1", "raft-2", "raft-3"];
const KEYS: [&str; 2] = ["a", "b"];

/// A number that is written and read.
struct Register;

#[derive(Clone, Debug)]
enum Operation {
    /// The new value and the one before.
    Write(u64, Option<u64>),
    Read(Option<u64>),
}

impl Object for Register {
    type State = Option<u64>;
    type Operation = Operation;

    fn apply(&self, state: &Option<u64>, operation: &Operation, completed: bool) -> Option<Option<u64>> {
        match operation {
            Operation::Write(value, before) => (!completed || before == state).then_some(Some(*value)),
            Operation::Read(value) => (!completed || value == state).then_some(*state),
        }
    }
}

/// The operations on each key.
type History = Arc<Mutex<BTreeMap<&'static str, Vec<Call<Operation>>>>>;

#[derive(Clone, Parameters)]
struct Cluster {
    /// How many clients there are. Range: 1 to 9.
    #[parameter(default = 3)]
    clients: u64,
    /// How many operations each client tries.
    #[parameter(default = 40)]
    operations: u64,
    /// How long the clients may take together.
    #[parameter(default = "110s")]
    deadline: Limit,
    /// A mistake of the program: `unsynced-vote`, `unsynced-log`, `unsynced-snapshot`,
    /// `lost-truncation`, `unsaved-commit`, `stale-reads`, or `none`.
    #[parameter(default = "none")]
    bug: String,
}

async fn operations(client: Client, number: u64, count: u64, history: History) {
    let mut choice = client.world().seed().stream(("client", number));
    let mut host = choice.below(3) as usize;
    for operation in 0..count {
        tokio::time::sleep(Duration::from_millis(choice.below(1000))).await;
        let key = KEYS[choice.below(2) as usize];
        // Each value is written once.
        let value = number * 1_000_000 + operation;
        let is_write = choice.chance(1, 2);
        let request = match is_write {
            true => Request::Write(Command { key: key.into(), value }),
            false => Request::Read(key.into()),
        };
        let began = now();
        let answer = timeout(Duration::from_secs(1), ask(CLUSTER[host], &request)).await;
        let answer = match answer {
            Ok(Ok(Answer::NotHere)) => None,
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => None,
            Ok(Err(_)) | Err(_) => Some(Answer::Unknown),
        };
        if !matches!(answer, Some(Answer::Value(_))) {
            host = (host + 1) % CLUSTER.len();
        }
        let call = match (answer, is_write) {
            (Some(Answer::Value(before)), true) => {
                Call { began, ended: Some(now()), operation: Operation::Write(value, before) }
            }
            (Some(Answer::Value(value)), false) => {
                Call { began, ended: Some(now()), operation: Operation::Read(value) }
            }
            // It may still take effect.
            (Some(_), true) => Call { began, ended: None, operation: Operation::Write(value, None) },
            _ => continue,
        };
        history.lock().unwrap().entry(key).or_default().push(call);
    }
}

async fn play(world: World, settings: Cluster) {
    let bugs = Bugs::named(&settings.bug).unwrap_or_else(|| panic!("there is no bug {:?}", settings.bug));
    for name in CLUSTER {
        world.node(name).run("serve", move || async move {
            serve(name, &CLUSTER, bugs).await.map_err(|error| error.to_string())
        });
    }
    let history = History::default();
    let clients = (0..settings.clients).map(|number| {
        let (history, count) = (history.clone(), settings.operations);
        let client = world.client(&format!("client-{number}"));
        client.run(move |client| operations(client, number, count, history))
    });
    world.wait("operations", "clients", settings.deadline, join_all(clients)).await;
    let last = world.client("last");
    let all_serve = last.run(async move |client| {
        for name in CLUSTER {
            let request = Request::Read(KEYS[0].into());
            while !matches!(timeout(Duration::from_secs(1), ask::<Answer>(name, &request)).await, Ok(Ok(_))) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            client.world().note(&format!("{name} serves"));
        }
    });
    world.wait("all nodes", "last", Duration::from_secs(60), all_serve).await;
    let history = history.lock().unwrap();
    let done: usize = history.values().flatten().filter(|call| call.ended.is_some()).count();
    world.sometimes(
        "half of the operations succeed",
        done as u64 * 2 > settings.clients * settings.operations,
    );
    world.sometimes(
        "an operation has an unknown result",
        history.values().flatten().any(|call| call.ended.is_none()),
    );
    for (key, calls) in &*history {
        match check(&Register, None, calls, 1_000_000) {
            Linearizable::Yes => {}
            Linearizable::No => {
                let unexplained = first_unexplained(&Register, None, calls, 1_000_000);
                let unexplained = unexplained.map(|call| calls[call].clone());
                let mut calls = calls.clone();
                calls.sort_by_key(|call| call.began);
                for Call { began, ended, operation } in &calls {
                    let ended = ended.map_or("never".into(), |ended| format!("{:.3}", ended.as_secs_f64()));
                    world.note(&format!("{key}: {:.3} to {ended}: {operation:?}", began.as_secs_f64()));
                }
                let at = unexplained.as_ref().and_then(|call| call.ended).unwrap_or_else(now);
                let what = unexplained
                    .map_or(String::new(), |call| format!(": no order explains {:?}", call.operation));
                world.violated_at(at, "operations are linearizable", format!("on key {key}{what}"));
            }
            Linearizable::Unknown(steps) => {
                world.note(&format!("undecided after {steps} steps on key {key}"))
            }
        }
    }
}

#[stormglass::test(seeds = 0..50, plan = "storm", nodes = CLUSTER)]
async fn openraft_is_linearizable_in_storms(world: World, settings: Cluster) {
    play(world, settings).await;
}

#[stormglass::test(seeds = 0..50, plan = "plans/crashes.toml", nodes = CLUSTER)]
async fn openraft_is_linearizable_in_crashes(world: World, settings: Cluster) {
    play(world, settings).await;
}

/// openraft's issue 1511: a leader that is back before anybody has noticed leads on, and answers reads
/// from what it remembers.
#[stormglass::test(seeds = 175..180, plan = "plans/crashes.toml", nodes = CLUSTER, set("cluster.bug" = "unsaved-commit"))]
#[should_panic(expected = "1 violated operations are linearizable")]
async fn a_restarted_leader_that_does_not_know_what_is_committed_answers_stale_reads(
    world: World,
    settings: Cluster,
) {
    play(world, settings).await;
}

#[stormglass::test(seeds = 0..10, plan = "plans/crashes.toml", nodes = CLUSTER, set("cluster.bug" = "unsynced-log"))]
#[should_panic(expected = "violated operations are linearizable")]
async fn a_log_that_is_not_synced_is_found(world: World, settings: Cluster) {
    play(world, settings).await;
}

#[stormglass::test(seeds = 0..10, plan = "plans/crashes.toml", nodes = CLUSTER, set("cluster.bug" = "unsynced-snapshot"))]
#[should_panic(expected = "timed out waiting for all nodes")]
async fn a_snapshot_that_is_not_synced_is_found(world: World, settings: Cluster) {
    play(world, settings).await;
}

#[stormglass::test(seeds = 0..10, plan = "storm", nodes = CLUSTER, set("cluster.bug" = "stale-reads"))]
#[should_panic(expected = "violated operations are linearizable")]
async fn reads_without_a_majority_are_found(world: World, settings: Cluster) {
    play(world, settings).await;
}
