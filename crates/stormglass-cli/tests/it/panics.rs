//! A panic of a service is reported with its node, task, place, message and last events, wherever in
//! the service it is.

use crate::console::command;
use std::time::Duration;
use stormglass_cli::{App, Exit};
use stormglass_core::{Keep, Seed, Verdict};
use stormglass_sim::{Run, Scenario, Settings, World, scenario};
use stormglass_tokio as tokio;

/// Where the service panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Main,
    Spawned,
    Nested,
    Joined,
    JoinSet,
    ForgottenJoinSet,
    Blocking,
    Client,
}

struct Panics(Place);

#[scenario(name = "panics", about = "a service panics after 2 s")]
impl Scenario for Panics {
    async fn play(&self, world: World) {
        let place = self.0;
        let client = world.client("client");
        if place == Place::Client {
            client
                .run(async |_| {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    boom()
                })
                .await;
        }
        world.node("store").run("serve", move || serve(place));
        stormglass_rt::sleep(Duration::from_secs(10)).await;
    }
}

fn boom() {
    panic!("the log is corrupt");
}

async fn late_boom() {
    tokio::fs::write("log", b"x").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    boom();
}

async fn serve(place: Place) {
    match place {
        Place::Main => late_boom().await,
        Place::Spawned => drop(tokio::spawn(late_boom())),
        Place::Nested => drop(tokio::spawn(async {
            tokio::spawn(late_boom());
            std::future::pending::<()>().await
        })),
        Place::Joined => tokio::spawn(late_boom()).await.unwrap(),
        Place::JoinSet => {
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(late_boom());
            while let Some(joined) = tasks.join_next().await {
                joined.unwrap();
            }
        }
        Place::ForgottenJoinSet => {
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(late_boom());
            std::future::pending::<()>().await
        }
        Place::Blocking => drop(tokio::task::spawn_blocking(boom)),
        Place::Client => {}
    }
    std::future::pending::<()>().await
}

fn explained(place: Place) -> (Verdict, String) {
    let scenario = Panics(place);
    let settings = Settings::resolve(&scenario, None, "quiet", &[]).unwrap();
    let verdict = Run::new(&scenario, settings, Seed(0)).play(Keep::Nothing).outcome.verdict;
    let (_, text) =
        command(&App::new().with_scenario(scenario), &["explain", "panics", "--profile", "quiet"]);
    (verdict, text)
}

/// Returns the place of the first line of this file that contains `text`: `file:line:column`.
fn place_of(text: &str, of: &str) -> String {
    let (line, found) =
        include_str!("panics.rs").lines().enumerate().find(|(_, line)| line.contains(text)).unwrap();
    format!("{}:{}:{}", file!(), line + 1, found.find(of).unwrap() + 1)
}

/// The panic itself is the verdict, with the task in which it was: of the process, of a spawn in a
/// spawn, of a blocking closure.
#[test]
fn a_panic_of_a_task_that_nobody_joins_is_reported_with_node_task_and_place() {
    let boom = place_of("panic!(\"the log is corrupt\")", "panic!");
    for (place, expected_node, spawned) in [
        (Place::Main, "store", None),
        (Place::Spawned, "store", Some("Place::Spawned => drop(tokio::spawn(")),
        (Place::Nested, "store", Some("            tokio::spawn(late_boom());")),
        (Place::Blocking, "store", Some("drop(tokio::task::spawn_blocking(boom))")),
        (Place::Client, "client", None),
    ] {
        let (verdict, text) = explained(place);
        let Verdict::Panicked { node, task, location, message } = verdict else {
            panic!("{place:?}: {verdict}")
        };
        assert_eq!((&*node, &*message), (expected_node, "the log is corrupt"), "{place:?}");
        assert_eq!(location.as_deref(), Some(&*boom), "{place:?}");
        if let Some(spawned) = spawned {
            let expected = place_of(spawned, "spawn");
            let line = expected.rsplit_once(':').unwrap().0;
            assert!(task.as_ref().is_some_and(|task| line.ends_with(&**task)), "{place:?}: {task:?}, {line}");
        } else {
            assert_eq!(task.as_deref(), Some(if place == Place::Main { "serve" } else { "main" }));
        }
        assert!(text.contains(&format!("panicked at {boom}: the log is corrupt")), "{place:?}: {text}");
    }
}

/// The verdict is the panic of the task that joins it. The last events of the node have the first one.
#[test]
fn a_panic_that_a_task_receives_and_raises_again_is_reported_with_both_places() {
    let boom = place_of("panic!(\"the log is corrupt\")", "panic!");
    for (place, raised) in [
        (Place::Joined, place_of("tokio::spawn(late_boom()).await.unwrap()", "unwrap()")),
        (Place::JoinSet, place_of("joined.unwrap();", "unwrap()")),
    ] {
        let (verdict, text) = explained(place);
        let Verdict::Panicked { node, location, message, .. } = verdict else {
            panic!("{place:?}: {verdict}")
        };
        assert_eq!((&*node, location.as_deref()), ("store", Some(&*raised)), "{place:?}");
        assert!(message.contains("the log is corrupt"), "{message}");
        assert!(text.contains(&format!("panicked at {boom}: the log is corrupt")), "{place:?}: {text}");
    }
}

/// As in a process, where tokio keeps it in the set, and standard error has it.
#[test]
fn a_panic_that_stays_in_a_join_set_is_in_the_timeline() {
    let app = App::new().with_scenario(Panics(Place::ForgottenJoinSet));
    let (exit, text) = command(&app, &["replay", "panics", "--profile", "quiet"]);
    assert_eq!(exit, Exit::Held);
    let boom = place_of("panic!(\"the log is corrupt\")", "panic!");
    let line = text.lines().find(|line| line.contains(&format!("panicked at {boom}"))).unwrap();
    assert!(line.contains("store"), "{line}");
}

/// The message of a join has the number of a task in this process.
#[test]
fn panics_that_differ_in_a_number_are_one_kind_of_failure_and_have_equal_traces() {
    let app = App::new().with_scenario(Panics(Place::JoinSet));
    let (exit, text) = command(&app, &["run", "panics", "--profile", "quiet", "--seeds", "0..4"]);
    assert_eq!(exit, Exit::Failed);
    assert!(text.contains("\n      4 panicked: "), "{text}");
    let (exit, text) = command(&app, &["check", "panics", "--profile", "quiet", "--seeds", "0..4"]);
    assert_eq!(exit, Exit::Held, "{text}");
}
