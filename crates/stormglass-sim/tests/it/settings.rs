//! Settings: layers, derived parameters, and errors that name the source, the key and what would
//! be right.

use expect_test::{Expect, expect};
use std::path::PathBuf;
use std::time::Duration;
use stormglass_core::{Keep, Latency, Limit, Seed, Verdict};
use stormglass_sim::{
    ParameterSet, Parameters, Preset, Profile, Run, RunSettings, Scenario, Settings, SettingsError, Values,
    World, scenario,
};

/// A scenario with a model and parameters of its own.
struct Own;

#[derive(Clone, Default)]
struct OwnSettings;

#[scenario(about = "own")]
impl Scenario for Own {
    async fn play(&self, _world: World, _settings: OwnSettings) {}
}

impl Parameters for OwnSettings {
    fn describe(&self) -> ParameterSet {
        "[server]\nworkers = 1\nname = 'x'\n".parse::<toml::Table>().unwrap().into()
    }

    fn models() -> &'static [Preset] {
        &[Preset { name: "one", layers: &["# The first.\n[server]\nworkers = 4\n"] }]
    }

    fn read(values: &Values) -> Result<OwnSettings, SettingsError> {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "the name is only there to be set")]
        struct Server {
            workers: u8,
            name: String,
        }
        let server: Server = values.section("server")?;
        if server.workers > 8 {
            return Err(values.wrong("server.workers", "the range is 0 to 8"));
        }
        Ok(OwnSettings)
    }
}

fn refused(model: Option<&str>, profile: &str, sets: &[(&str, &str)], expected: Expect) {
    let error = Settings::resolve(&Own, model, profile, sets).unwrap_err();
    // Temporary folders differ from machine to machine.
    expected.assert_eq(&error.to_string().replace(env!("CARGO_TARGET_TMPDIR"), "TMP"));
}

fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn wrong_assignments_are_refused() {
    refused(
        None,
        "quiet",
        &[("disk.sync.dealy", "1s")],
        expect![
            "--set disk.sync.dealy=1s: unknown parameter `disk.sync.dealy`; did you mean `disk.sync.delay`?"
        ],
    );
    refused(
        None,
        "quiet",
        &[("entirely.elsewhere", "1s")],
        expect![
            "--set entirely.elsewhere=1s: unknown parameter `entirely.elsewhere` (known: see `stormglass list parameters`)"
        ],
    );
    refused(
        None,
        "quiet",
        &[("disk.sync", "1s")],
        expect![
            "--set disk.sync=1s: `disk.sync`: is a group of parameters; set one of them, for example `disk.sync.delay`"
        ],
    );
    refused(
        None,
        "quiet",
        &[("disk.sync.delay", "200")],
        expect![[
            r#"--set disk.sync.delay=200: `disk.sync.delay`: invalid type: integer `200`, expected a duration with its unit, such as "150ms" or "5s""#
        ]],
    );
    refused(
        None,
        "quiet",
        &[("disk.sync.delay", "200 parsecs")],
        expect![[
            r#"--set disk.sync.delay=200 parsecs: `disk.sync.delay`: invalid value: string "200 parsecs", expected a duration with its unit, such as "150ms" or "5s""#
        ]],
    );
    refused(
        None,
        "quiet",
        &[("disk.sync.latency", "{ uniform = { min = '2s', max = '1s' } }")],
        expect![
            "--set disk.sync.latency={ uniform = { min = '2s', max = '1s' } }: `disk.sync.latency`: max (1s) is below min (2s)"
        ],
    );
    refused(
        None,
        "quiet",
        &[("cpu.cores", "0")],
        expect!["--set cpu.cores=0: `cpu.cores`: is 0, the range is 1 to 1024"],
    );
    refused(
        None,
        "quiet",
        &[("cpu.cores", "two")],
        expect![[
            r#"--set cpu.cores=two: `cpu.cores`: invalid type: string "two", expected a whole number from 0 to 65535"#
        ]],
    );
    refused(
        None,
        "quiet",
        &[("server.workers", "9")],
        expect!["--set server.workers=9: `server.workers`: the range is 0 to 8"],
    );
    refused(
        None,
        "quiet",
        &[("server.workers", "-1")],
        expect![
            "--set server.workers=-1: `server.workers`: invalid value: integer `-1`, expected a whole number from 0 to 255"
        ],
    );
    refused(
        None,
        "quiet",
        &[("run.turns", "5")],
        expect!["--set run.turns=5: `run.turns`: is 5, the range is 1000 to 1000000000000"],
    );
}

#[test]
fn unknown_names_are_refused() {
    refused(None, "quite", &[], expect!["--profile quite: unknown profile `quite`; did you mean `quiet`?"]);
    refused(Some("two"), "quiet", &[], expect!["--model two: unknown model `two` (known: one)"]);
    refused(
        None,
        "no/such/file.toml",
        &[],
        expect!["no/such/file.toml: cannot be read: No such file or directory (os error 2)"],
    );
}

#[test]
fn wrong_files_are_refused() {
    refused(
        None,
        &file("broken.toml", "[disk\nsync = 1"),
        &[],
        expect![[r#"
        TMP/broken.toml: not valid TOML: TOML parse error at line 1, column 6
          |
        1 | [disk
          |      ^
        unclosed table, expected `]`"#]],
    );
    refused(
        None,
        &file("unknown.toml", "[disk.synk]\ndelay = '1s'"),
        &[],
        expect!["TMP/unknown.toml: unknown parameter `disk.synk`; did you mean `disk.sync.delay`?"],
    );
    refused(
        None,
        &file("unit.toml", "[disk]\nsync = { delay = '10 lightyears' }"),
        &[],
        expect![[
            r#"TMP/unit.toml: `disk.sync.delay`: invalid value: string "10 lightyears", expected a duration with its unit, such as "150ms" or "5s""#
        ]],
    );
    refused(
        Some(&file("model.toml", "[server]\nworkers = 'many'")),
        "quiet",
        &[],
        expect![[
            r#"TMP/model.toml: `server.workers`: invalid type: string "many", expected a whole number from 0 to 255"#
        ]],
    );
}

#[test]
fn later_layers_win() {
    let workers = |sets: &[(&str, &str)]| {
        let settings = Settings::resolve(&Own, None, "quiet", sets).unwrap();
        settings.table()["server"]["workers"].as_integer().unwrap()
    };
    assert_eq!((workers(&[]), workers(&[("server.workers", "6")])), (4, 6));
}

#[test]
fn settings_are_restored_from_their_table() {
    let settings = Settings::resolve(&Own, None, "ci-disk", &[("disk.sync.delay", "200ms")]).unwrap();
    let text = toml::to_string(settings.table()).unwrap();
    let restored = Settings::restore(&Own, "one", "ci-disk", "run.toml", &text.parse().unwrap()).unwrap();
    assert_eq!(restored.table(), settings.table());
}

/// A shipped disk replaces all parameters of the disk, in an assignment and in a file: values that
/// were set before are replaced too, later ones are kept.
#[test]
fn a_shipped_disk_replaces_the_disks_parameters() {
    let disk = |profile: &str, sets: &[(&str, &str)]| {
        Settings::resolve(&Own, None, profile, sets).unwrap().profile().disk.clone()
    };
    let nvme = stormglass_fs::DiskProfile::named("nvme").unwrap();
    assert_eq!(disk("ci-disk", &[("disk.sync.delay", "1s"), ("disk", "nvme")]), nvme);
    assert_eq!(disk(&file("disk.toml", "disk = 'nvme'"), &[]), nvme);
    let slower = disk("quiet", &[("disk", "nvme"), ("disk.sync.delay", "1s")]);
    assert_eq!((slower.sync.delay.as_secs(), slower.device), (1, nvme.device));
    refused(
        None,
        "quiet",
        &[("disk", "nvmee")],
        expect!["--set disk=nvmee: unknown disk `nvmee`; did you mean `nvme`?"],
    );
    refused(
        None,
        "quiet",
        &[("disk.device.stall.factor", "0.5")],
        expect![
            "--set disk.device.stall.factor=0.5: `disk.device.stall.factor`: 0.5 is no slow-down: give 1 to 1000000, or inf to stop the disk"
        ],
    );
    refused(
        None,
        "quiet",
        &[("disk.device.episodes", "[{ at = '1s', length = '1s', factor = 'slow' }]")],
        expect![[
            r#"--set disk.device.episodes=[{ at = '1s', length = '1s', factor = 'slow' }]: `disk.device.episodes[0].factor`: invalid type: string "slow", expected a number"#
        ]],
    );
}

/// `disk=` and `plan=` replace what was set before, so later errors name them and not the layers
/// before. In the plan file, `from` is after the default of `until`, which is 60 s.
#[test]
fn replaced_sections_have_the_origin_of_their_replacement() {
    let plan = file("late.toml", "[generate]\nfrom = '90s'");
    refused(
        None,
        "quiet",
        &[("plan.generate.until", "30s"), ("plan", &plan)],
        expect!["TMP/late.toml: `plan.generate.until`: is before `from`"],
    );
    refused(
        None,
        "quiet",
        &[("plan", &plan), ("plan.generate.until", "30s")],
        expect!["--set plan.generate.until=30s: `plan.generate.until`: is before `from`"],
    );
    let stall = "{ every = '1s' }";
    refused(
        None,
        &file("stalls.toml", &format!("[disk.device]\nstall = {stall}\niops = 10")),
        &[("disk.device.iops", "-1"), ("disk", "nvme"), ("disk.device.iops", "-2")],
        expect![
            "--set disk.device.iops=-2: `disk.device.iops`: invalid value: integer `-2`, expected a whole number from 0 to 4294967295"
        ],
    );
}

#[test]
fn every_parameter_of_a_profile_and_a_run_has_a_meaning() {
    let known = ParameterSet::of(&Profile::default()).with("run", &RunSettings::default());
    let meanings = known.meanings();
    assert_eq!(meanings["run.horizon"].range, "1 ms to 365 days");
    assert_eq!(meanings["disk.sync.latency"].form, "latency");
    assert_eq!(meanings["disk.names-durable"].form, "directory-sync | file-sync");
    assert_eq!(meanings["disk.device.stall.factor"].range, "1 to 1000000, or inf");
    let silent: Vec<&String> =
        meanings.iter().filter(|(_, meaning)| meaning.about.is_empty()).map(|(key, _)| key).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// Parameters of every kind that the derive macro knows.
#[derive(Clone, Debug, PartialEq, Parameters)]
#[parameters(crate = "stormglass_sim", section = "all", validate)]
struct Derived {
    /// How long. Range: 1ms and up. Default: 1 s.
    #[parameter(default = "1s")]
    request_timeout: Duration,
    /// A latency.
    #[parameter(default = "2ms")]
    seek: Latency,
    /// A deadline of a wait.
    #[parameter(default = Duration::from_secs(5))]
    deadline: Limit,
    /// Another one, of which the scenario needs no key.
    #[parameter(default = "6s", observer)]
    other_deadline: Duration,
    /// How many. Range: 1 to 9.
    #[parameter(default = 1 + 2)]
    clients: u8,
    /// A text.
    #[parameter(default = "x")]
    text: String,
    /// Whether.
    is_set: bool,
    /// A table of its own.
    inner: Inner,
}

/// Parameters inside of others.
#[derive(Clone, Debug, PartialEq, Parameters)]
#[parameters(crate = "stormglass_sim")]
struct Inner {
    /// A pause.
    #[parameter(default = "3ms")]
    pause: Duration,
}

impl Derived {
    fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(1..=9).contains(&self.clients) {
            return Err(("clients", "the range is 1 to 9".into()));
        }
        Ok(())
    }
}

/// A scenario with derived parameters, which checks them.
struct WithDerived(Derived);

/// Checks its settings.
///
/// More about it.
#[scenario]
impl Scenario for WithDerived {
    async fn play(&self, world: World, settings: Derived) {
        if settings != self.0 {
            world.violated("settings", format!("{settings:?}"));
        }
    }
}

#[test]
fn derived_parameters_have_keys_defaults_and_meanings() {
    let scenario = WithDerived(Derived::default());
    assert_eq!((scenario.name(), scenario.about()), ("with-derived", "Checks its settings"));
    let known = Derived::default().describe();
    let meanings = known.meanings();
    let text: String = Settings::resolve(&scenario, None, "quiet", &[])
        .unwrap()
        .leaves()
        .into_iter()
        .filter(|(key, _)| key.starts_with("all."))
        .map(|(key, value)| {
            let meaning = &meanings[&key];
            let class = if meaning.observer { "observer" } else { "behavioural" };
            format!("{key} = {value}: {} {}, {}, {class}\n", meaning.about, meaning.form, meaning.range)
        })
        .collect();
    expect![[r#"
        all.clients = 3: How many. whole number, 1 to 9, behavioural
        all.deadline = 5s: A deadline of a wait. duration, 0s and up, observer
        all.inner.pause = 3ms: A table of its own: a pause. duration, 0s and up, behavioural
        all.is-set = false: Whether. true | false, , behavioural
        all.other-deadline = 6s: Another one, of which the scenario needs no key. duration, 0s and up, observer
        all.request-timeout = 1s: How long. duration, 1ms and up, behavioural
        all.seek = 2ms: A latency. latency, 0s and up, behavioural
        all.text = x: A text. text, , behavioural
    "#]].assert_eq(&text);
}

/// The scenario receives the values that were set, a `Limit` with its key.
#[test]
fn derived_parameters_reach_the_scenario() {
    let expected = Derived {
        deadline: Limit::of("all.deadline", Duration::from_secs(7)),
        seek: Latency::Constant(Duration::from_millis(4)),
        inner: Inner { pause: Duration::from_millis(9) },
        ..Derived::default()
    };
    let sets = [("all.deadline", "7s"), ("all.seek", "4ms"), ("all.inner.pause", "9ms")];
    let scenario = WithDerived(expected);
    let settings = Settings::resolve(&scenario, None, "quiet", &sets).unwrap();
    let outcome = Run::new(&scenario, settings, Seed(1)).play(Keep::Nothing).outcome;
    assert_eq!(outcome.verdict, Verdict::Passed);
}

#[test]
fn derived_parameters_are_validated() {
    let wrong = |key: &str, value: &str| {
        let scenario = WithDerived(Derived::default());
        Settings::resolve(&scenario, None, "quiet", &[(key, value)]).unwrap_err().to_string()
    };
    expect!["--set all.clients=10: `all.clients`: the range is 1 to 9"]
        .assert_eq(&wrong("all.clients", "10"));
    expect!["--set all.clients=300: `all.clients`: invalid value: integer `300`, expected a whole number from 0 to 255"].assert_eq(&wrong("all.clients", "300"));
    expect![[r#"--set all.request-timeout=5: `all.request-timeout`: invalid type: integer `5`, expected a duration with its unit, such as "150ms" or "5s""#]].assert_eq(&wrong("all.request-timeout", "5"));
    expect!["--set all.request-timout=5s: unknown parameter `all.request-timout`; did you mean `all.request-timeout`?"].assert_eq(&wrong("all.request-timout", "5s"));
    let file = file("derived.toml", "[all]\ninner = 3\n");
    let scenario = WithDerived(Derived::default());
    let error = Settings::resolve(&scenario, None, &file, &[]).unwrap_err().to_string();
    expect!["TMP/derived.toml: `all.inner`: invalid type: integer `3`, expected a table of parameters"]
        .assert_eq(&error.replace(env!("CARGO_TARGET_TMPDIR"), "TMP"));
}
