//! Paired measurements: cases run in turn, round by round, and each ratio is computed within a
//! round, so that a change of the machine's speed affects both of its sides.

use comfy_table::{CellAlignment, Table, presets};
use std::time::{Duration, Instant};

/// A case to measure: a name, the number of units of work in one execution, and a function that
/// returns the time they took.
pub struct Case<'a> {
    name: &'a str,
    units: u64,
    run: Box<dyn Fn() -> Duration + 'a>,
}

impl<'a> Case<'a> {
    /// Creates a case whose whole execution is measured.
    pub fn new(name: &'a str, units: u64, run: impl Fn() + 'a) -> Case<'a> {
        Case::with_setup(name, units, move || timed(&run))
    }

    /// Creates a case that first prepares something, and returns the time of the rest.
    pub fn with_setup(name: &'a str, units: u64, run: impl Fn() -> Duration + 'a) -> Case<'a> {
        Case { name, units, run: Box::new(run) }
    }
}

/// Returns how long `work` takes.
pub fn timed(work: impl FnOnce()) -> Duration {
    let start = now();
    work();
    start.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]
fn now() -> Instant {
    Instant::now()
}

/// Executes all cases once without measuring, then `rounds` times in turn.
pub fn in_turn(rounds: usize, cases: &[Case]) -> Samples {
    let mut samples = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..=rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            let seconds = (case.run)().as_secs_f64() / case.units as f64;
            if round > 0 {
                samples.push(seconds);
            }
        }
    }
    Samples(cases.iter().map(|case| case.name.to_string()).zip(samples.into_iter().map(Series)).collect())
}

/// The samples of each case, by its name.
pub struct Samples(Vec<(String, Series)>);

impl Samples {
    /// Returns the samples of a case.
    ///
    /// # Panics
    ///
    /// If no case has this name.
    pub fn of(&self, name: &str) -> &Series {
        let found = self.0.iter().find(|(case, _)| case == name);
        &found.unwrap_or_else(|| panic!("no case is called {name}")).1
    }
}

/// Seconds for a unit of work, one sample for each round.
#[derive(Clone, Debug, PartialEq)]
pub struct Series(Vec<f64>);

impl Series {
    /// Returns the difference to `other`, round by round.
    pub fn minus(&self, other: &Series) -> Series {
        Series(self.0.iter().zip(&other.0).map(|(whole, part)| whole - part).collect())
    }

    /// Returns the time of this number of units.
    pub fn times(&self, count: f64) -> Series {
        Series(self.0.iter().map(|seconds| seconds * count).collect())
    }

    /// Returns the ratio to `reference`, round by round.
    fn over(&self, reference: &Series) -> Series {
        Series(self.0.iter().zip(&reference.0).map(|(value, reference)| value / reference).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
    }

    /// Returns the 95 % confidence interval of the median, whatever the distribution: from the k-th
    /// smallest to the k-th largest sample, where fewer than k of n fair coins show heads with a
    /// probability of at most 2.5 %. Below six samples there is no such k; then it is the range.
    fn interval(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let count = sorted.len();
        let mut probability = 0.5_f64.powi(count as i32);
        let (mut cumulated, mut cut) = (probability, 0);
        while cumulated <= 0.025 {
            cut += 1;
            probability *= (count - cut + 1) as f64 / cut as f64;
            cumulated += probability;
        }
        let skipped = usize::saturating_sub(cut, 1);
        (sorted[skipped], sorted[count - 1 - skipped])
    }
}

/// The table of ratios.
pub struct Ratios(Table);

impl Default for Ratios {
    fn default() -> Ratios {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "measured",
            "reference",
            "ratio",
            "95 % CI",
            "time",
            "reference time",
            "per second",
        ]);
        Ratios(table)
    }
}

impl Ratios {
    /// Adds the ratio of `value` to `reference`. Below 1, `value` is cheaper.
    pub fn add(&mut self, what: &str, value: &Series, reference_name: &str, reference: &Series) {
        let ratio = value.over(reference);
        let (low, high) = ratio.interval();
        let seconds = value.median();
        self.0.add_row([
            what.to_string(),
            reference_name.to_string(),
            significant(ratio.median()),
            format!("{} to {}", significant(low), significant(high)),
            duration(seconds),
            duration(reference.median()),
            significant(1.0 / seconds),
        ]);
    }
}

impl std::fmt::Display for Ratios {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        let mut table = self.0.clone();
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(formatter, "{table}")
    }
}

/// Formats a number with three significant digits if it is at least 0.001, and without decimals
/// from 100 on.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size < 0.01 => format!("{value:.5}"),
        size if size < 0.1 => format!("{value:.4}"),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn duration(seconds: f64) -> String {
    let (scale, unit) = match seconds.abs() {
        size if size < 1e-6 => (1e9, "ns"),
        size if size < 1e-3 => (1e6, "us"),
        size if size < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    format!("{} {unit}", significant(seconds * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_taken_within_each_round() {
        // The machine is twice as slow in the second round, and ten times as slow in the third.
        let (value, reference) = (Series(vec![3.0, 6.0, 30.0]), Series(vec![2.0, 4.0, 20.0]));
        assert_eq!(value.over(&reference), Series(vec![1.5, 1.5, 1.5]));
    }

    #[test]
    fn median_interval_follows_the_binomial_distribution() {
        let series = |count: u32| Series((1..=count).map(f64::from).collect());
        // 1 of 32 is more than 2.5 %: the range.
        assert_eq!(series(5).interval(), (1.0, 5.0));
        // 1 of 64 is less.
        assert_eq!(series(6).interval(), (1.0, 6.0));
        // Up to 5 heads of 20 coins: 2.07 %; up to 6: 5.8 %. From the sixth to the fifteenth, as
        // tables of the sign test have it.
        assert_eq!(series(20).interval(), (6.0, 15.0));
        assert_eq!(series(20).median(), 10.5);
    }
}
