//! The host time of hosted tokio runtimes: an idle second of a process, spawned tasks, and echoes
//! over TCP, beside the same without hosting and beside turmoil, which ticks too.

use crate::messages::{ours, turmoil};
use madsim::runtime::Runtime;
use std::future::Future;
use std::time::Duration;
use stormglass_bench::{Case, Ratios, in_turn};
use stormglass_core::{Keep, Recorder, Seed};
use stormglass_rt::hosted::{self, Hosting};

const ROUNDS: usize = 15;
/// Simulated seconds of an idle process.
const SECONDS: u64 = 20;
const SPAWNS: u64 = 20_000;

fn hosted<F>(main: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Runtime::new().block_on(hosted::run(&Recorder::new(Keep::Nothing), Hosting::new(Seed(1)), main))
}

fn idle_hosted() {
    hosted(async { tokio::time::sleep(Duration::from_secs(SECONDS)).await });
}

fn idle() {
    Runtime::new().block_on(async { stormglass_rt::sleep(Duration::from_secs(SECONDS)).await });
}

fn idle_in_turmoil() {
    let mut sim = turmoil();
    sim.client("node-0", async {
        tokio::time::sleep(Duration::from_secs(SECONDS)).await;
        Ok(())
    });
    sim.run().expect("it works");
}

fn spawns_hosted() {
    hosted(async {
        for _ in 0..SPAWNS {
            tokio::spawn(async {}).await.expect("it ends");
        }
    });
}

fn spawns() {
    let recorder = Recorder::new(Keep::Nothing);
    Runtime::new().block_on(async {
        for _ in 0..SPAWNS {
            stormglass_rt::spawn(&recorder, "task", async {}).await.expect("it ends");
        }
    });
}

fn spawns_in_turmoil() {
    let mut sim = turmoil();
    sim.client("node-0", async {
        for _ in 0..SPAWNS {
            tokio::spawn(async {}).await.expect("it ends");
        }
        Ok(())
    });
    sim.run().expect("it works");
}

/// Echoes over TCP between two hosted processes.
fn echoes_hosted() {
    let recorder = Recorder::new(Keep::Nothing);
    let host = |main| {
        let recorder = recorder.clone();
        async move { hosted::run(&recorder, Hosting::new(Seed(1)), main).await }
    };
    let client: Main = Box::pin(ours::tcp_client(ours::address(1)));
    let server: Main = Box::pin(ours::tcp_server());
    crate::messages::ours_between(host(client), host(server));
}

type Main = std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

pub fn measure(ratios: &mut Ratios) {
    let echoes = crate::messages::ECHOES;
    let samples = in_turn(
        ROUNDS,
        &[
            Case::new("idle hosted", SECONDS, idle_hosted),
            Case::new("idle", SECONDS, idle),
            Case::new("idle turmoil", SECONDS, idle_in_turmoil),
            Case::new("spawn hosted", SPAWNS, spawns_hosted),
            Case::new("spawn", SPAWNS, spawns),
            Case::new("spawn turmoil", SPAWNS, spawns_in_turmoil),
            Case::new("echo hosted", echoes, echoes_hosted),
            Case::new("echo", echoes, crate::messages::tcp),
            Case::new("echo turmoil", echoes, crate::messages::turmoil_tcp),
        ],
    );
    let of = |name| samples.of(name);
    ratios.add("hosted: an idle second", of("idle hosted"), "not hosted", of("idle"));
    ratios.add("hosted: an idle second", of("idle hosted"), "turmoil", of("idle turmoil"));
    ratios.add("hosted: a task", of("spawn hosted"), "not hosted", of("spawn"));
    ratios.add("hosted: a task", of("spawn hosted"), "turmoil", of("spawn turmoil"));
    ratios.add("hosted: an echo over TCP", of("echo hosted"), "not hosted", of("echo"));
    ratios.add("hosted: an echo over TCP", of("echo hosted"), "turmoil", of("echo turmoil"));
}
