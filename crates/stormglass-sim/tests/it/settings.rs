//! A wrong setting is named with its place, its key and the remedy.

use expect_test::{Expect, expect};
use std::path::PathBuf;
use stormglass_sim::{Parameters, Play, Preset, Scenario, Settings, SettingsError, World};

/// A scenario with a model and a parameter of its own.
struct Own;

impl Scenario for Own {
    fn name(&self) -> &str {
        "own"
    }
    fn about(&self) -> &str {
        "own"
    }
    fn models(&self) -> &[Preset] {
        &[Preset { name: "one", layers: &["# The first.\n[server]\nworkers = 4\n"] }]
    }
    fn defaults(&self) -> Parameters {
        "[server]\nworkers = 1\nname = 'x'\n".parse::<toml::Table>().unwrap().into()
    }
    fn validate(&self, settings: &Settings) -> Result<(), SettingsError> {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "the name is only there to be set")]
        struct Server {
            workers: u8,
            name: String,
        }
        let server: Server = settings.section("server")?;
        if server.workers > 8 {
            return Err(settings.wrong("server.workers", "the range is 0 to 8"));
        }
        Ok(())
    }
    fn play(&self, _world: World, _settings: &Settings) -> Play {
        Box::pin(async {})
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
fn assignments() {
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
        expect!["--set run.turns=5: `run.turns`: is 5, it must be at least 1000"],
    );
}

#[test]
fn names() {
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
fn files() {
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
fn settings_survive_their_table() {
    let settings = Settings::resolve(&Own, None, "ci-disk", &[("disk.sync.delay", "200ms")]).unwrap();
    let text = toml::to_string(settings.table()).unwrap();
    let restored = Settings::restore(&Own, "one", "ci-disk", "run.toml", &text.parse().unwrap()).unwrap();
    assert_eq!(restored.table(), settings.table());
}

/// A shipped disk can stand for all of its parameters, in an assignment and in a file; what was set before is gone, what is
/// set after it counts.
#[test]
fn a_disk_can_be_named() {
    let disk = |profile: &str, sets: &[(&str, &str)]| {
        Settings::resolve(&Own, None, profile, sets).unwrap().profile().unwrap().disk
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
            "--set disk.device.stall.factor=0.5: `disk.device.stall.factor`: 0.5 is no slow-down: give 1 or more, inf for a stand-still"
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
