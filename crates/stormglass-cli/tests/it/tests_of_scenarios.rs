//! `#[stormglass::test]`: the function is a test, and a scenario for every command.

use crate::console::command;
use stormglass::prelude::*;
use stormglass_cli::{App, Exit};

#[derive(Clone, Parameters)]
struct Rounds {
    /// How many rounds the client makes.
    #[parameter(default = 4)]
    count: u64,
}

const KILL: &str = "[{ kind = 'kill', node = 'store', at = '1s' }]";

#[stormglass::test(seeds = 0..8, set("rounds.count" = "3"))]
async fn attributes_set_parameters(world: World, settings: Rounds) {
    world.client("client").run(async move |client| client.check("three rounds", settings.count == 3)).await;
}

#[stormglass::test(seeds = 0..4, plan = "storm", nodes = ["store"])]
async fn storms_are_drawn_from_the_seed(world: World) {
    world.node("store").run("serve", std::future::pending::<()>);
    sleep(Duration::from_secs(60)).await;
}

#[stormglass::test]
async fn seeds_of_the_date_are_played_by_default(world: World) {
    world.check("the seed has the date of this century", world.seed().0 / 1_000_000 > 20_260_000);
}

/// Other attributes stay those of the test.
#[stormglass::test(seeds = 0..4)]
#[should_panic(expected = "a-service-panics: 4 of 4 runs failed (seeds 0..4)")]
async fn a_service_panics(world: World) {
    world.node("store").run("serve", async || panic!("the log is corrupt"));
    sleep(Duration::from_secs(5)).await;
}

/// What `stormglass::main![AttributesSetParameters]` plays.
#[test]
fn commands_play_what_the_attribute_says_unless_they_say_otherwise() {
    let app = App::new().with_scenario(AttributesSetParameters).with_scenario(StormsAreDrawnFromTheSeed);
    let (exit, text) = command(&app, &["run", "attributes-set-parameters", "--seeds", "0..4"]);
    assert!(
        exit == Exit::Held && text.starts_with("attributes-set-parameters: 4 runs, 4 passed\n"),
        "{text}"
    );
    let (exit, text) =
        command(&app, &["run", "attributes-set-parameters", "--seed", "1", "--set", "rounds.count=5"]);
    assert_eq!(exit, Exit::Failed);
    assert!(text.starts_with("seed 1: violated three rounds: on client, at "), "{text}");
    assert!(
        text.contains("replay attributes-set-parameters --profile quiet --set rounds.count=5 --seed 1\n")
    );

    let notes = |more: &[&str]| {
        let (_, text) =
            command(&app, &[&["replay", "storms-are-drawn-from-the-seed", "--seed", "1"], more].concat());
        text.matches("harness").count()
    };
    assert!(notes(&[]) > 0, "the storm of the attribute");
    assert_eq!(notes(&["--plan", "none"]), 0, "no faults");
    let kill = format!("plan.fault={KILL}");
    assert_eq!(notes(&["--plan", "none", "--set", &kill]), 1, "the kill");
}
