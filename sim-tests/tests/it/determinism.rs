//! Two runs with the same seed are equal, and planted nondeterminism is detected and classified.

use expect_test::expect;
use sim_restate::ColdStart;
use sim_tests::leaks::{Leak, Leaky};
use stormglass_core::{Keep, Seed};
use stormglass_sim::check::{Cause, Difference, Divergence, What};
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
        2086 2bc6e75505d42270
        1834 242b21b3478af5ac"#]]
    .assert_eq(&text.join("\n"));
}

/// Checks a leak, in runs that count calls which leave the simulation.
fn divergence(leak: Leak) -> Option<Divergence> {
    check(&run(&Leaky(leak), &[("run.leaks", "count")], 1)).1
}

/// Returns the cause that the check names. One choice of four coincides by chance; eight in a row do
/// so once in 65,536 pairs.
fn cause(leak: Leak) -> Option<Cause> {
    let divergence = divergence(leak)?;
    let Difference { what, index, first, second, before, .. } = &divergence.difference;
    // The first event differs in one choice: after the note "before", and with a sleep between them.
    let is_choice = |text: &str| text.contains("note \"chose ") || text.contains("note \"violated");
    assert_eq!(*what, What::Event, "{leak:?}: {divergence}");
    assert!((1..10).contains(index) && is_choice(first) && is_choice(second), "{leak:?}: {divergence}");
    assert!(first != second && before.contains(" note \""), "{leak:?}: {divergence}");
    Some(divergence.cause)
}

#[test]
fn the_cause_of_a_planted_leak_is_the_right_one_or_unknown() {
    for leak in Leak::ALL {
        let cause = cause(leak);
        // A call that left the simulation before the difference, with its place in the source.
        let is_call = |function: &str, argument: &str| match &cause {
            Some(Cause::Calls(calls)) => calls.iter().any(|call| {
                call.contains(function)
                    && call.contains(argument)
                    && call.contains("leaks.rs:")
                    && call.contains("in task scenario on harness")
            }),
            _ => false,
        };
        let is_right = match leak {
            Leak::HashMapOrder => cause == Some(Cause::HashOrder),
            // Equal runs have equal addresses only if the allocator has them free.
            Leak::PointerHash => matches!(cause, Some(Cause::Address | Cause::Unknown)),
            Leak::UnbiasedSelect | Leak::FuturesSelect | Leak::Counter | Leak::Cycles => {
                cause == Some(Cause::Unknown)
            }
            Leak::RealFile => is_call("`std::fs::read`", "stormglass-leak-"),
            Leak::RealThread => is_call("`std::thread::", "pthread_create"),
            Leak::Environment => is_call("`std::env::set_var`", "STORMGLASS_LEAK"),
            Leak::HostedSelect | Leak::ThreadRng | Leak::Clocks | Leak::None => cause.is_none(),
        };
        assert!(is_right, "{leak:?}: {cause:?}");
    }
}

/// The default refuses what could be told apart only by its calls: both runs end alike, and say so.
#[test]
fn refused_leaks_do_not_diverge() {
    for (leak, call) in [
        (Leak::RealFile, "`std::fs::read` (open64 of /"),
        (Leak::RealThread, "(pthread_create) left the simulation"),
        (Leak::Environment, "`std::env::set_var` (setenv of STORMGLASS_LEAK) left the simulation"),
    ] {
        let (played, divergence) = check(&run(&Leaky(leak), &[], 1));
        assert_eq!(divergence, None, "{leak:?}");
        let verdict = played.outcome.verdict.to_string();
        assert!(verdict.contains(call) && verdict.contains("leaks.rs:"), "{verdict}");
    }
}

/// What depends on a counter that outlives the run, and shows in no event.
#[derive(Clone, Copy, Debug)]
enum Hidden {
    /// Which stream is drawn from.
    Draw,
    /// The name of a task.
    Name,
    /// The message of a panic.
    Outcome,
}

#[stormglass_sim::scenario(about = "depends on a counter in something that is no event")]
impl stormglass_sim::Scenario for Hidden {
    async fn play(&self, world: stormglass_sim::World) {
        static COUNTER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        world.note("before");
        match self {
            Hidden::Draw => drop(world.seed().stream(("coins", count)).draw().to_string()),
            Hidden::Name => drop(world.recorder().symbol(&format!("task {count}")).to_owned()),
            Hidden::Outcome => panic!("number {count}"),
        }
        world.note("after");
    }
}

/// Runs with equal events differ in a draw, in a name, or in the outcome: never in "every event".
#[test]
fn a_difference_without_an_event_is_named() {
    let check = |hidden: &Hidden| check(&run(hidden, &[], 1)).1.unwrap();
    let divergence = check(&Hidden::Draw);
    let Difference { what, first, second, before, .. } = &divergence.difference;
    assert_eq!((*what, divergence.event.clone()), (What::Draw, None));
    assert!(
        first.starts_with("draw 0 of stream coins/")
            && first.ends_with(", by harness/scenario after event 1"),
        "{first}"
    );
    assert!(first != second && before.contains("note \"before\""), "{divergence}");
    let divergence = check(&Hidden::Name);
    assert_eq!(divergence.difference.what, What::Name);
    assert!(divergence.difference.first.starts_with("\"task "), "{divergence}");
    let divergence = check(&Hidden::Outcome);
    assert_eq!(divergence.difference.what, What::Outcome);
    assert!(divergence.difference.first.contains(": number "), "{divergence}");
    assert_eq!(divergence.cause, Cause::Unknown);
}

/// A draw that differs before the first event that differs is the first difference; the event follows.
#[test]
fn the_first_difference_is_shown_with_both_runs() {
    let divergence = divergence(Leak::HashMapOrder).unwrap();
    let text = divergence.to_string();
    assert!(text.starts_with("first difference at event "), "{text}");
    let side = |text: &str| text.starts_with("0.001000s harness/scenario note \"chose ");
    assert!(side(&divergence.difference.first) && side(&divergence.difference.second), "{text}");
    assert!(text.contains("use a BTreeMap or an IndexMap"), "{text}");
}
