//! A proptest strategy that generates plans. proptest shrinks them to fewer, earlier and shorter
//! faults.

use crate::fault::Fault;
use crate::plan::Plan;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::Range;
use std::time::Duration;
use stormglass_core::Latency;
use stormglass_core::fault::{DiskFault, FaultKind, LinkFault, Loss, OneShot, Pattern};

/// Returns a strategy for plans with a number of faults in the range `count` on these nodes, each
/// of which begins `within` this time and lasts up to `longest`: kills, power losses, pauses,
/// cuts, lossy and slow links, slow disks.
///
/// ```
/// use proptest::prelude::*;
/// use std::time::Duration;
/// use stormglass_plan::strategy::plans;
///
/// let plans = plans(&["node-1", "node-2"], 0..5, Duration::from_secs(30), Duration::from_secs(2));
/// proptest!(|(plan in plans)| {
///     prop_assert!(plan.check().is_ok());
///     prop_assert!(plan.written.len() < 5);
/// });
/// ```
///
/// # Panics
///
/// Panics if there are no nodes, or if either time is below 1 ms.
pub fn plans(
    nodes: &[&str],
    count: Range<usize>,
    within: Duration,
    longest: Duration,
) -> impl Strategy<Value = Plan> + use<> {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    vec(faults(nodes, within, longest), count).prop_map(|mut faults| {
        faults.sort_by_key(|fault| fault.at);
        Plan::of(faults)
    })
}

fn faults(nodes: Vec<String>, within: Duration, longest: Duration) -> impl Strategy<Value = Fault> {
    let millis = |most: Duration| {
        let most = most.as_millis() as u64;
        assert!(most > 0, "a time of 1 ms or more");
        (1..=most).prop_map(Duration::from_millis)
    };
    (millis(within), millis(longest), kinds(nodes)).prop_map(|(at, lasts, kind)| Fault::new(at, lasts, kind))
}

fn kinds(nodes: Vec<String>) -> impl Strategy<Value = FaultKind> {
    let node = || select(nodes.clone()).prop_map(Pattern::from);
    let pair = (node(), node());
    let loss = select(Loss::ALL.to_vec());
    let all = || Pattern::from("*");
    prop_oneof![
        node().prop_map(|node| OneShot::Pause { node }.into()),
        node().prop_map(|node| OneShot::Kill { node }.into()),
        (node(), loss).prop_map(|(node, loss)| OneShot::PowerLoss { node, loss }.into()),
        (pair, any::<bool>()).prop_map(|((from, to), one_way)| LinkFault::Cut { from, to, one_way }.into()),
        (node(), 1..=50u8).prop_map(move |(from, percent)| {
            let probability = f64::from(percent) / 100.0;
            LinkFault::LossyLink { from, to: all(), one_way: false, probability }.into()
        }),
        (node(), 1..=300u64).prop_map(move |(from, millis)| {
            let by = Latency::from_millis(millis);
            LinkFault::SlowLink { from, to: all(), one_way: false, by }.into()
        }),
        (node(), 2..=50u8)
            .prop_map(|(node, factor)| DiskFault::SlowDisk { node, factor: f64::from(factor) }.into()),
    ]
}
