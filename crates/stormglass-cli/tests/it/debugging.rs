//! `debug`: steps through a run.

use crate::compacts::{app, seeds};
use expect_test::expect;
use stormglass_cli::Exit;

fn run(words: &[&str]) -> (Exit, String, String) {
    let (failed, _) = seeds();
    let run = ["stormglass", "debug", "compacts", "--seed", failed.as_str()];
    app().run_captured(run.iter().chain(words).copied())
}

/// Returns the screen after these keys.
fn screen(keys: &str, size: &str) -> String {
    let (exit, screen, messages) = run(&["--keys", keys, "--size", size]);
    assert_eq!((exit, messages.as_str()), (Exit::Failed, ""));
    screen
}

/// Returns the line that describes the current event, and the last line of the screen.
fn stands(keys: &str) -> (String, String) {
    let screen = screen(keys, "120x24");
    let event = screen.lines().find(|line| line.starts_with("event ") && line.contains(" of "));
    (event.unwrap().to_string(), screen.lines().next_back().unwrap().to_string())
}

#[test]
fn the_screen_shows_the_timeline_the_state_beside_and_the_event_below() {
    expect![[r#"
        compacts with seed 67: timed out waiting for writes on node-1: 2.014 s, the deadline is 1s
          event       time  node     what                                  took │ after event 25, at 0.008s
             18     0.005s  node-1     write log                        0.010ms │node-1: up
             19     0.007s  node-1     fdatasync log                     0.002s │  status       database open
             20     0.007s  node-1     write log                        0.010ms │  disk         22 operations, 4096 B used, 8 B
             21     0.007s  node-1     fdatasync log                    0.532ms │dirty
             22     0.007s  node-1     write log                        0.010ms │  listens      5432
             23     0.008s  node-1     fdatasync log                    0.467ms │  descriptors  2 open
             24     0.008s  node-1     write log                        0.010ms │
        ▶    25     0.008s  node-1   • compacts                                 │waiting for writes on node-1: for 0.008 s, the
                    1.000s  harness  ✗ deadline of writes on node-1      1.000s │deadline is 1.000 s
             26     2.009s  node-1     fdatasync log                    0.990ms │
             27     2.009s  node-1     write log                        0.010ms │writes: 10
             28     2.009s  node-1     fdatasync log                    0.554ms │
             29     2.009s  node-1     write log                        0.010ms │
             30     2.010s  node-1     fdatasync log                    0.872ms │
             31     2.010s  node-1     write log                        0.010ms │
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        event 25 of 45: note compacts, at 0.007758s
        on node-1, task writer; value 0
        A log line: something notable that takes no time of its own.
        waited for 24 0.008s node-1 write log 0.010ms
        caused 26 2.009s node-1 fdatasync log 0.990ms
        ? keys   q quit   n N: /compacts/
    "#]].assert_eq(&screen("/compacts<enter>", "120x24"));
}

#[test]
fn a_narrow_screen_has_the_state_below_the_timeline() {
    expect![[r#"
        compacts with seed 67: timed out waiting for writes on node-1: 2.014 s
          event       time  node     what                                took
              1     0.000s  harness  … begins to wait for writes on node-1
              2     0.000s  node-1   = database: open
              3     0.000s  node-1     create log                     0.040ms
        ▶     4     0.000s  node-1     write log                      0.010ms
              5     0.001s  node-1     fdatasync log                  0.734ms
              6     0.001s  node-1     write log                      0.010ms
              7     0.002s  node-1     fdatasync log                   0.001s
         after event 4, at 0.000s ────────────────────────────────────────────
        node-1: up
          status       database open
          disk         3 operations, 4096 B used, 8 B dirty
          listens      5432
          descriptors  2 open

        waiting for writes on node-1: for 0.000 s, the deadline is 1.000 s
        ──────────────────────────────────────────────────────────────────────
        event 4 of 45: write log, at 0.000050s, took 0.010 ms from 0.000040s
        on node-1, task writer; value 8
        Bytes were written to the page cache; the value is their number.
        waited for 3 0.000s node-1 create log 0.040ms
        caused 5 0.001s node-1 fdatasync log 0.734ms
        ? keys   q quit
    "#]]
    .assert_eq(&screen("jjj", "70x24"));
}

#[test]
fn a_question_mark_shows_every_key() {
    expect![[r#"
        compacts with seed 67: timed out waiting for writes on node-1: 2.014 s, the deadline is 1s
          event       time  node     what                      took │ after event 1, at 0.000s
        ▶     1     0.000s  harness  … begins to wait for writes o… │node-1: up
              2 ┌ keys ────────────────────────────────────────────────────────────────────────────┐B used,
              3 │ j ↓              the next event                                                  │
              4 │ k ↑              the event before                                                │
              5 │ PageDown PageUp  a page of events forward, backward                              │or 0.000
              6 │ g Home, G End    the first event, the last one                                   │
              7 │ o                the next event of the node of this one                          │
              8 │ t                the next event of its task                                      │
              9 │ e                the next event of its kind                                      │
             10 │ s                the next event that `replay` shows without --all                │
             11 │ O T E S          the same backward                                               │
             12 │ /                type a regular expression: the next line that matches           │
             13 │ n N              the next, the previous one of what was last looked for          │
             14 │ :                type 1234 (an event), 7.3s (a time), `node NAME` or `kind KIND` │
             15 │ c                the event that this one had to wait for                         │
             16 │ v                the first event that had to wait for this one                   │
             17 │ Backspace        back to where the last jump began                               │
        ────────│ a                the state of the event's node alone, or of all nodes            │────────
        event 1 │ J K              scroll the state                                                │
        on harne│ ? q              show or hide the keys; quit                                     │
        A wait b└──────────────────────────────────────────────────────────────────────────────────┘
        waited for the start of the run
        caused nothing
        ? keys   q quit
    "#]]
    .assert_eq(&screen("?", "100x26"));
}

#[test]
fn keys_step_forward_and_backward_and_jump_to_nodes_kinds_and_lines() {
    let number = |keys: &str| {
        let (event, _) = stands(keys);
        event.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(number(""), 1);
    assert_eq!(number("jjj<down>"), 5);
    assert_eq!(number("jjjk<up>"), 2);
    assert_eq!(number("k"), 1, "there is none before the first");
    let last = number("G");
    assert_eq!((number("Gj"), number("G<home>"), number("g<end>")), (last, 1, last));
    // The writer writes and syncs in turns, so a sync is two events after the one before.
    let sync = number(":kind fdatasync<enter>");
    assert_eq!((number(":kind fdatasync<enter>e"), number(":kind fdatasync<enter>n")), (sync + 2, sync + 2));
    assert_eq!(number(":kind fdatasync<enter>nnN"), sync + 2);
    // The wait is that of the scenario's task, which has no event but its begin and its end.
    assert_eq!((number("Go"), number("GT")), (last, 1));
    // The story is the note and the end of the wait, which is last.
    assert_eq!(number("/compacts<enter>"), number("G/x<backspace><escape>S"));
}

#[test]
fn an_event_leads_to_its_cause_and_to_what_it_caused_and_back() {
    let (sync, _) = stands(":kind fdatasync<enter>");
    let (write, _) = stands(":kind fdatasync<enter>c");
    assert!(sync.contains(": fdatasync log, at") && write.contains(": write log, at"), "{sync} {write}");
    assert_eq!(stands(":kind fdatasync<enter>cv").0, sync);
    assert_eq!(stands(":kind fdatasync<enter>c<backspace>").0, sync);
}

#[test]
fn numbers_and_times_are_typed_after_a_colon() {
    assert!(stands(":3<enter>").0.starts_with("event 3 of "));
    let (event, _) = stands(":1s<enter>");
    assert!(event.contains("at 2."), "the compaction of 2 s is in progress: {event}");
}

/// What cannot be done is said on the last line, and the run stays where it is.
#[test]
fn what_a_key_cannot_do_is_said() {
    let said = |keys: &str| {
        let (event, said) = stands(keys);
        assert!(event.starts_with("event 1 of "), "{event}");
        said
    };
    assert_eq!(said("n"), "nothing was looked for: press / o t e or s first");
    assert_eq!(said("/no such line<enter>"), "no later event: /no such line/");
    assert_eq!(said("z"), "z does nothing; ? shows the keys");
    assert_eq!(said(":node node-7<enter>"), "node node-7: there is none; there are harness, node-1");
    assert!(
        said(":kind fsink<enter>").starts_with("kind fsink: there is none; there are open, create, read")
    );
    assert_eq!(said(":1h<enter>"), "1h: no event is later; the run ended at 2.014s");
    assert!(said(":99999<enter>").starts_with("99999: the events are numbered from 1 to "));
    assert_eq!(said(":walk<enter>"), "walk: expected 1234, 7.3s, node NAME or kind KIND");
    assert_eq!(said("/(<enter>"), "found open group without closing ')'");
    assert_eq!(said("<backspace>"), "no jump to take back");
}

#[test]
fn without_a_terminal_the_error_says_what_to_do() {
    let (exit, results, messages) = run(&[]);
    assert_eq!((exit, results.as_str()), (Exit::Usage, ""));
    let wanted = [
        "error: `debug` needs a terminal as standard input and output. Without one, --keys KEYS presses keys",
        "replay compacts --seed 67 --around EVENT` prints events",
    ];
    assert!(wanted.iter().all(|wanted| messages.contains(wanted)), "{messages}");
}

#[test]
fn wrong_options_are_refused() {
    let refused = |words: &[&str]| {
        let (exit, _, messages) = run(words);
        assert_eq!(exit, Exit::Usage);
        messages
    };
    assert!(refused(&["--keys", "<entre>"]).starts_with("error: --keys: no key is called <entre>"));
    assert!(refused(&["--keys", "", "--event", "999"]).contains("--event 999: the run has "));
    assert!(refused(&["--break", "999"]).contains("--break 999: the run has "));
    assert!(refused(&["--keys", "", "--size", "120"]).contains("expected COLUMNSxROWS"));
    assert!(refused(&["--json", "--keys", ""]).contains("`replay --json` prints events"));
}

/// What the child process of the next test runs.
#[test]
#[ignore = "a process that stops: the next test starts it"]
fn stops_in_front_of_an_event() {
    let (exit, results, messages) = run(&["--break", "9"]);
    assert_eq!(exit, Exit::Failed);
    assert!(results.starts_with("compacts with seed 67: timed out"), "{results}");
    println!("{messages}");
}

/// The process is stopped (T in /proc) after it has said where, and ends as the run does when it goes on.
#[test]
#[expect(clippy::disallowed_methods, reason = "it waits for a real process")]
fn a_break_stops_the_process_until_it_is_continued() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let test = "debugging::stops_in_front_of_an_event";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let process = child.id();
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    let began = Instant::now();
    while state() != 'T' {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not stop: {}", state());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(child.try_wait().unwrap().is_none());
    let continued = Command::new("kill").args(["-CONT", &process.to_string()]).status().unwrap();
    assert!(continued.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let wanted = format!("process {process} stops in front of event 9, ");
    assert!(text.contains(&wanted), "{text}");
}
