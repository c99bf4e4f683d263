//! Prints the tables real against simulated that `docs/fidelity.md` keeps.

use sim_restate::fidelity::{self, trim_gap};

/// Runs of each condition, unless the first argument says otherwise.
const RUNS: u64 = 200;

fn main() {
    let runs =
        std::env::args().nth(1).map_or(RUNS, |runs| runs.parse().expect("the argument is a number of runs"));
    print!("{}", fidelity::table(&fidelity::compare(runs)));
    print!("\n{}", trim_gap::table(&trim_gap::compare(runs)));
}
