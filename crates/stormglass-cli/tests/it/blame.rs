//! `blame`: what tipped a failed run over.

use crate::compacts::{app, seeds};
use crate::console::folder;
use expect_test::expect;
use stormglass_cli::Exit;

/// The compaction is drawn with 5 %, so that is the chance before it; with it no run passes.
#[test]
fn blame_names_the_event_that_tips_a_run_over() {
    let (failed, _) = seeds();
    let (exit, text, messages) =
        app().run_captured(["stormglass", "blame", "compacts", "--seed", &failed, "--runs", "400"]);
    assert_eq!((exit, messages.as_str()), (Exit::Failed, ""));
    let text = text.split("\n  ").filter(|line| !line.contains("replay")).collect::<Vec<_>>().join("\n  ");
    expect![[r#"
        compacts with seed 67: timed out waiting for writes on node-1: 2.014 s, the deadline is 1s

        What is the chance of this failure, timed out waiting for writes, by 1.100 s?
        From the start, with other random draws: 7 % (95 % CI 2 to 16 %, 4 of 60)

        What tipped it over:

          from 10 % (95 % CI 4 to 21 %, 6 of 58) to 100 % (95 % CI 94 to 100 %, 58 of 58) at
          “compacts” on node-1, 0.008s
            it drew from compaction; it tips 56 of 60 environments over; p < 0.001

        The chance from a moment on, if all draws before it stay as they were:

         time     chance        95 % CI
         0.000 s     7 %    2 % to 16 %
         0.008 s   100 %  94 % to 100 %

        400 runs: each of 56 other random environments was searched for the draw, of 12, that tips it over
    "#]]
    .assert_eq(&text);
}

#[test]
fn blame_gives_the_same_answer_on_any_number_of_threads() {
    let (failed, _) = seeds();
    let blame = |jobs: &str| {
        let words = ["stormglass", "--json", "blame", "compacts", "--seed", &failed, "--runs", "200"];
        app().run_captured(words.into_iter().chain(["--jobs", jobs])).1
    };
    let one = blame("1");
    assert_eq!(one, blame("3"));
    let line: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(line["type"], "blame");
    assert_eq!(line["jumps"].as_array().unwrap().len(), 1);
    let jump = &line["measured"][0];
    assert_eq!(jump["streams"], serde_json::json!(["compaction"]));
    assert_eq!(jump["after"]["failed"], jump["after"]["runs"]);
}

/// A deadline that no run meets.
#[test]
fn blame_says_that_a_run_fails_whatever_its_draws_are() {
    let words = ["stormglass", "blame", "compacts", "--set", "compact.deadline=1us", "--runs", "100"];
    let (exit, text, _) = app().run_captured(words);
    assert_eq!(exit, Exit::Failed);
    assert!(text.contains("Nothing tipped it over: it fails whatever the draws are."), "{text}");
}

#[test]
fn blame_of_a_run_that_passes_is_refused() {
    let (_, passed) = seeds();
    let (exit, _, messages) = app().run_captured(["stormglass", "blame", "compacts", "--seed", &passed]);
    assert_eq!(exit, Exit::Usage);
    expect![
        "error: the run passes, so nothing tipped it over: find a seed that fails with `run --seeds A..B`\n"
    ]
    .assert_eq(&messages);
    let (exit, _, messages) = app().run_captured(["stormglass", "blame", "compacts", "--runs", "5"]);
    assert_eq!(exit, Exit::Usage);
    assert!(messages.contains("5 is not in 100.."), "{messages}");
}

#[test]
fn blame_draws_the_chance_into_the_page() {
    let (failed, _) = seeds();
    let page = folder().join("blame.html");
    let file = page.to_str().unwrap();
    let words = ["stormglass", "blame", "compacts", "--seed", &failed, "--runs", "200", "--html", file];
    let (exit, ..) = app().run_captured(words);
    assert_eq!(exit, Exit::Failed);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(r#""chance":{"failure":"timed out waiting for writes""#));
    assert!(page.contains("“compacts” on node-1"));
}
