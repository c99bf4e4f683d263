//! From a plan that fails a run to the smallest one that does.

use crate::fault::Fault;
use std::time::Duration;

/// What shrinking found.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// The faults that are left: without any one of them, all else being equal, the run does not fail so.
    pub faults: Vec<Fault>,
    /// How many plans were tried.
    pub tried: u64,
}

/// Looks for the smallest list of faults that still `fails`: first with fewer faults (delta debugging: Zeller and Hildebrandt, "Simplifying and Isolating
/// Failure-Inducing Input", IEEE TSE 2002), then with shorter and rounder ones. `fails` must say the same of the same list.
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
/// When the list that is given does not fail.
pub fn shrink(faults: &[Fault], fails: impl FnMut(&[Fault]) -> bool) -> Shrunk {
    let mut search = Search { fails, tried: 0 };
    assert!(search.fails(faults), "a plan that fails nothing has nothing to shrink");
    let mut faults = search.fewer(faults.to_vec());
    for place in 0..faults.len() {
        search.plainer(&mut faults, place);
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

    /// Leaves out more and more, in parts that are halved until each is a single fault.
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

    /// Makes one of them shorter, and its beginning rounder.
    fn plainer(&mut self, faults: &mut [Fault], place: usize) {
        while let Some(lasts) = faults[place].lasts
            && let half = Duration::from_millis(lasts.as_millis() as u64 / 2)
            && !half.is_zero()
            && self.holds_with(faults, place, |fault| fault.lasts = Some(half))
        {}
        for grain in [Duration::from_secs(1), Duration::from_millis(100), Duration::from_millis(10)] {
            let at = faults[place].at;
            let into = Duration::from_nanos((at.as_nanos() % grain.as_nanos()) as u64);
            if into.is_zero() || self.holds_with(faults, place, |fault| fault.at = at - into) {
                break;
            }
        }
    }

    /// Keeps the change if the list fails with it, too.
    fn holds_with(&mut self, faults: &mut [Fault], place: usize, change: impl FnOnce(&mut Fault)) -> bool {
        let before = faults[place].clone();
        change(&mut faults[place]);
        let holds = self.fails(faults);
        if !holds {
            faults[place] = before;
        }
        holds
    }
}
