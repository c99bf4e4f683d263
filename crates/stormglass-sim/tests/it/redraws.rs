//! Runs that keep their first draws and change the rest, and the state at a time.

use std::time::Duration;
use stormglass_core::{EventId, Keep, Seed, SimTime, event};
use stormglass_fs::FileExt;
use stormglass_sim::state::ProcessState;
use stormglass_sim::{Run, Scenario, Settings, World, scenario};

/// A node syncs a file 20 times.
struct Syncs;

#[scenario(about = "a node syncs a file 20 times")]
impl Scenario for Syncs {
    async fn play(&self, world: World) {
        let node = world.node("node-1");
        let disk = node.disk().clone();
        let syncs = node.spawn("main", async move {
            let file = disk.create("log").await.unwrap();
            for number in 0..20 {
                file.write_all_at(b"x", number).await.unwrap();
                file.sync_data().await.unwrap();
            }
        });
        world.wait("syncs", "node-1", Duration::from_secs(1), syncs).await;
        node.kill();
        stormglass_rt::sleep(Duration::from_secs(1)).await;
    }
}

fn run() -> Run<'static> {
    let latency = "{ uniform = { min = '1ms', max = '9ms' } }";
    let settings = Settings::resolve(&Syncs, None, "quiet", &[("disk.sync.latency", latency)]).unwrap();
    Run::new(&Syncs, settings, Seed(1))
}

#[test]
fn a_run_that_keeps_all_its_draws_is_itself_and_one_that_keeps_none_is_another() {
    let (played, draws) = run().play_with_draws();
    let hash = |kept, environment| run().redrawing(kept, environment).play(Keep::Nothing).outcome.trace_hash;
    let all = draws.draws.len() as u64;
    assert_eq!(hash(all, 1), played.outcome.trace_hash);
    assert_ne!(hash(0, 1), played.outcome.trace_hash);
    assert_ne!(hash(0, 1), hash(0, 2));
    assert_eq!(hash(all / 2, 1), hash(all / 2, 1));
}

/// The events before the first changed draw are those of the run; each sync that is drawn later takes what it
/// takes in the environment, wherever the change is.
#[test]
fn runs_that_change_to_an_environment_one_draw_apart_differ_in_one_draw() {
    let (played, draws) = run().play_with_draws();
    let syncs = |kept| {
        let trace = run().redrawing(kept, 7).play(Keep::Events).trace;
        let is_sync = |event: &&stormglass_core::Event| event.kind == stormglass_core::Kind::Fdatasync;
        trace.events.iter().filter(is_sync).map(|event| event.took_nanos).collect::<Vec<_>>()
    };
    let of_syncs = |draw: &stormglass_core::Draw| draws.stream(*draw).ends_with("fdatasync");
    let tenth = draws.draws.iter().enumerate().filter(|(_, draw)| of_syncs(draw)).nth(10);
    let (tenth, draw) = tenth.expect("each sync draws from a stream of this name");
    assert_eq!(draw.index, 10);
    let (before, after) = (syncs(tenth as u64), syncs(tenth as u64 + 1));
    let differs: Vec<usize> = (0..20).filter(|&sync| before[sync] != after[sync]).collect();
    assert_eq!(differs, [10]);
    assert_eq!(played.trace.events.len(), run().redrawing(0, 7).play(Keep::Events).trace.events.len());
}

#[test]
fn a_run_that_ends_earlier_is_the_run_until_then() {
    let whole = run().play(Keep::Events).trace;
    let middle = whole.events[whole.events.len() / 2].at_nanos;
    let part = run().ending_at(SimTime::from_nanos(middle + 1)).play(Keep::Events).trace;
    assert!(!part.events.is_empty() && part.events.len() < whole.events.len());
    assert_eq!(part.events[..], whole.events[..part.events.len()]);
}

#[test]
fn the_state_at_a_time_is_that_of_the_nodes_then() {
    let at = |nanos| run().state_at(SimTime::from_nanos(nanos));
    let whole = run().play(Keep::Events);
    let wait = &whole.outcome.waits[0];
    let end = wait.length.duration().as_nanos() as u64;
    let early = at(end / 2);
    assert_eq!(early.waits.len(), 1);
    assert_eq!(early.nodes[0].process, ProcessState::Up);
    let written = early.nodes[0].disk.operations;
    let late = at(end + 500_000_000);
    assert!(written < late.nodes[0].disk.operations, "{early:?} {late:?}");
    assert!(late.waits.is_empty() && late.nodes[0].disk.dirty_bytes == 0, "{late:?}");
    assert_eq!(at(u64::MAX).at, whole.outcome.ended);
}

/// One task creates, writes and syncs: the poll that records the end of an operation starts the next one, until
/// the last. The disk counts those that were started.
#[test]
fn the_state_after_an_event_is_that_at_the_end_of_its_turn() {
    let whole = run().play(Keep::Events).trace;
    let is_of_disk = |event: &&stormglass_core::Event| {
        let category = event.kind.category();
        matches!(category, event::Category::Disk | event::Category::Sync)
    };
    let all = whole.events.iter().filter(is_of_disk).count() as u64;
    for index in 0..whole.events.len() - 1 {
        let state = run().state_after(EventId::at(index));
        let finished = whole.events[..=index].iter().filter(is_of_disk).count() as u64;
        let operations = state.nodes.first().map_or(0, |node| node.disk.operations);
        let started = if (1..all).contains(&finished) { finished + 1 } else { finished };
        assert_eq!(operations, started, "after event {}", index + 1);
        let [at, next] = [index, index + 1].map(|index| SimTime::from_nanos(whole.events[index].at_nanos));
        assert!(at <= state.at && state.at <= next, "{at} {} {next}", state.at);
    }
    assert_eq!(run().state_after(EventId::at(1_000_000)), run().state_at(SimTime::MAX));
}

#[test]
fn a_call_before_an_event_is_made_once_in_the_thread_of_the_run_and_changes_nothing() {
    let (sender, calls) = std::sync::mpsc::channel();
    let before = move || sender.send(std::thread::current().name().map(String::from)).unwrap();
    let played = run().play_with_call_before(Keep::Events, EventId::at(10), before);
    assert_eq!(calls.iter().collect::<Vec<_>>(), [Some("stormglass-run".to_string())]);
    assert_eq!(played, run().play(Keep::Events));
}

#[test]
fn other_values_of_single_parameters_keep_the_rest() {
    let slow = run().with_assignments(&[("disk.sync.latency", "5ms")]).unwrap();
    let length = slow.play(Keep::Nothing).outcome.waits[0].length.duration();
    assert!(length >= Duration::from_millis(100), "20 syncs of 5 ms: {length:?}");
    let error = run().with_assignments(&[("disk.sync.latncy", "5ms")]).err().unwrap().to_string();
    assert!(error.contains("disk.sync.latency"), "{error}");
}
