//! Properties that have to hold in at least one of many runs.

use std::collections::BTreeMap;
use std::fmt;
use stormglass_core::Outcome;

/// In how many of the runs played each property held that has to hold in at least one of them
/// ([`Outcome::sometimes`]).
///
/// Its text has a line for each property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sometimes {
    runs: u64,
    held: BTreeMap<String, u64>,
}

impl Sometimes {
    /// Adds the outcome of a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        for (property, &holds) in &outcome.sometimes {
            match self.held.get_mut(property) {
                Some(held) => *held += u64::from(holds),
                None => drop(self.held.insert(property.clone(), u64::from(holds))),
            }
        }
    }

    /// Adds the counts of other runs.
    pub fn merge(&mut self, other: &Sometimes) {
        self.runs += other.runs;
        for (property, held) in &other.held {
            *self.held.entry(property.clone()).or_default() += held;
        }
    }

    /// Returns the number of runs in which each property held.
    pub fn held(&self) -> &BTreeMap<String, u64> {
        &self.held
    }

    /// Returns the properties that held in no run. Of one run nothing is required.
    pub fn never(&self) -> impl Iterator<Item = &str> {
        let is_never = |held: &u64| self.runs > 1 && *held == 0;
        self.held.iter().filter(move |(_, held)| is_never(held)).map(|(property, _)| property.as_str())
    }
}

impl fmt::Display for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.runs;
        self.held.iter().try_for_each(|(property, held)| match held {
            0 if runs > 1 => writeln!(f, "never {property}: it has to hold in at least one of {runs} runs"),
            _ => writeln!(f, "sometimes {property}: in {held} of {runs} runs"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::{SimTime, TraceHash, Verdict};

    fn outcome(retried: bool) -> Outcome {
        Outcome {
            verdict: Verdict::Passed,
            waits: Vec::new(),
            counters: BTreeMap::new(),
            events: 0,
            trace_hash: TraceHash::EMPTY,
            ended: SimTime::ZERO,
            sometimes: [("a retry".to_string(), retried), ("a lost leader".to_string(), false)].into(),
            too_few: None,
        }
    }

    #[test]
    fn a_property_that_held_in_no_run_is_never() {
        let mut sometimes = Sometimes::default();
        sometimes.add(&outcome(false));
        assert_eq!(sometimes.never().count(), 0, "one run is not required to show anything");
        let mut others = Sometimes::default();
        [true, false].into_iter().for_each(|retried| others.add(&outcome(retried)));
        sometimes.merge(&others);
        assert_eq!(sometimes.never().collect::<Vec<_>>(), ["a lost leader"]);
        let expected = "never a lost leader: it has to hold in at least one of 3 runs\nsometimes a retry: in 1 of 3 runs\n";
        assert_eq!(sometimes.to_string(), expected);
    }
}
