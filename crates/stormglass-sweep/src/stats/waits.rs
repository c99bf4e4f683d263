//! Summary statistics of the waits of many runs.

use std::time::Duration;
use stormglass_core::{Length, Wait};

/// The waits of one name, over many runs and nodes.
#[derive(Clone, Debug, Default)]
pub struct WaitStats {
    lengths: Vec<Length>,
    exceeded: usize,
    deadline: Duration,
}

impl WaitStats {
    /// Adds a wait.
    pub fn add(&mut self, wait: &Wait) {
        self.lengths.push(wait.length);
        self.exceeded += usize::from(wait.exceeded());
        self.deadline = wait.deadline;
    }

    /// Returns the number of waits.
    pub fn count(&self) -> usize {
        self.lengths.len()
    }

    /// Returns the number of waits that were longer than their deadline.
    pub fn exceeded(&self) -> usize {
        self.exceeded
    }

    /// Returns the deadline of the last wait added.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Returns the number of censored observations: waits that did not end before their run did.
    pub fn censored(&self) -> usize {
        self.lengths.iter().filter(|length| matches!(length, Length::Censored(_))).count()
    }

    /// Returns the sample quantile: the smallest length that at least `per_mille` of a thousand
    /// waits do not exceed. Censored observations may be of any greater length; where the quantile
    /// depends on them it is a lower bound, their lengths and the observed ones taken together.
    /// `None` without waits.
    pub fn quantile(&self, per_mille: u32) -> Option<Length> {
        let mut lengths = self.lengths.clone();
        let rank = (lengths.len() * per_mille as usize).div_ceil(1_000).clamp(1, lengths.len().max(1));
        lengths.sort_by_key(|length| (matches!(length, Length::Censored(_)), length.duration()));
        let observed = lengths.get(rank - 1).copied()?;
        lengths.sort_by_key(|length| length.duration());
        match observed {
            Length::Observed(_) => Some(observed),
            Length::Censored(_) => Some(Length::Censored(lengths[rank - 1].duration())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stormglass_core::{EventId, SimTime};

    fn wait(length: Length) -> Wait {
        Wait {
            name: "admin".into(),
            node: "node-1".into(),
            began: SimTime::ZERO,
            deadline: Duration::from_secs(10),
            parameter: None,
            length,
            end: EventId::START,
        }
    }

    fn stats(lengths: impl IntoIterator<Item = Length>) -> WaitStats {
        let mut stats = WaitStats::default();
        lengths.into_iter().for_each(|length| stats.add(&wait(length)));
        stats
    }

    /// For waits of 1 to 20 s the median is the 10th and the 95th percentile the 19th; ten exceed
    /// 10 s.
    #[test]
    fn quantiles_are_ranks() {
        let stats = stats((1..=20).map(|s| Length::Observed(Duration::from_secs(s))));
        let at = |per_mille| stats.quantile(per_mille).unwrap().duration().as_secs();
        assert_eq!([at(0), at(500), at(950), at(1_000)], [1, 10, 19, 20]);
        assert_eq!(stats.exceeded(), 10);
    }

    #[test]
    fn a_quantile_with_censored_waits_is_a_lower_bound() {
        let stats =
            stats([Length::Censored(Duration::from_secs(5)), Length::Observed(Duration::from_secs(9))]);
        // The longest of both is at least 9 s. The shorter one is 9 s, if the other is longer.
        assert_eq!(stats.quantile(1_000), Some(Length::Censored(Duration::from_secs(9))));
        assert_eq!(stats.quantile(500), Some(Length::Observed(Duration::from_secs(9))));
        assert_eq!((stats.censored(), stats.exceeded()), (1, 0));
    }

    proptest! {
        #[test]
        fn quantiles_do_not_depend_on_the_order(mut lengths in prop::collection::vec(0u64..100, 1..40), per_mille in 0u32..=1_000) {
            let seconds = |lengths: &[u64]| stats(lengths.iter().map(|&s| Length::Observed(Duration::from_secs(s))));
            let forward = seconds(&lengths).quantile(per_mille);
            lengths.reverse();
            prop_assert_eq!(seconds(&lengths).quantile(per_mille), forward);
        }
    }
}
