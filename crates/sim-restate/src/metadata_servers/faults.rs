//! Fault injection: faults of servers, their links and their disks, one after the other.

use crate::metadata_servers::servers::Servers;
use crate::metadata_servers::settings::ChaosSettings;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{Kind, Latency, Stream};
use stormglass_fs::{Loss, fault as disk};
use stormglass_net::fault as net;
use stormglass_rt as rt;
use stormglass_sim::{Node, World};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultKind {
    Kill,
    PowerLoss,
    Stop,
    Pause,
    Isolate,
    CutOneWay,
    SlowLinks,
    SlowDisk,
    SyncFails,
}

const ALL: [FaultKind; 9] = [
    FaultKind::Kill,
    FaultKind::PowerLoss,
    FaultKind::Stop,
    FaultKind::Pause,
    FaultKind::Isolate,
    FaultKind::CutOneWay,
    FaultKind::SlowLinks,
    FaultKind::SlowDisk,
    FaultKind::SyncFails,
];

impl FaultKind {
    /// Returns what it does to a node, in the words of plans and timelines.
    fn on(self, node: &str) -> String {
        match self {
            FaultKind::Kill => format!("kill {node}"),
            FaultKind::PowerLoss => format!("power loss of {node}"),
            FaultKind::Stop => format!("terminate {node}"),
            FaultKind::Pause => format!("pause {node}"),
            FaultKind::Isolate => format!("cut {node} ↔ node-*"),
            FaultKind::CutOneWay => format!("cut {node} ↔ node-*, one way"),
            FaultKind::SlowLinks => format!("slow link {node} ↔ *"),
            FaultKind::SlowDisk => format!("slow syncs on {node}"),
            FaultKind::SyncFails => format!("EIO on the next sync on {node}"),
        }
    }
}

/// Injects faults.
pub struct Breaker {
    world: World,
    servers: Servers,
    settings: ChaosSettings,
    chance: Stream,
    /// The nodes that have a fault now: a stopped process is not killed too.
    busy: Arc<Mutex<BTreeSet<String>>>,
}

impl Breaker {
    /// Starts `faults` breakers, each with a random stream of its own. They end after `duration`.
    pub fn start(world: &World, servers: &Servers, settings: &ChaosSettings) -> Vec<rt::JoinHandle<()>> {
        let busy = Arc::default();
        let breaker = |number: u32| Breaker {
            world: world.clone(),
            servers: servers.clone(),
            settings: settings.clone(),
            chance: world.seed().stream(("breaker", u64::from(number))),
            busy: Arc::clone(&busy),
        };
        let start = |number| rt::spawn(world.recorder(), "breaker", breaker(number).work());
        (0..settings.faults).map(start).collect()
    }

    /// Injects one fault after the other for `duration`, then removes the last one.
    async fn work(mut self) {
        let end = rt::now() + self.settings.duration;
        while rt::now() < end {
            let node = self.pick();
            if let Some(node) = node {
                let what = ALL[self.chance.below(ALL.len() as u64) as usize];
                let lasts = self.between(self.settings.fault_longest / 10, self.settings.fault_longest);
                self.world.note(&format!("fault: {}", what.on(node.name())));
                self.inject(what, &node, lasts.min(end.saturating_since(rt::now()))).await;
                self.busy().remove(node.name());
            }
            let calm = self.between(Duration::ZERO, self.settings.calm_longest);
            rt::sleep(calm.min(end.saturating_since(rt::now()))).await;
        }
    }

    fn pick(&mut self) -> Option<Node> {
        let nodes = self.servers.nodes();
        let node = nodes[self.chance.below(nodes.len() as u64) as usize].clone();
        let is_free = self.busy().insert(node.name().to_string());
        is_free.then_some(node)
    }

    fn busy(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let width = (most - least).as_nanos() as u64;
        least + Duration::from_nanos(self.chance.below(width + 1))
    }

    async fn inject(&mut self, what: FaultKind, node: &Node, lasts: Duration) {
        let network = self.world.network();
        let name = node.name();
        match what {
            FaultKind::Kill => node.kill(),
            FaultKind::PowerLoss => node.power_loss(Loss::ALL[self.chance.below(4) as usize]),
            FaultKind::Stop => self.servers.stop(node),
            FaultKind::Pause => {
                node.pause();
                rt::sleep(lasts).await;
                node.resume();
            }
            FaultKind::Isolate => {
                let others: Vec<&str> = self.servers.nodes().iter().map(Node::name).collect();
                let _cut = network.isolate(name, &others).expect("names are patterns");
                rt::sleep(lasts).await;
            }
            FaultKind::CutOneWay => {
                let from = net::LinkRule::new(net::LinkEffect::Lose).from(name).to("node-*");
                let to = net::LinkRule::new(net::LinkEffect::Lose).from("node-*").to(name);
                let fault = if self.chance.below(2) == 0 { from } else { to };
                let _cut = network.inject(fault).expect("names are patterns");
                rt::sleep(lasts).await;
            }
            FaultKind::SlowLinks => {
                let latency = Latency::Uniform { min: Duration::ZERO, max: Duration::from_millis(300) };
                let slow = net::LinkRule::new(net::LinkEffect::Delay(latency)).from(name).both_ways();
                let _slow = network.inject(slow).expect("names are patterns");
                rt::sleep(lasts).await;
            }
            FaultKind::SlowDisk => {
                let latency =
                    Latency::Uniform { min: Duration::from_millis(50), max: Duration::from_millis(1_500) };
                let slow =
                    disk::DiskRule::new(disk::DiskEffect::Delay(latency)).on([Kind::Fsync, Kind::Fdatasync]);
                let _slow = node.disk().inject(slow).expect("it has no pattern");
                rt::sleep(lasts).await;
            }
            FaultKind::SyncFails => {
                let fails = disk::DiskRule::new(disk::DiskEffect::Fail(disk::DiskError::Io));
                let fails = fails.on([Kind::Fsync, Kind::Fdatasync]).times(1);
                let _fails = node.disk().inject(fails).expect("it has no pattern");
                rt::sleep(lasts).await;
            }
        }
    }
}
