use crate::{failure, failure_with_files};
use std::time::Duration;
use stormglass_core::{Limit, Seed};
use stormglass_real::testing::Test;
use stormglass_real::{Parameters, RunDefaults, Scenario, World, scenario};

#[derive(Clone, Parameters)]
#[parameters(crate = "stormglass_real", section = "counting")]
struct Counting {
    /// How many. Range: all.
    #[parameter(default = 3)]
    count: u64,
    /// A text.
    #[parameter(default = "none")]
    text: String,
    /// How long.
    #[parameter(default = "5s")]
    pause: Duration,
    /// The deadline.
    #[parameter(default = "9s")]
    deadline: Limit,
}

struct Set(&'static [(&'static str, &'static str)]);

/// Parameters are set
#[scenario]
impl Scenario for Set {
    fn run_defaults(&self) -> RunDefaults {
        RunDefaults { sets: self.0, ..RunDefaults::default() }
    }

    async fn play(&self, world: World, settings: Counting) {
        let Counting { count, text, pause, deadline } = settings;
        world.violated("told", format!("{count} {text} {pause:?} {:?}", deadline.deadline));
    }
}

#[test]
fn a_test_sets_the_parameters_of_its_scenario_and_not_those_of_the_simulation() {
    assert_eq!(failure(Set(&[])), "it: violated told: 3 none 5s 9s");
    let sets = &[
        ("counting.count", "4"),
        ("counting.text", "some"),
        ("counting.pause", "1ms"),
        ("counting.deadline", "2s"),
        ("run.horizon", "9s"),
    ];
    assert_eq!(failure(Set(sets)), "it: violated told: 4 some 1ms 2s");
    assert_eq!(
        failure(Set(&[("counting.cuont", "4")])),
        "it: counting.cuont: there is no parameter of this name"
    );
    let wrong = failure(Set(&[("counting.count", "many")]));
    assert_eq!(wrong, "it: counting.count: invalid type: string \"many\", expected u64");
    let unit = failure(Set(&[("counting.pause", "5")]));
    assert_eq!(unit, "it: counting.pause: \"5\": time unit needed, for example 5sec or 5ms");
}

/// What goes wrong.
#[derive(Clone, Copy)]
enum Wrong {
    Late,
    Panic,
    ClientPanic,
    TooFew,
    Check,
}

struct Fails(Wrong);

/// Something goes wrong
#[scenario]
impl Scenario for Fails {
    async fn play(&self, world: World) {
        match self.0 {
            Wrong::Late => {
                let forever = std::future::pending::<()>();
                assert!(world.wait("nothing", "one", Duration::from_millis(50), forever).await.is_none());
            }
            Wrong::Panic => {
                world.node("one").run("serve", async || assert_eq!(1 + 1, 3, "sums"));
                std::future::pending().await
            }
            Wrong::ClientPanic => world.client("client").run(async |_| panic!("no answer")).await,
            Wrong::TooFew => world.at_least(2, "checks"),
            Wrong::Check => world.client("client").run(async |client| client.check("sums", 1 + 1 == 3)).await,
        }
    }
}

#[test]
fn a_failure_has_the_words_of_the_simulation() {
    let late = failure(Fails(Wrong::Late));
    assert_eq!(late, "it: timed out waiting for nothing on one: 0.050 s, the deadline is 50ms");
    let panic = failure(Fails(Wrong::Panic));
    assert!(panic.starts_with("it: panicked on one, task serve: assertion"), "{panic}");
    let client = failure(Fails(Wrong::ClientPanic));
    assert!(client.starts_with("it: panicked on scenario"), "{client}");
    assert_eq!(failure(Fails(Wrong::TooFew)), "it: too few checks: 0, at least 2 are required");
    let check = failure(Fails(Wrong::Check));
    assert!(check.starts_with("it: violated sums: on client, at "), "{check}");
}

struct Files;

/// A node writes a file
#[scenario]
impl Scenario for Files {
    async fn play(&self, world: World) {
        world.node("one").spawn("write", tokio::fs::write("file", b"x")).await.unwrap().unwrap();
        let here = std::env::current_dir().unwrap();
        world.check("the directory is a temporary one", here.starts_with(std::env::temp_dir()));
        world.violated("where", here.display().to_string());
    }
}

#[test]
fn the_files_of_a_failed_test_stay_and_the_working_directory_of_others_is_not_changed() {
    let before = std::env::current_dir().unwrap();
    let (told, directory) = failure_with_files(Files);
    let directory = directory.expect("the scenario was played");
    assert_eq!(told, format!("it: violated where: {}", directory.display()));
    assert_eq!(std::fs::read(directory.join("one/file")).unwrap(), b"x");
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(std::env::current_dir().unwrap(), before);
}

struct Seeded;

/// The seed is known
#[scenario]
impl Scenario for Seeded {
    async fn play(&self, world: World) {
        world.check("the seed is the first one", world.seed() == Seed(7));
    }
}

#[test]
fn the_seed_is_the_first_one_of_the_test() {
    Test::of(Seeded, "seeded").seeds(7..9).run();
}
