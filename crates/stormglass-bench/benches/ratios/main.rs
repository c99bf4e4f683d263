//! Benchmarks of primitives and runs, as ratios to a reference in the same process.

mod hosting;
mod messages;
mod operations;
mod primitives;
mod rules;
mod runs;

use stormglass_bench::Ratios;

type Measure = fn(&mut Ratios);

fn main() {
    // `cargo test` and `--list` call the binary without the flag `--bench`.
    let arguments: Vec<String> = std::env::args().collect();
    let is_asked_for = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if !is_asked_for("--bench") || is_asked_for("--test") || is_asked_for("--list") {
        println!("0 tests: run the benchmarks with `scripts/bench`");
        return;
    }
    // Names of groups measure only these.
    let groups: Vec<&String> = arguments[1..].iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut ratios = Ratios::default();
    let all: [(&str, Measure); 6] = [
        ("primitives", primitives::measure),
        ("messages", messages::measure),
        ("hosting", hosting::measure),
        ("operations", operations::measure),
        ("rules", rules::measure),
        ("runs", runs::measure),
    ];
    for (name, measure) in all {
        if groups.is_empty() || groups.iter().any(|group| *group == name) {
            measure(&mut ratios);
        }
    }
    print!("{ratios}");
}
