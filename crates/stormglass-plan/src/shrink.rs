//! Shrinking: finds the smallest plan with which a run still fails.

use crate::fault::Fault;
use std::time::Duration;

/// The result of shrinking.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// The remaining faults: if any one of them is removed and the rest stay, the run does not
    /// fail in this way.
    pub faults: Vec<Fault>,
    /// The number of plans that were tried.
    pub tried: u64,
}

/// Searches for the smallest list of faults for which `fails` still returns `true`: first with
/// fewer faults (delta debugging: Zeller and Hildebrandt, "Simplifying and Isolating
/// Failure-Inducing Input", IEEE TSE 2002), then with shorter faults that begin at rounder times.
/// `fails` must be deterministic.
///
/// ```
/// use std::time::Duration;
/// use stormglass_plan::{Fault, OneShot, shrink};
///
/// let kill = |second, node: &str| {
///     Fault::new(Duration::from_secs(second), Duration::from_secs(4), OneShot::Kill { node: node.into() })
/// };
/// let all: Vec<Fault> = (0..20).map(|second| kill(second, if second % 7 == 3 { "node-1" } else { "node-2" })).collect();
/// // Two kills of node-1, 2 s each, are what it takes.
/// let fails = |faults: &[Fault]| {
///     let counts = |fault: &&Fault| fault.kind == OneShot::Kill { node: "node-1".into() }.into() && fault.lasts >= Some(Duration::from_secs(2));
///     faults.iter().filter(counts).count() >= 2
/// };
/// let shrunk = shrink(&all, fails);
/// assert_eq!(shrunk.faults.len(), 2);
/// assert!(shrunk.faults.iter().all(|fault| fault.lasts == Some(Duration::from_secs(2))));
/// assert!(shrunk.tried < 100);
/// ```
///
/// # Panics
///
/// Panics if `fails` returns `false` for the given list.
pub fn shrink(faults: &[Fault], fails: impl FnMut(&[Fault]) -> bool) -> Shrunk {
    let mut search = Search { fails, tried: 0 };
    assert!(search.fails(faults), "a plan that fails nothing has nothing to shrink");
    let mut faults = search.fewer(faults.to_vec());
    for index in 0..faults.len() {
        search.plainer(&mut faults, index);
    }
    Shrunk { faults, tried: search.tried }
}

struct Search<F> {
    fails: F,
    tried: u64,
}

impl<F: FnMut(&[Fault]) -> bool> Search<F> {
    fn fails(&mut self, faults: &[Fault]) -> bool {
        self.tried += 1;
        (self.fails)(faults)
    }

    /// Removes faults in parts, whose size is halved until each part is a single fault.
    fn fewer(&mut self, mut faults: Vec<Fault>) -> Vec<Fault> {
        if faults.is_empty() || self.fails(&[]) {
            return Vec::new();
        }
        let mut parts = 2;
        while faults.len() > 1 {
            let size = faults.len().div_ceil(parts);
            let without = (0..faults.len()).step_by(size).find_map(|start| {
                let end = (start + size).min(faults.len());
                let rest = [&faults[..start], &faults[end..]].concat();
                (!rest.is_empty() && self.fails(&rest)).then_some(rest)
            });
            match without {
                Some(rest) => {
                    faults = rest;
                    parts = (parts - 1).max(2);
                }
                None if size == 1 => break,
                None => parts = (parts * 2).min(faults.len()),
            }
        }
        faults
    }

    /// Makes one fault shorter, and rounds its start time down.
    fn plainer(&mut self, faults: &mut [Fault], index: usize) {
        while let Some(lasts) = faults[index].lasts
            && let half = Duration::from_millis(lasts.as_millis() as u64 / 2)
            && !half.is_zero()
            && self.holds_with(faults, index, |fault| fault.lasts = Some(half))
        {}
        for grain in [Duration::from_secs(1), Duration::from_millis(100), Duration::from_millis(10)] {
            let at = faults[index].at;
            let into = Duration::from_nanos((at.as_nanos() % grain.as_nanos()) as u64);
            if into.is_zero() || self.holds_with(faults, index, |fault| fault.at = at - into) {
                break;
            }
        }
    }

    /// Applies the change, and reverts it if the list no longer fails.
    fn holds_with(&mut self, faults: &mut [Fault], index: usize, change: impl FnOnce(&mut Fault)) -> bool {
        let before = faults[index].clone();
        change(&mut faults[index]);
        let holds = self.fails(faults);
        if !holds {
            faults[index] = before;
        }
        holds
    }
}
