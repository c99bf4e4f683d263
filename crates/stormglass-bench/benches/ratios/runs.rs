//! The host time of runs of each shipped scenario, in units of a million madsim sleeps, and the
//! cost of keeping a run's events.

use crate::primitives::{self, SLEEPS};
use sim_restate::ColdStart;
use stormglass_bench::{Case, Ratios, in_turn};
use stormglass_core::{Keep, Seed};
use stormglass_sim::{AnyScenario, Run, Settings};

const ROUNDS: usize = 12;
/// Runs of a scenario in each round, with the same seeds in every round.
const RUNS: u64 = 5;
const MILLION: f64 = 1e6;

pub fn measure(ratios: &mut Ratios) {
    keeping_events(ratios);
    scenarios(ratios);
}

fn keeping_events(ratios: &mut Ratios) {
    // These runs are short.
    const RUNS: u64 = 30;
    let settings = Settings::resolve(&ColdStart, None, "ci-disk", &[("disk.sync.delay", "200ms")])
        .expect("shipped model and profile are valid");
    let samples = in_turn(
        2 * ROUNDS,
        &[
            Case::new("hashed", RUNS, || play(&ColdStart, &settings, RUNS, Keep::Nothing)),
            Case::new("kept", RUNS, || play(&ColdStart, &settings, RUNS, Keep::Events)),
        ],
    );
    ratios.add("cold-start, events kept", samples.of("kept"), "events hashed only", samples.of("hashed"));
}

fn scenarios(ratios: &mut Ratios) {
    let scenarios = sim_restate::scenarios();
    let with_settings: Vec<(&dyn AnyScenario, Settings)> = scenarios
        .iter()
        .map(|scenario| {
            let settings = Settings::resolve(&**scenario, None, "quiet", &[]);
            (&**scenario, settings.expect("shipped model and profile are valid"))
        })
        .collect();
    let sleeps = Case::new("sleeps", 1, primitives::sleeps);
    let runs = with_settings.iter().map(|(scenario, settings)| {
        Case::new(scenario.name(), RUNS, || play(*scenario, settings, RUNS, Keep::Nothing))
    });
    let cases: Vec<Case> = std::iter::once(sleeps).chain(runs).collect();
    let samples = in_turn(ROUNDS, &cases);
    let million_sleeps = samples.of("sleeps").times(MILLION / SLEEPS as f64);
    for (scenario, _) in &with_settings {
        let name = scenario.name();
        ratios.add(&format!("run of {name}"), samples.of(name), "1,000,000 madsim sleeps", &million_sleeps);
    }
}

/// Plays the seeds from 0.
fn play(scenario: &dyn AnyScenario, settings: &Settings, runs: u64, keep: Keep) {
    for seed in 0..runs {
        Run::new(scenario, settings.clone(), Seed(seed)).play(keep);
    }
}
