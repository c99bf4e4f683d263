//! `diff`, and `explain --what-if`.

use crate::compacts::{app, seeds};
use expect_test::expect;
use stormglass_cli::Exit;

fn run(words: &[&str]) -> (Exit, String, String) {
    app().run_captured(["stormglass"].iter().chain(words).copied())
}

#[test]
fn what_if_shows_the_wait_before_and_after_and_the_first_event_that_differs() {
    let (failed, _) = seeds();
    let (exit, text, messages) =
        run(&["explain", "compacts", "--seed", &failed, "--what-if", "compact.compaction=100ms"]);
    assert_eq!((exit, messages.as_str()), (Exit::Held, ""));
    expect![[r#"
        as it is: timed out waiting for writes on node-1: 2.014 s, the deadline is 1s
        compact.compaction=100ms: passed

        The first event that differs is number 26:
          both         0.007758s node-1/writer note "compacts" took 0ns value 0 after event 24
          first run    2.008748s node-1/writer fdatasync "log" took 990.009µs value 8 after event 25
          second run   0.108748s node-1/writer fdatasync "log" took 990.009µs value 8 after event 25

         wait               as it is  compact.compaction=100ms  difference
         writes on node-1  ✗ 2.014 s                   0.114 s    -1.900 s

        Where the time of writes on node-1 went:

                        as it is  compact.compaction=100ms  difference
         fsync           2.014 s                   0.114 s    -1.900 s
         sum             2.014 s                   0.114 s    -1.900 s
         fdatasync log   2.014 s                   0.114 s    -1.900 s

        45 of 45 and 45 events are in both runs
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_if_of_a_deadline_changes_nothing_but_the_verdict() {
    let (failed, _) = seeds();
    let (_, text, _) = run(&["explain", "compacts", "--seed", &failed, "--what-if", "compact.deadline=5s"]);
    assert!(text.contains("compact.deadline=5s: passed"), "{text}");
    let why = "All events are equal: compact.deadline is the deadline of a wait, which changes nothing but \
               the verdict.";
    assert!(text.contains(why), "{text}");
}

#[test]
fn diff_of_two_seeds_says_what_one_did_that_the_other_did_not() {
    let (failed, passed) = seeds();
    let (exit, text, _) = run(&["diff", "compacts", "--seed", &passed, "--other-seed", &failed]);
    assert_eq!(exit, Exit::Held);
    let at = text.find("What one did").unwrap();
    let only = text[at..].lines().nth(3).unwrap();
    assert!(only.contains("node-1: compacts") && only.contains("1 ×"), "{text}");
    let (_, json, _) = run(&["--json", "diff", "compacts", "--seed", &passed, "--other-seed", &failed]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["type"], "diff");
    assert!(line["only"].as_array().unwrap().iter().any(|only| only["what"] == "compacts"), "{json}");
    assert!(line["first_difference"]["number"].as_u64().unwrap() > 0);
}

#[test]
fn diff_reads_run_files_and_writes_a_page_with_both() {
    let (failed, passed) = seeds();
    let folder = crate::console::folder();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_string();
    for (seed, name) in [(&failed, "failed.toml"), (&passed, "passed.toml")] {
        run(&["run", "compacts", "--seed", seed, "--save", &file(name)]);
    }
    let (one, other, page) = (file("failed.toml"), file("passed.toml"), file("both.html"));
    let (exit, text, messages) = run(&["diff", &one, &other, "--html", &page]);
    assert_eq!(exit, Exit::Held, "{messages}");
    assert!(text.starts_with(&format!("{one}: timed out waiting for writes")), "{text}");
    let page = std::fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("<iframe").count(), 2);
    assert!(!page.contains("http://") && !page.contains("src=\""), "a page needs no other file");
}

#[test]
fn diff_of_one_run_and_of_unknown_keys_is_refused() {
    let (exit, _, messages) = run(&["diff", "compacts", "--seed", "1"]);
    assert_eq!(exit, Exit::Usage);
    expect!["error: one run is named, and a run has no difference to itself: name the second one, or what differs with --other-seed or --what-if KEY=VALUE\n"]
        .assert_eq(&messages);
    let (exit, _, messages) = run(&["diff", "compacts", "--what-if", "compact.compacton=1s"]);
    assert_eq!(exit, Exit::Usage);
    assert!(messages.contains("compact.compaction"), "it names the nearest key: {messages}");
    let (exit, _, messages) =
        run(&["explain", "compacts", "--what-if", "compact.percent=1", "--node", "node-1"]);
    assert_eq!(exit, Exit::Usage);
    assert!(messages.contains("leave out --node"), "{messages}");
}
