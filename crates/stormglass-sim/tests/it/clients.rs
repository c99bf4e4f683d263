//! Clients: nodes for the code of a test.

use std::time::Duration;
use stormglass_core::{Keep, Seed};
use stormglass_sim::{Run, Scenario, Settings, World, scenario};

struct Waits;

/// A service and a client wait
#[scenario]
impl Scenario for Waits {
    async fn play(&self, world: World) {
        world.node("service").run("serve", std::future::pending::<()>);
        let client = world.client("client");
        client.run(async |_| stormglass_rt::sleep(Duration::from_secs(10)).await).await;
        world.note("the client has waited");
    }
}

fn has_waited(node: &str) -> bool {
    let plan = format!("[{{ kind = 'kill', node = '{node}', at = '3s', lasts = '1s' }}]");
    let settings = Settings::resolve(&Waits, None, "quiet", &[("plan.fault", &plan)]).unwrap();
    let trace = Run::new(&Waits, settings, Seed(1)).play(Keep::Events).trace;
    let noted = |text: &str| trace.events.iter().any(|event| trace.text(event.subject).starts_with(text));
    assert!(noted(&format!("kill {node}")), "the fault was due");
    noted("the client has waited")
}

#[test]
fn a_pattern_of_a_plan_does_not_select_a_client() {
    assert!(has_waited("*"));
    assert!(has_waited("c*"));
}

#[test]
fn a_fault_that_names_a_client_affects_it() {
    assert!(!has_waited("client"));
}
