//! The log of a run: what its code passes to `tracing`.

use expect_test::expect;
use std::time::Duration;
use stormglass_core::{Keep, Seed};
use stormglass_rt as rt;
use stormglass_sim::check::What;
use stormglass_sim::{Played, Run, Scenario, Settings, World, check, scenario};
use tracing::{Instrument, debug, error, info, info_span, instrument, trace, warn};

/// A store on a hosted node, which a client on another one asks.
struct Logs;

#[derive(Debug)]
struct Key(#[allow(dead_code)] u32);

#[instrument(level = "info", skip(value), fields(bytes = value.len()))]
async fn put(key: u32, value: &str) {
    debug!(?key, "writes");
    tokio::time::sleep(Duration::from_millis(5)).await;
    info!(target: "store::durable", key = ?Key(key), synced = true, "is durable");
}

/// Code that logs
#[scenario]
impl Scenario for Logs {
    async fn play(&self, world: World) {
        let store = world.node("store");
        store.run("serve", || async {
            let both = async {
                let one = tokio::spawn(put(1, "one").in_current_span());
                tokio::time::sleep(Duration::from_millis(2)).await;
                put(2, "two").await;
                one.await.unwrap();
            };
            both.instrument(info_span!("batch", size = 2)).await;
            warn!("waits for ever");
            std::future::pending::<()>().instrument(info_span!("forever", why = tracing::field::Empty)).await;
        });
        let client = world.node("client");
        let asks = client.spawn("ask", async {
            trace!("too fine");
            error!(error = &std::io::Error::from_raw_os_error(111) as &dyn std::error::Error, "no answer");
        });
        asks.await.unwrap();
        rt::sleep(Duration::from_millis(20)).await;
        info!(remaining = 3.5, name = "x y", "ends");
    }
}

fn run<'a>(scenario: &'a dyn stormglass_sim::AnyScenario, log: &str) -> Run<'a> {
    let settings = Settings::resolve(scenario, None, "quiet", &[("run.log", log)]).unwrap();
    Run::new(scenario, settings, Seed(7))
}

fn lines(played: &Played) -> String {
    let trace = &played.trace;
    let line = |line: &stormglass_core::LogLine| {
        let (node, task) = (trace.text(line.node), trace.text(line.task));
        let took = line.kind.took();
        let took = if took.is_zero() { String::new() } else { format!(", took {} ms", took.as_millis()) };
        format!("{} {} {node}/{task} {}: {}{took}\n", line.at, line.level, line.target, line.text())
    };
    trace.log.iter().map(line).collect()
}

#[test]
fn events_and_spans_are_lines_with_time_node_and_task() {
    let played = run(&Logs, "debug").play(Keep::Events);
    expect![[r#"
        0.000s error client/ask it::logs: no answer error=Connection refused (os error 111)
        0.000s debug store/crates/stormglass-sim/tests/it/logs.rs:31 it::logs: batch{size=2}: put{key=1 bytes=3}: writes key=1
        0.002s debug store/serve it::logs: batch{size=2}: put{key=2 bytes=3}: writes key=2
        0.005s info store/crates/stormglass-sim/tests/it/logs.rs:31 store::durable: batch{size=2}: put{key=1 bytes=3}: is durable key=Key(1) synced=true
        0.005s info store/crates/stormglass-sim/tests/it/logs.rs:31 it::logs: batch{size=2}: put{key=1 bytes=3}, took 5 ms
        0.008s info store/serve store::durable: batch{size=2}: put{key=2 bytes=3}: is durable key=Key(2) synced=true
        0.008s info store/serve it::logs: batch{size=2}: put{key=2 bytes=3}, took 6 ms
        0.008s info store/serve it::logs: batch{size=2}, took 8 ms
        0.008s warn store/serve it::logs: waits for ever
        0.020s info harness/scenario it::logs: ends remaining=3.5 name="x y"
        0.020s info store/serve it::logs: forever is open at the end of the run, took 12 ms
    "#]].assert_eq(&lines(&played));
}

#[test]
fn a_filter_selects_targets_and_levels() {
    let played = run(&Logs, "error,store=info").play(Keep::Events);
    expect![[r#"
        0.000s error client/ask it::logs: no answer error=Connection refused (os error 111)
        0.005s info store/crates/stormglass-sim/tests/it/logs.rs:31 store::durable: is durable key=Key(1) synced=true
        0.008s info store/serve store::durable: is durable key=Key(2) synced=true
    "#]].assert_eq(&lines(&played));
}

#[test]
fn a_log_changes_neither_events_nor_hash_and_is_off_by_default() {
    let off = run(&Logs, "off").play(Keep::Events);
    let on = run(&Logs, "trace").play(Keep::Events);
    assert!(off.trace.log.is_empty() && !on.trace.log.is_empty());
    assert_eq!((&on.outcome, &on.trace.events), (&off.outcome, &off.trace.events));
    assert_eq!(on.trace.symbols, off.trace.symbols);
    let unkept = run(&Logs, "trace").play(Keep::Nothing);
    assert_eq!((&unkept.outcome, unkept.trace.log.len()), (&off.outcome, 0));
    let default = Settings::resolve(&Logs, None, "quiet", &[]).unwrap();
    assert_eq!(Run::new(&Logs, default, Seed(7)).play(Keep::Events).trace, off.trace);
}

#[test]
fn the_same_seed_has_the_same_log_on_many_threads_at_once() {
    let first = run(&Logs, "trace").play(Keep::Events).trace;
    std::thread::scope(|scope| {
        let threads = ["trace", "off", "info", "trace", "store=debug", "trace"]
            .map(|log| scope.spawn(move || (log, run(&Logs, log).play(Keep::Events).trace)));
        for thread in threads {
            let (log, trace) = thread.join().unwrap();
            assert_eq!(trace.hash, first.hash);
            if log == "trace" {
                assert_eq!(trace.log, first.log);
            }
        }
    });
}

#[test]
fn check_compares_logs() {
    assert_eq!(check(&run(&Logs, "trace")).1, None);
    let divergence = check(&run(&LogsAnAddress, "info")).1.expect("addresses differ");
    assert_eq!((divergence.difference.what, divergence.difference.index), (What::LogLine, 1));
    assert!(
        divergence.to_string().contains("both         0.000000s info it::logs: equal after event 0"),
        "{divergence}"
    );
    assert_eq!(check(&run(&LogsAnAddress, "off")).1, None);
}

/// A program whose log has an address in memory.
struct LogsAnAddress;

/// Logs an address
#[scenario]
impl Scenario for LogsAnAddress {
    async fn play(&self, _: World) {
        info!("equal");
        // A counter of the process stands for an address, which may be equal by chance.
        static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        info!(number);
    }
}

#[test]
fn a_wrong_filter_is_an_error_that_names_the_parameter_and_the_form() {
    let error = Settings::resolve(&Logs, None, "quiet", &[("run.log", "store=loud")]).unwrap_err();
    expect![[r#"--set run.log=store=loud: `run.log`: `store=loud` is no filter (error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5): expected a level (off, error, warn, info, debug, trace), TARGET=LEVEL, or several with commas between, as in RUST_LOG"#]].assert_eq(&error.to_string());
}

/// A node whose process is killed within a span.
struct Killed;

/// A kill within a span
#[scenario]
impl Scenario for Killed {
    async fn play(&self, world: World) {
        let node = world.node("node-1");
        node.run("main", || std::future::pending::<()>().instrument(info_span!("serves")));
        rt::sleep(Duration::from_millis(10)).await;
        node.kill();
        rt::sleep(Duration::from_millis(10)).await;
        info!("the end");
    }
}

#[test]
fn a_kill_closes_the_spans_of_the_process() {
    let played = run(&Killed, "info").play(Keep::Events);
    expect![[r#"
        0.010s info node-1/main it::logs: serves, took 10 ms
        0.020s info harness/scenario it::logs: the end
    "#]]
    .assert_eq(&lines(&played));
}

/// A line that a thread without a log is the first to reach.
struct Shared;

/// A line that another thread has reached before
#[scenario]
impl Scenario for Shared {
    async fn play(&self, _: World) {
        let log = || info!("reached");
        #[expect(clippy::disallowed_methods, reason = "another thread of the program")]
        std::thread::spawn(log).join().unwrap();
        log();
    }
}

/// `tracing` asks once for each callsite whether a subscriber is interested, and caches the answer. If it
/// asks on a thread that logs nothing, such as that of another run, the answer must not be `never`.
#[test]
fn a_thread_that_logs_nothing_does_not_switch_a_line_off_for_a_run() {
    let sets = [("run.log", "info"), ("run.leaks", "allow")];
    let settings = Settings::resolve(&Shared, None, "quiet", &sets).unwrap();
    let played = Run::new(&Shared, settings, Seed(7)).play(Keep::Events);
    assert_eq!(lines(&played), "0.000s info harness/scenario it::logs: reached\n");
}
