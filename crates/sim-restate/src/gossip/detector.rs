//! The rules of the failure detector, without clock or network.
//!
//! ```text
//!                 news of it            after the suspect interval
//!   DEAD ─────────────────────► SUSPECT ─────────────────────────► ALIVE
//!    ▲ ◄──────────────────────────┘ ◄───────────────────────────────┘ │ it shuts down
//!    │             no news for more than the threshold                ▼
//!    └──────────────────────────────────────────────────────────── FAILING OVER
//! ```
//!
//! A node's age is the number of ticks since any node last received a message from it. Ages travel
//! with the gossip, so news of a node also reach nodes that it has sent nothing to. A node that is
//! alone in its cluster is alive at once.

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
    /// The node that sends it.
    pub sender: Generation,
    /// What the message says about its sender alone, if that is all it says.
    pub special: Option<Special>,
    /// Whether the sender has received no message for longer than the loneliness threshold.
    pub lonely: bool,
    /// The sender's view of the nodes.
    pub nodes: Arc<[GossipNode]>,
    /// The sender's view of partitions, in every n-th message.
    pub extras: Option<Arc<PartitionViews>>,
    /// The sender's versions of the cluster's documents.
    pub versions: Versions,
}

/// A message about its sender alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// The node starts.
    BringUp,
    /// The node has started.
    ReadyToServe,
    /// The node shuts down.
    FailingOver,
}

/// The result of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Whether a round of gossip is due.
    pub round: bool,
    /// Whether a node's state has changed.
    pub changed: bool,
}

/// A node in a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipNode {
    /// The node, in this generation.
    pub node: Generation,
    /// The number of ticks since any node last received a message from it.
    pub age: u32,
    /// Whether it is shutting down.
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

    /// Forgets what was known of an older generation. Returns whether `generation` is newer.
    fn reset(&mut self, generation: u32) -> bool {
        let newer = generation > self.generation;
        if newer {
            *self = Known::new(generation);
        }
        newer
    }
}

/// The rules of a node's failure detector.
#[derive(Debug)]
pub struct Detector {
    me: Generation,
    settings: GossipSettings,
    nodes: BTreeMap<NodeId, Known>,
    /// The nodes in the configuration: only these are in messages.
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
    /// Returns a detector that knows its own node alone.
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

    /// Adds the nodes of a newer configuration.
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

    /// Returns the other nodes.
    pub fn peers(&self) -> Vec<NodeId> {
        self.configured.iter().copied().filter(|&id| id != self.me.id).collect()
    }

    /// Adopts the view of another node, as long as this one has none of its own. Returns whether
    /// it did.
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

    /// Handles a tick of the timer. A round of gossip is due if a full interval has passed since
    /// the last one, to the nanosecond: when a timer fires a little less late than the last time,
    /// the round is skipped, as Restate does.
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

    /// Handles a message. Returns whether a node's state has changed.
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

    /// Returns the message of this round.
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

    /// Returns whether this round's message is to contain the view of partitions.
    pub fn wants_extras(&mut self) -> bool {
        let due = self.since_extras >= self.settings.extras_every && self.configured.len() > 1;
        self.since_extras = if due { 0 } else { self.since_extras.saturating_add(1) };
        due
    }

    /// Draws the nodes that get this round's message.
    pub fn targets(&self, chance: &mut Stream) -> Vec<NodeId> {
        let mut others = self.peers();
        let mut targets = Vec::new();
        while !others.is_empty() && targets.len() < self.settings.peers as usize {
            targets.push(others.swap_remove(chance.below(others.len() as u64) as usize));
        }
        targets
    }

    /// Marks this node as shutting down in all later messages.
    pub fn fail_over(&mut self) {
        self.failing_over = true;
    }

    /// Returns the states of all nodes.
    pub fn seen(&self) -> BTreeMap<NodeId, NodeLiveness> {
        let seen = |known: &Known| NodeLiveness { generation: known.generation, state: known.state };
        self.nodes.iter().map(|(&id, known)| (id, seen(known))).collect()
    }

    /// Returns the changes of states since the last call.
    pub fn changes(&mut self) -> Vec<(Generation, NodeState)> {
        std::mem::take(&mut self.changed)
    }

    /// Returns whether it has received enough messages to change the states of other nodes.
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

    /// Returns the message of node-2 in a round.
    fn gossip_of_node_2(generation: u32) -> Gossip {
        let mut sender = Detector::new(one(2, generation), GossipSettings::default(), at(0));
        sender.refresh(&two_nodes());
        sender.message(at(0), None, Versions::default())
    }

    /// Runs node-1's detector with the messages of node-2 at these ticks, and returns the times of
    /// node-2's changes.
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

    /// Three messages until node-1 changes states, 5 s as suspect; the tick of the last message,
    /// at 7 s, is the first without news, and the 11th is one more than the threshold.
    #[test]
    fn a_node_is_suspect_then_alive_and_dead_without_gossip() {
        let states = changes(1..100, |tick| (tick <= 70).then(|| gossip_of_node_2(1)));
        assert_eq!(states, [(300, NodeState::Suspect), (5_300, NodeState::Alive), (8_000, NodeState::Dead)]);
    }

    /// A new generation begins as dead, whatever the state of the old one was.
    #[test]
    fn a_restarted_node_is_dead_then_suspect_again() {
        let states = changes(1..120, |tick| Some(gossip_of_node_2(if tick < 60 { 1 } else { 2 })));
        let expected = [
            (300, NodeState::Suspect),
            (5_300, NodeState::Alive),
            (6_000, NodeState::Suspect),
            (11_000, NodeState::Alive),
        ];
        assert_eq!(states, expected);
    }

    /// A node that is alone in its cluster is alive with its first tick.
    #[test]
    fn a_node_alone_in_its_cluster_is_alive_at_once() {
        let mut detector = Detector::new(one(1, 1), GossipSettings::default(), at(0));
        detector.refresh(&NodesConfiguration::first("c", "node-1"));
        assert!(detector.tick(at(100)).changed);
        assert_eq!(detector.changes(), [(one(1, 1), NodeState::Alive)]);
    }

    /// After a tick that fired late, the next one can come less than an interval later; its round
    /// is skipped. So nodes receive gossip less often than the interval says.
    #[test]
    fn a_round_before_a_full_interval_is_skipped() {
        let mut detector = Detector::new(one(1, 1), GossipSettings::default(), at(0));
        let mut round = |micros: u64| detector.tick(SimTime::from_nanos(1_000 * micros)).round;
        assert_eq!(
            [100_010, 200_020, 300_010, 400_000, 500_000].map(&mut round),
            [true, true, false, true, true]
        );
    }

    /// Restate's nodes suspect themselves 600 ms longer than others.
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
