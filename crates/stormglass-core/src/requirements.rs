//! What a scenario requires to happen, and what has happened of it: plain data.

use crate::outcome::TooFew;
use crate::time::SimTime;
use crate::wait::Wait;
use std::collections::BTreeMap;

/// What a scenario requires to happen, and what has happened of it.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    /// The least number of waits and checks of a name.
    at_least: BTreeMap<String, u64>,
    /// How many checks of a name there were.
    checks: BTreeMap<String, u64>,
    /// Whether a property held that has to hold in one of many runs.
    pub sometimes: BTreeMap<String, bool>,
    /// The clients that were killed, with the time.
    killed: Vec<(String, SimTime)>,
}

impl Requirements {
    /// Requires this many waits and checks of a name; of several numbers the largest.
    pub fn require(&mut self, count: u64, name: &str) {
        let required = self.at_least.entry(name.into()).or_default();
        *required = count.max(*required);
    }

    /// Counts a check.
    pub fn add_check(&mut self, name: &str) {
        match self.checks.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.checks.insert(name.into(), 1)),
        }
    }

    /// Returns whether the property holds for the first time in this run.
    pub fn add_sometimes(&mut self, property: &str, holds: bool) -> bool {
        match self.sometimes.get_mut(property) {
            Some(held) => holds && !std::mem::replace(held, true),
            None => {
                self.sometimes.insert(property.into(), holds);
                holds
            }
        }
    }

    /// Records that a client was killed, which does not start again.
    pub fn add_killed(&mut self, node: &str, at: SimTime) {
        self.killed.push((node.into(), at));
    }

    /// Returns the first requirement, in the order of names, that the run did not meet. `down` are
    /// the nodes that a fault keeps down.
    pub fn too_few(&self, waits: &[Wait], down: &[String]) -> Option<TooFew> {
        let count = |name: &String| {
            let began = waits.iter().filter(|wait| wait.name == *name).count() as u64;
            began + self.checks.get(name).copied().unwrap_or_default()
        };
        let (name, &at_least) = self.at_least.iter().find(|&(name, &least)| count(name) < least)?;
        let killed = self.killed.iter().map(|(node, at)| format!("{node} at {at}"));
        let killed = killed.chain(down.iter().cloned()).collect();
        Some(TooFew { name: name.clone(), count: count(name), at_least, killed })
    }
}
