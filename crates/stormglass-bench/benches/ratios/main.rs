//! What primitives and runs cost, as ratios to a reference in the same run.

mod messages;
mod operations;
mod primitives;
mod runs;

use stormglass_bench::Ratios;

fn main() {
    // As a test, or to be listed, it is called without this flag of `cargo bench`.
    let arguments: Vec<String> = std::env::args().collect();
    let is_asked_for = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if !is_asked_for("--bench") || is_asked_for("--test") || is_asked_for("--list") {
        println!("0 tests: `scripts/bench` measures");
        return;
    }
    let mut ratios = Ratios::default();
    primitives::measure(&mut ratios);
    messages::measure(&mut ratios);
    operations::measure(&mut ratios);
    runs::measure(&mut ratios);
    print!("{ratios}");
}
