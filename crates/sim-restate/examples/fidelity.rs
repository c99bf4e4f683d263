//! Prints the tables real against simulated that `docs/fidelity.md` keeps.

use sim_restate::fidelity::{self, trim_gap};

fn main() {
    print!("{}", fidelity::table(&fidelity::compare(200)));
    print!("\n{}", trim_gap::table(&trim_gap::compare(200)));
}
