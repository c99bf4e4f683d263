//! Two runs with the same seed are equal, and planted nondeterminism is detected and classified.

use expect_test::expect;
use sim_restate::ColdStart;
use sim_tests::leaks::{Leak, Leaky};
use stormglass_core::{Keep, Seed};
use stormglass_sim::check::Suspect;
use stormglass_sim::{AnyScenario, Run, Settings, check};

fn run<'a>(scenario: &'a dyn AnyScenario, sets: &[(&str, &str)], seed: u64) -> Run<'a> {
    let settings = Settings::resolve(scenario, None, "ci-disk", sets).unwrap();
    Run::new(scenario, settings, Seed(seed))
}

#[test]
fn cold_starts_do_not_diverge() {
    for (delay, failing) in [("0s", false), ("200ms", true)] {
        for seed in 0..10 {
            let (played, divergence) = check(&run(&ColdStart, &[("disk.sync.delay", delay)], seed));
            assert_eq!(divergence, None, "seed {seed} at {delay}");
            assert_eq!(
                !played.outcome.verdict.is_passed(),
                failing,
                "seed {seed} at {delay}: failing runs are compared too"
            );
        }
    }
}

/// The trace hashes of some seeds are the same in every build and process and on every machine. A
/// change of the model changes them on purpose; any other change breaks replay.
#[test]
fn trace_hashes_are_equal_in_every_build() {
    let hash = |delay: &str, seed: u64| {
        let played = run(&ColdStart, &[("disk.sync.delay", delay)], seed).play(Keep::Nothing);
        format!("{} {}", played.outcome.events, played.outcome.trace_hash)
    };
    let text: Vec<String> =
        [("0s", 0), ("0s", 1), ("200ms", 0), ("200ms", 1)].map(|(delay, seed)| hash(delay, seed)).into();
    expect![[r#"
        1436 2160f692398c56c3
        1477 98a492ce148fdc20
        2392 51293abde63d86ac
        1834 d3330784437f41e1"#]]
    .assert_eq(&text.join("\n"));
}

fn suspect(leak: Leak) -> Option<Suspect> {
    // One choice of eight coincides by chance; eight in a row do so once in 17 million pairs.
    let scenario = Leaky(leak);
    let (_, divergence) = check(&run(&scenario, &[], 1));
    divergence.map(|divergence| divergence.suspect)
}

#[test]
fn planted_nondeterminism_is_detected_and_classified() {
    assert_eq!(suspect(Leak::ThreadRng), Some(Suspect::Ambient));
    assert_eq!(suspect(Leak::UnbiasedSelect), Some(Suspect::Ambient));
    assert_eq!(suspect(Leak::HashMapOrder), Some(Suspect::HashOrder));
    assert_eq!(suspect(Leak::None), None);
}

/// The first difference is shown with both runs' events. Which key is first is random; everything
/// else is fixed.
#[test]
fn divergence_shows_the_events_of_both_runs() {
    let scenario = Leaky(Leak::HashMapOrder);
    let (_, divergence) = check(&run(&scenario, &[], 1));
    let divergence = divergence.unwrap();
    assert!((1..9).contains(&divergence.index), "{divergence}");
    let side = |text: &str| text.starts_with("0.001000s harness/scenario note \"chose ");
    assert!(
        side(&divergence.first) && side(&divergence.second) && divergence.first != divergence.second,
        "{divergence}"
    );
    assert!(divergence.to_string().starts_with("first difference at event "), "{divergence}");
}
