//! Benchmarks of primitives and runs, as ratios to a reference in the same process.

mod hosting;
mod messages;
mod operations;
mod primitives;
mod runs;

use stormglass_bench::Ratios;

fn main() {
    // `cargo test` and `--list` call the binary without the flag `--bench`.
    let arguments: Vec<String> = std::env::args().collect();
    let is_asked_for = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if !is_asked_for("--bench") || is_asked_for("--test") || is_asked_for("--list") {
        println!("0 tests: run the benchmarks with `scripts/bench`");
        return;
    }
    let mut ratios = Ratios::default();
    primitives::measure(&mut ratios);
    messages::measure(&mut ratios);
    hosting::measure(&mut ratios);
    operations::measure(&mut ratios);
    runs::measure(&mut ratios);
    print!("{ratios}");
}
