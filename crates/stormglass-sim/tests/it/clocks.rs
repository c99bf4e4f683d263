//! Clocks of nodes that a plan sets wrong, and the run's date.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what std's clocks show is tested")]

use crate::story::{Boxed, Story};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use stormglass_core::{Keep, Seed, SimTime, Verdict};
use stormglass_rt as rt;
use stormglass_sim::{Played, Run, Settings, SettingsError, World};

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

fn settings(
    sets: &[(&str, &str)],
    scenario: &Story<impl Fn(World) -> Boxed + Send + Sync>,
) -> Result<Settings, SettingsError> {
    Settings::resolve(scenario, None, "quiet", sets)
}

fn play(sets: &[(&str, &str)], scenario: impl Fn(World) -> Boxed + Send + Sync) -> Played {
    let scenario = Story(scenario);
    let settings = settings(sets, &scenario).unwrap();
    let played = Run::new(&scenario, settings, Seed(7)).play(Keep::Events);
    assert_eq!(played.outcome.verdict, Verdict::Passed);
    played
}

/// The difference of two dates in milliseconds.
fn millis(later: SystemTime, earlier: SystemTime) -> i64 {
    let millis = |duration: Duration| duration.as_millis() as i64;
    later.duration_since(earlier).map_or_else(|error| -millis(error.duration()), millis)
}

/// Skew: 10 s to 20 s, 3 s slow. Jump: at 30 s, an hour. Drift: from 40 s to 140 s, 1,000 ppm.
#[test]
fn plans_set_clocks_of_nodes_wrong() {
    let plan = "[{ kind = 'clock-skew', node = 'a', offset = '-3s', at = '10s', lasts = '10s' },
                 { kind = 'clock-jump', node = 'a', offset = '1h', at = '30s' },
                 { kind = 'clock-drift', node = 'a', ppm = 1000.0, at = '40s', lasts = '100s' }]";
    let seen = Arc::new(Mutex::new(Vec::new()));
    let result = seen.clone();
    play(&[("plan.fault", plan), ("run.horizon", "300s")], move |world| {
        let seen = seen.clone();
        Box::pin(async move {
            let (a, b) = (world.node("a"), world.node("b"));
            for second in [5, 15, 25, 35, 90, 200] {
                rt::sleep_until((SimTime::ZERO) + SECONDS(second)).await;
                let look = || async { (SystemTime::now(), Instant::now(), rt::now(), rt::monotonic()) };
                let (on_a, instant_a, at, monotonic) = a.spawn("look", look()).await.unwrap();
                let (on_b, instant_b, ..) = b.spawn("look", look()).await.unwrap();
                let here = rt::time_of_day(at);
                assert_eq!(millis(on_b, here), 0);
                assert!(instant_b - instant_a < Duration::from_micros(1));
                let drifted = (monotonic - (at - SimTime::ZERO)).as_millis() as i64;
                seen.lock().unwrap().push((second, millis(on_a, here), drifted));
            }
        })
    });
    let hour = 3_600_000;
    let expected =
        [(5, 0, 0), (15, -3_000, 0), (25, 0, 0), (35, hour, 0), (90, hour + 50, 50), (200, hour + 100, 100)];
    assert_eq!(*result.lock().unwrap(), expected);
}

/// The file is written at 5 s, and its time is the writer's.
#[test]
fn times_of_files_are_those_of_the_nodes_clock_and_of_the_epoch() {
    let plan = "[{ kind = 'clock-skew', node = 'a', offset = '-1m', at = '0s', lasts = '10s' }]";
    for (epoch, seconds) in [("2024-03-01T00:00:00Z", 1_709_251_200), ("1999-12-31T23:59:59Z", 946_684_799)] {
        play(&[("plan.fault", plan), ("run.epoch", epoch)], move |world| {
            Box::pin(async move {
                let disk = world.node("a").disk().clone();
                let modified = world.node("a").spawn("write", async move {
                    rt::sleep_until(SimTime::ZERO + SECONDS(5)).await;
                    disk.write("file", b"x").await.unwrap();
                    rt::sleep_until(SimTime::ZERO + SECONDS(20)).await;
                    disk.metadata("file").await.unwrap().modified().unwrap()
                });
                let modified = modified.await.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                assert_eq!(modified.as_secs(), seconds + 5 - 60);
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                assert_eq!(now.as_secs(), seconds + 20);
            })
        });
    }
}

/// The date is drawn by madsim, as before there was a parameter: both runs record the same events.
#[test]
fn an_epoch_changes_the_date_and_nothing_else() {
    let dates = Arc::new(Mutex::new(Vec::new()));
    let hashes = ["seed", "2020-01-01T00:00:00Z", "seed"].map(|epoch| {
        let dates = dates.clone();
        let played = play(&[("run.epoch", epoch)], move |world| {
            let dates = dates.clone();
            Box::pin(async move {
                dates.lock().unwrap().push(SystemTime::now());
                let disk = world.node("a").disk().clone();
                disk.write("file", b"x").await.unwrap();
                rt::sleep(SECONDS(1)).await;
            })
        });
        played.outcome.trace_hash
    });
    assert_eq!(hashes[0], hashes[1]);
    let dates = dates.lock().unwrap();
    assert_eq!(dates[0], dates[2]);
    assert_eq!(dates[1], SystemTime::UNIX_EPOCH + SECONDS(1_577_836_800));
}

#[test]
fn an_epoch_is_a_date_with_its_offset_as_text_or_as_toml() {
    let scenario = Story(|_| -> Boxed { Box::pin(async {}) });
    let epoch = |text: &str| {
        settings(&[("run.epoch", text)], &scenario).map(|settings| settings.run().epoch.to_string())
    };
    assert_eq!(epoch("seed").unwrap(), "seed");
    for text in ["2024-05-01T02:00:00.5+02:00", "\"2024-05-01T02:00:00.5+02:00\""] {
        assert_eq!(epoch(text).unwrap(), "2024-05-01T00:00:00.5Z");
    }
    assert_eq!(epoch("2024-05-01").unwrap(), "2024-05-01T00:00:00Z");
    for wrong in ["2024-05-01T00:00:00", "1969-12-31", "2500-01-01", "yesterday", "7"] {
        let error = epoch(wrong).unwrap_err().to_string();
        assert!(error.contains("`run.epoch`") && error.contains("2024-05-01T12:00:00Z"), "{error}");
    }
}

#[test]
fn a_scenario_sets_a_clock_itself() {
    play(&[], |world| {
        Box::pin(async move {
            let node = world.node("a");
            let ahead = || async {
                let (there, at) = node.spawn("look", async { (SystemTime::now(), rt::now()) }).await.unwrap();
                millis(there, rt::time_of_day(at))
            };
            assert_eq!(ahead().await, 0);
            node.clock().step("-2s".parse().unwrap());
            assert_eq!(ahead().await, -2_000);
            node.kill();
            assert_eq!(ahead().await, -2_000);
        })
    });
}
