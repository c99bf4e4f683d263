//! The commands `sweep`, `merge` and `report`.

use crate::console::{app_with, file, folder, refused, stormglass};
use expect_test::{Expect, expect};
use std::path::PathBuf;
use stormglass_cli::{App, Exit};
use stormglass_sim::{Scenario, World, scenario};

const SPACE: &str = "
scenario = 'cold-start'
model = 'restate-m25'
profile = 'quiet'
seeds = '0..8'
[[parameter]]
key = 'raft.election-ticks'
values = [5, 20]
[[parameter]]
key = 'admin.deadline'
values = ['500ms', '10s']
";

/// One sweep writes tables, a page, JUnit XML and results; `report` and merged shards print the
/// same report.
#[test]
fn report_is_equal_for_sweep_report_and_merge() {
    let space = file("forms.toml", SPACE);
    let [results, page, junit, again] = ["forms", "forms.html", "forms.xml", "again.html"]
        .map(|name| folder().join(name).to_str().unwrap().to_string());
    let _ = std::fs::remove_dir_all(&results);
    let (exit, out, err) =
        stormglass(&["sweep", &space, "--out", &results, "--html", &page, "--junit", &junit]);
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
    assert!(out.contains("16 runs, ") && out.contains("32 runs (2.0 times as many)"), "{out}");
    assert!(
        out.contains("\n  ") && out.contains("explain cold-start --model restate-m25 --profile quiet"),
        "{out}"
    );
    let (_, reported, _) = stormglass(&["report", &results, "--html", &again]);
    assert_eq!(reported, out);
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&page), read(&again));
    assert!(read(&page).contains("<svg") && read(&junit).contains("<testsuites name=\"forms\" tests=\"4\""));

    let parts = [0, 1, 2].map(|index| {
        let part = folder().join(format!("part-{index}")).to_str().unwrap().to_string();
        let _ = std::fs::remove_dir_all(&part);
        let shard = format!("{index}/3");
        assert_eq!(stormglass(&["sweep", &space, "--out", &part, "--shard", &shard]).0, Exit::Held);
        part
    });
    let merged = folder().join("merged").to_str().unwrap().to_string();
    let (exit, reported, _) = stormglass(&["merge", &parts[0], &parts[1], &parts[2], "--out", &merged]);
    assert_eq!((exit, reported), (Exit::Held, out));
    let table = |folder: &str| std::fs::read(PathBuf::from(folder).join("runs.parquet")).unwrap();
    assert!(table(&merged) == table(&results));
}

/// A scenario whose runs, depending on the seed, pass, panic, never become ready, or yield forever.
struct Ends;

#[scenario(about = "ends in every way")]
impl Scenario for Ends {
    async fn play(&self, world: World) {
        match world.seed().0 % 4 {
            0 => {}
            1 => panic!("on purpose"),
            2 => std::future::pending().await,
            _ => loop {
                madsim::task::yield_now().await;
            },
        }
    }
}

/// A run that panics or exceeds its budget of polls is a row like any other.
#[test]
fn sweep_continues_after_panics_and_stalls() {
    let space = file(
        "ends.toml",
        "scenario = 'ends'\nprofile = 'quiet'\nseeds = '0..8'\nset = { 'run.turns' = 1000 }\n",
    );
    let app = App::default().with_scenario(Ends);
    let (exit, out, _) = app_with(&app, &["sweep", &space, "--markdown"]);
    assert_eq!(exit, Exit::Held);
    expect![[r####"
        ### ends

        | cell     | runs | failed |     failure rate (95 % CI) | first seed |
        |----------|-----:|-------:|---------------------------:|-----------:|
        | as it is |    8 |      4 | 50.00 % (15.70 to 84.30 %) |          1 |

        Causes of failure in "as it is": panicked on harness (2), stalled (2)
    "####]]
    .assert_eq(out.split_inclusive("stalled (2)\n").next().unwrap());
}

/// Half a second is too short for any start: the gate fails with the cells and their upper
/// confidence limits.
#[test]
fn failed_gate_prints_cells_and_limits() {
    let space = file("gate.toml", SPACE);
    let (exit, _, err) = stormglass(&["sweep", &space, "--gate", "flake<0.5@95%"]);
    assert_eq!(exit, Exit::Failed);
    expect![[r#"
        gate: cold-start, admin.deadline=500ms, raft.election-ticks=5: 8 of 8 runs failed; the upper confidence limit of the failure rate is 1.000000, which is not below 0.5
        gate: cold-start, admin.deadline=500ms, raft.election-ticks=20: 8 of 8 runs failed; the upper confidence limit of the failure rate is 1.000000, which is not below 0.5
    "#]].assert_eq(&err);
    let (exit, _, err) =
        stormglass(&["sweep", &file("gate.toml", &SPACE.replace("500ms", "9s")), "--gate", "flake<0.5@95%"]);
    assert_eq!((exit, err.as_str()), (Exit::Held, ""));
}

#[test]
fn list_shows_shipped_sweeps() {
    let (exit, out, _) = stormglass(&["list", "sweeps"]);
    assert_eq!(exit, Exit::Held);
    let names: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, ["remedies", "admin-deadline"]);
    assert!(out.contains("What each remedy for the two flaky tests is worth"), "{out}");
}

#[test]
fn invalid_sweeps_are_rejected_with_a_remedy() {
    let wrong = |name: &str, change: &dyn Fn(&str) -> String, expected: Expect| {
        refused(&["sweep", &file(name, &change(SPACE))], expected);
    };
    wrong(
        "objective.toml",
        &|space| format!("objective = ['admin.dedline']\n{space}"),
        expect![
            "error: TMP/objective.toml: `objective`: admin.dedline is not the deadline of a wait in this sweep: `list parameters --grep observer` lists those that are"
        ],
    );
    wrong(
        "observer.toml",
        &|space| {
            format!(
                "sampling = {{ boundary = 'admin.deadline' }}\n{}",
                space.replace("['500ms', '10s']", "['1s', '2s', '3s']")
            )
        },
        expect![[
            r#"error: TMP/observer.toml: `sampling`: admin.deadline is an observer: all its values share the same runs, so use sampling = "grid""#
        ]],
    );
    wrong(
        "boundary.toml",
        &|space| format!("sampling = {{ boundary = 'raft.ticks' }}\n{space}"),
        expect![[
            r#"error: TMP/boundary.toml: `sampling`: boundary = "raft.ticks" is not a parameter of this file: name one that has values"#
        ]],
    );
    wrong(
        "margin.toml",
        &|space| format!("target = {{ margin = 0.5 }}\n{space}"),
        expect!["error: TMP/margin.toml: `target`: margin is 0.5, it must be above 1"],
    );
    wrong(
        "variants.toml",
        &|space| {
            let case = "case = [{ scenario = 'cold-start', variants = ['b'] }]\nvariant = [{ name = 'a' }]\n";
            space.replace("scenario = 'cold-start'", case)
        },
        expect![[
            r#"error: TMP/variants.toml: `case[0].variants`: no variant is named "b"; the variants are a"#
        ]],
    );
    refused(
        &["sweep", "remedies", "--html", "/no/such/folder/page.html"],
        expect![
            "error: /no/such/folder/page.html: cannot be written: No such file or directory (os error 2)"
        ],
    );
    refused(&["sweep", "remedy"], expect!["error: SWEEP: unknown sweep `remedy`; did you mean `remedies`?"]);
}
