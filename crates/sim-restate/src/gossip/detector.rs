//! Who is up, by what is heard: the rules, without clock or network.
//!
//! ```text
//!            heard of again              for the suspect interval
//!   DEAD ─────────────────────► SUSPECT ─────────────────────────► ALIVE
//!    ▲ ◄──────────────────────────┘ ◄───────────────────────────────┘ │ says that it stops
//!    │             not heard of for more than the threshold           ▼
//!    └──────────────────────────────────────────────────────────── FAILING OVER
//! ```
//!
//! A node's age is the number of ticks since it was last heard of by anybody. It travels with the gossip, so news of a node reach those whom it has not told.
//! A node that is alone in its cluster is alive at once.

use super::settings::GossipSettings;
use crate::liveness::{NodeLiveness, NodeState};
use crate::log::Generation;
use crate::metadata::Versions;
use crate::partition::views::PartitionViews;
use sim_raft::{NodeId, NodesConfiguration};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_core::{SimTime, Stream};

/// A message between failure detectors.
#[derive(Clone, Debug)]
pub struct Gossip {
    /// Who sends it.
    pub sender: Generation,
    /// What it says of itself alone, if that is all.
    pub special: Option<Special>,
    /// Whether it has heard of nobody for long.
    pub lonely: bool,
    /// What it knows of the nodes.
    pub nodes: Arc<[GossipNode]>,
    /// What it knows of partitions, now and then.
    pub extras: Option<Arc<PartitionViews>>,
    /// What it knows of the cluster's documents.
    pub versions: Versions,
}

/// A message in which a node speaks of itself alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// It starts.
    BringUp,
    /// It has started.
    ReadyToServe,
    /// It is about to stop.
    FailingOver,
}

/// What comes of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Whether it is time to tell others.
    pub round: bool,
    /// Whether somebody's state has changed.
    pub changed: bool,
}

/// What is said of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipNode {
    /// In this life.
    pub node: Generation,
    /// So many ticks ago somebody heard of it.
    pub age: u32,
    /// Whether it is about to stop.
    pub failing_over: bool,
}

/// What a node knows of another.
#[derive(Clone, Copy, Debug)]
struct Known {
    generation: u32,
    age: u32,
    failing_over: bool,
    state: NodeState,
    suspected: SimTime,
}

impl Known {
    fn new(generation: u32) -> Known {
        let (age, state, suspected) = (u32::MAX, NodeState::Dead, SimTime::ZERO);
        Known { generation, age, failing_over: false, state, suspected }
    }

    /// Forgets what was known of an older life.
    fn reset(&mut self, generation: u32) -> bool {
        let newer = generation > self.generation;
        if newer {
            *self = Known::new(generation);
        }
        newer
    }
}

/// A node's failure detector.
#[derive(Debug)]
pub struct Detector {
    me: Generation,
    settings: GossipSettings,
    nodes: BTreeMap<NodeId, Known>,
    /// Those that the configuration names: only they are spoken of.
    configured: Vec<NodeId>,
    version: u64,
    received: u32,
    last_received: SimTime,
    last_tick: SimTime,
    since_extras: u32,
    failing_over: bool,
    changed: Vec<(Generation, NodeState)>,
}

impl Detector {
    /// A detector that knows of its own node alone.
    pub fn new(me: Generation, settings: GossipSettings, now: SimTime) -> Detector {
        Detector {
            me,
            settings,
            nodes: BTreeMap::from([(me.id, Known::new(me.generation))]),
            configured: vec![me.id],
            version: 0,
            received: 0,
            last_received: now,
            last_tick: now,
            since_extras: u32::MAX,
            failing_over: false,
            changed: Vec::new(),
        }
    }

    /// Learns who belongs to the cluster.
    pub fn refresh(&mut self, nodes: &NodesConfiguration) {
        if nodes.version <= self.version {
            return;
        }
        self.version = nodes.version;
        for (&id, node) in &nodes.nodes {
            self.nodes.entry(id).or_insert_with(|| Known::new(node.generation)).reset(node.generation);
        }
        self.configured = nodes.nodes.keys().copied().collect();
    }

    /// The other nodes.
    pub fn peers(&self) -> Vec<NodeId> {
        self.configured.iter().copied().filter(|&id| id != self.me.id).collect()
    }

    /// Takes over what another node thinks, as long as this one has no view of its own. Says whether it did.
    pub fn adopt_view(&mut self, seen: &BTreeMap<NodeId, NodeLiveness>) -> bool {
        if self.is_stable() || self.state_of(self.me.id) == NodeState::Alive {
            return false;
        }
        for (&id, &NodeLiveness { generation, state }) in seen.iter().filter(|(id, _)| **id != self.me.id) {
            let known = self.nodes.entry(id).or_insert_with(|| Known::new(generation));
            known.reset(generation);
            if known.generation == generation && known.state != state {
                known.state = state;
                known.age = if state == NodeState::Dead { u32::MAX } else { 0 };
                self.changed.push((Generation { id, generation }, state));
            }
        }
        true
    }

    /// The timer has fired. It is time for a round if an interval has passed since the last one, to the nanosecond: a timer that fires a little earlier than the last time
    /// is too early, and the round is left out.
    pub fn tick(&mut self, now: SimTime) -> Tick {
        let tick = self.settings.tick.as_nanos().max(1);
        let intervals = (now.saturating_since(self.last_tick).as_nanos() / tick) as u32;
        let round = intervals > 0;
        if round {
            for (&id, known) in &mut self.nodes {
                known.age = if id == self.me.id { 0 } else { known.age.saturating_add(intervals) };
            }
            self.last_tick = now;
        }
        let updated: Vec<NodeId> =
            if self.is_stable() { self.nodes.keys().copied().collect() } else { vec![self.me.id] };
        let changed: Vec<bool> = updated.into_iter().map(|id| self.update_state(id, now)).collect();
        Tick { round, changed: changed.contains(&true) }
    }

    /// Hears a message. Says whether somebody's state has changed.
    pub fn receive(&mut self, gossip: &Gossip, now: SimTime) -> bool {
        let Generation { id, generation } = gossip.sender;
        let sender = self.nodes.entry(id).or_insert_with(|| Known::new(generation));
        sender.reset(generation);
        if sender.generation > generation || id == self.me.id {
            return false;
        }
        match gossip.special {
            Some(Special::BringUp) => return true,
            Some(Special::ReadyToServe) => {
                sender.age = 0;
                return self.update_state(id, now);
            }
            Some(Special::FailingOver) => {
                sender.age = if gossip.lonely { sender.age } else { 0 };
                sender.failing_over = true;
                return self.update_state(id, now);
            }
            None => {}
        }
        self.received += 1;
        self.last_received = now;
        for entry in gossip.nodes.iter().filter(|entry| entry.node.id != self.me.id) {
            let Generation { id, generation } = entry.node;
            let known = self.nodes.entry(id).or_insert_with(|| Known::new(generation));
            let reset = known.reset(generation);
            if known.generation > generation {
                continue;
            }
            if id == gossip.sender.id {
                known.failing_over = entry.failing_over;
                known.age = if gossip.lonely { known.age } else { 0 };
            } else if reset {
                (known.age, known.failing_over) = (entry.age, entry.failing_over);
            } else {
                known.age = known.age.min(entry.age);
                known.failing_over |= entry.failing_over;
            }
        }
        false
    }

    /// The message of this round.
    pub fn message(&self, now: SimTime, extras: Option<Arc<PartitionViews>>, versions: Versions) -> Gossip {
        let entry = |id: &NodeId| {
            let Known { generation, age, failing_over, .. } = self.nodes[id];
            let failing_over = if *id == self.me.id { self.failing_over } else { failing_over };
            GossipNode { node: Generation { id: *id, generation }, age, failing_over }
        };
        let nodes = self.configured.iter().map(entry).collect();
        let lonely = now.saturating_since(self.last_received)
            > self.settings.tick * self.settings.loneliness_threshold;
        Gossip { sender: self.me, special: None, lonely, nodes, extras, versions }
    }

    /// Whether this round's message shall say what is known of partitions.
    pub fn wants_extras(&mut self) -> bool {
        let due = self.since_extras >= self.settings.extras_every && self.configured.len() > 1;
        self.since_extras = if due { 0 } else { self.since_extras.saturating_add(1) };
        due
    }

    /// Whom to tell in this round, by chance.
    pub fn targets(&self, chance: &mut Stream) -> Vec<NodeId> {
        let mut others = self.peers();
        let mut targets = Vec::new();
        while !others.is_empty() && targets.len() < self.settings.peers as usize {
            targets.push(others.swap_remove(chance.below(others.len() as u64) as usize));
        }
        targets
    }

    /// From now on it says that it stops.
    pub fn fail_over(&mut self) {
        self.failing_over = true;
    }

    /// What it thinks of everybody.
    pub fn seen(&self) -> BTreeMap<NodeId, NodeLiveness> {
        let seen = |known: &Known| NodeLiveness { generation: known.generation, state: known.state };
        self.nodes.iter().map(|(&id, known)| (id, seen(known))).collect()
    }

    /// Whose state has changed since this was last asked.
    pub fn changes(&mut self) -> Vec<(Generation, NodeState)> {
        std::mem::take(&mut self.changed)
    }

    /// Whether it has heard enough to judge others.
    pub fn is_stable(&self) -> bool {
        self.nodes.len() == 1 || self.received >= self.settings.stability_threshold
    }

    fn state_of(&self, id: NodeId) -> NodeState {
        self.nodes.get(&id).map_or(NodeState::Dead, |known| known.state)
    }

    fn update_state(&mut self, id: NodeId, now: SimTime) -> bool {
        let (alone, mine) = (self.nodes.len() == 1, id == self.me.id);
        let Detector { settings, nodes, failing_over, .. } = self;
        let Some(known) = nodes.get_mut(&id) else { return false };
        let dwell = settings.suspect + if mine { settings.suspect_self } else { std::time::Duration::ZERO };
        let next = if known.age > settings.failure_threshold {
            NodeState::Dead
        } else if known.failing_over || mine && *failing_over {
            NodeState::FailingOver
        } else {
            match known.state {
                _ if mine && alone => NodeState::Alive,
                NodeState::Dead if settings.suspect.is_zero() => NodeState::Alive,
                NodeState::Dead => NodeState::Suspect,
                NodeState::Suspect if now.saturating_since(known.suspected) >= dwell => NodeState::Alive,
                NodeState::Suspect => NodeState::Suspect,
                NodeState::Alive | NodeState::FailingOver => NodeState::Alive,
            }
        };
        let changed = known.state != next;
        if changed {
            if next == NodeState::Suspect {
                known.suspected = now;
            }
            known.state = next;
            let generation = known.generation;
            self.changed.push((Generation { id, generation }, next));
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> SimTime {
        SimTime::from(Duration::from_millis(millis))
    }

    fn one(id: u32, generation: u32) -> Generation {
        Generation { id: NodeId(id), generation }
    }

    fn two_nodes() -> NodesConfiguration {
        let mut nodes = NodesConfiguration::first("c", "node-1");
        nodes.join("node-2");
        nodes
    }

    /// What node-2 gossips in a round.
    fn news(generation: u32) -> Gossip {
        let mut sender = Detector::new(one(2, generation), GossipSettings::default(), at(0));
        sender.refresh(&two_nodes());
        sender.message(at(0), None, Versions::default())
    }

    /// Runs node-1's detector with the messages of node-2 at these ticks, and gives the times of node-2's changes.
    fn changes(ticks: std::ops::Range<u64>, heard: impl Fn(u64) -> Option<Gossip>) -> Vec<(u64, NodeState)> {
        let mut detector = Detector::new(one(1, 1), GossipSettings::default(), at(0));
        detector.refresh(&two_nodes());
        let mut changes = Vec::new();
        for tick in ticks {
            if let Some(gossip) = heard(tick) {
                detector.receive(&gossip, at(100 * tick));
            }
            detector.tick(at(100 * tick));
            let of_node_2 = detector.changes().into_iter().filter(|(node, _)| node.id == NodeId(2));
            changes.extend(of_node_2.map(|(_, state)| (100 * tick, state)));
        }
        changes
    }

    /// Three messages until it judges, 5 s of suspicion; the tick of the last message, at 7 s, is the first without news, and the 11th is one too many.
    #[test]
    fn a_node_is_suspect_then_alive_and_dead_without_gossip() {
        let states = changes(1..100, |tick| (tick <= 70).then(|| news(1)));
        assert_eq!(states, [(300, NodeState::Suspect), (5_300, NodeState::Alive), (8_000, NodeState::Dead)]);
    }

    /// A new life begins as dead, whatever the old one was.
    #[test]
    fn a_restarted_node_is_dead_then_suspect_again() {
        let states = changes(1..120, |tick| Some(news(if tick < 60 { 1 } else { 2 })));
        let expected = [
            (300, NodeState::Suspect),
            (5_300, NodeState::Alive),
            (6_000, NodeState::Suspect),
            (11_000, NodeState::Alive),
        ];
        assert_eq!(states, expected);
    }

    /// Alone in its cluster, a node is alive with its first tick.
    #[test]
    fn a_node_alone_in_its_cluster_is_alive_at_once() {
        let mut detector = Detector::new(one(1, 1), GossipSettings::default(), at(0));
        detector.refresh(&NodesConfiguration::first("c", "node-1"));
        assert!(detector.tick(at(100)).changed);
        assert_eq!(detector.changes(), [(one(1, 1), NodeState::Alive)]);
    }

    /// A timer that has fired late makes the next one early, and the next round late: others hear of a node less often than its interval says.
    #[test]
    fn a_round_before_a_full_interval_is_skipped() {
        let mut detector = Detector::new(one(1, 1), GossipSettings::default(), at(0));
        let mut round = |micros: u64| detector.tick(SimTime::from_nanos(1_000 * micros)).round;
        assert_eq!(
            [100_010, 200_020, 300_010, 400_000, 500_000].map(&mut round),
            [true, true, false, true, true]
        );
    }

    /// Restate suspects its own node 600 ms longer.
    #[test]
    fn a_node_suspects_itself_600_ms_longer() {
        let mut detector = Detector::new(one(1, 1), GossipSettings::default(), at(0));
        detector.refresh(&two_nodes());
        let alive = (1..100).find(|tick| {
            detector.tick(at(100 * tick));
            detector.changes().contains(&(one(1, 1), NodeState::Alive))
        });
        assert_eq!(alive, Some(57));
    }
}
