//! Strategies for parameters and profiles: the values as the command line writes them.

use ::proptest::option::weighted;
use ::proptest::prelude::*;
use ::proptest::sample::select;
use std::ops::RangeInclusive;

/// Values of parameters: keys and values as `--set` takes them.
pub type Assignments = Vec<(String, String)>;

/// A profile's name, with values of some of its parameters.
pub type Profile = (String, Assignments);

/// Returns a strategy for values of these parameters. Each keeps its default in three of ten cases,
/// and shrinks to it.
///
/// ```
/// use proptest::prelude::*;
/// use stormglass::proptest::{parameter, parameters};
///
/// let parameters = parameters([
///     ("chaos.clients", parameter::integers(1..=5)),
///     ("raft.tick-interval", parameter::durations(10..=500)),
/// ]);
/// proptest!(|(assignments in parameters)| prop_assert!(assignments.len() <= 2));
/// ```
pub fn parameters<const N: usize>(
    keys: [(&str, BoxedStrategy<String>); N],
) -> impl Strategy<Value = Assignments> + use<N> {
    optional(0.7, keys.map(|(key, values)| (key.to_string(), values)).into())
}

/// Returns a strategy for these profiles, shipped names or files, in which some latencies of disks
/// and links and the speed of CPUs are others: each in one of four cases. It shrinks to the first
/// profile as it is.
pub fn profiles(names: &[&str]) -> impl Strategy<Value = Profile> + use<> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let keys = vec![
        ("disk.sync.latency".to_string(), latencies(20)),
        ("disk.write.latency".to_string(), latencies(2)),
        ("net.link.latency".to_string(), latencies(50)),
        ("net.loopback.latency".to_string(), latencies(5)),
        ("cpu.slowdown".to_string(), select(vec!["0.5", "2.0", "4.0"]).prop_map(String::from).boxed()),
    ];
    (select(names), optional(0.25, keys))
}

fn optional(
    share: f64,
    keys: Vec<(String, BoxedStrategy<String>)>,
) -> impl Strategy<Value = Assignments> + use<> {
    let assignment = |(key, values): (String, BoxedStrategy<String>)| {
        weighted(share, values.prop_map(move |value| (key.clone(), value))).boxed()
    };
    let all: Vec<_> = keys.into_iter().map(assignment).collect();
    all.prop_map(|assignments| assignments.into_iter().flatten().collect())
}

/// Returns a strategy for whole numbers.
pub fn integers(range: RangeInclusive<i64>) -> BoxedStrategy<String> {
    range.prop_map(|number| number.to_string()).boxed()
}

/// Returns a strategy for durations of a whole number of milliseconds.
pub fn durations(millis: RangeInclusive<u64>) -> BoxedStrategy<String> {
    millis.prop_map(|millis| format!("{millis}ms")).boxed()
}

/// Returns a strategy for `true` and `false`.
pub fn flags() -> BoxedStrategy<String> {
    any::<bool>().prop_map(|flag| flag.to_string()).boxed()
}

/// Returns a strategy for one of these values, such as the names of variants.
///
/// # Panics
///
/// Panics if there are none.
pub fn one_of(values: &[&str]) -> BoxedStrategy<String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    assert!(!values.is_empty(), "a parameter has one value or more");
    select(values).boxed()
}

/// Returns a strategy for latencies of up to about this many milliseconds: constant, uniform,
/// exponential and log-normal ones.
pub fn latencies(longest_millis: u64) -> BoxedStrategy<String> {
    let micros = 1..=longest_millis.max(1) * 1_000;
    prop_oneof![
        micros.clone().prop_map(|value| format!("{value}us")),
        micros.clone().prop_map(|max| format!("{{ uniform = {{ min = '0s', max = '{max}us' }} }}")),
        micros.clone().prop_map(|mean| {
            format!("{{ exponential = {{ mean = '{mean}us', max = '{}us' }} }}", 10 * mean)
        }),
        micros.prop_map(|median| {
            format!("{{ log-normal = {{ median = '{median}us', sigma = 0.8, max = '{}us' }} }}", 20 * median)
        }),
    ]
    .boxed()
}
