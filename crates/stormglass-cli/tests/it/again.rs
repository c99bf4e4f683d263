//! The three lines with which every failure ends: they play the same run when they are pasted.

use crate::console::{command, folder};
use stormglass::prelude::*;
use stormglass_cli::{App, Exit};

#[derive(Clone, Parameters)]
struct Answers {
    /// How long an answer may take.
    #[parameter(default = "1s")]
    deadline: Limit,
    /// What is asked.
    #[parameter(default = "nothing special")]
    question: String,
}

/// A service that answers only the question `it's "why"`, after its restart never.
struct Asks;

/// A service whose answer is late after a kill
#[scenario]
impl Scenario for Asks {
    fn nodes(&self, _: &Answers) -> Vec<String> {
        vec!["service".into()]
    }

    async fn play(&self, world: World, settings: Answers) {
        let service = world.node("service");
        service.run("serve", std::future::pending::<()>);
        let pause = if settings.question == "it's \"why\"" { 3 } else { 0 };
        let answer = async move {
            sleep(Duration::from_secs(pause)).await;
            tracing::warn!(question = settings.question, "answers late");
        };
        world.wait("answer", "service", settings.deadline, answer).await;
    }
}

const QUESTION: &str = "answers.question=it's \"why\"";

fn app() -> App {
    App::new().with_scenario(Asks)
}

/// Returns the words of a printed line from the command on, as `sh` splits them.
pub(crate) fn words(line: &str) -> Vec<String> {
    let at = [" replay ", " explain "].iter().find_map(|command| line.find(command)).expect("a command");
    let script = format!("printf '%s\\n' {}", &line[at..]);
    let printed = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(printed.status.success(), "{line}: {printed:?}");
    String::from_utf8(printed.stdout).unwrap().lines().map(String::from).collect()
}

/// Plays a failing command; its three last lines, pasted, show the same failure. Returns the output.
fn check(arguments: &[&str]) -> String {
    let (exit, text) = command(&app(), arguments);
    assert_eq!(exit, Exit::Failed, "{text}");
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let lines = &lines[lines.len() - 3..];
    let page = folder().join(format!("again-{}.html", arguments[0]));
    let commands: Vec<String> = lines.iter().map(|line| words(line)[0].clone()).collect();
    assert_eq!(commands, ["replay", "explain", "replay"], "{text}");
    for line in lines {
        let mut words = words(line);
        if let Some(file) = words.iter_mut().find(|word| *word == "run.html") {
            *file = page.to_str().unwrap().into();
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (exit, pasted) = command(&app(), &words);
        assert_eq!(exit, Exit::Failed, "{line}: {pasted}");
        assert!(pasted.contains("answer on service") && pasted.contains("3.000 s"), "{line}: {pasted}");
        assert!(!pasted.starts_with("error"), "{line}: {pasted}");
    }
    assert!(std::fs::read_to_string(page).unwrap().contains("answer on service took 3.000 s"));
    text
}

#[test]
fn the_lines_of_each_command_play_the_same_run() {
    let options = ["asks", "--set", QUESTION, "--set", "answers.deadline=2s"];
    check(&[&["run", "--seed", "5"], &options[..]].concat());
    check(&[&["run", "--seeds", "0..3"], &options[..]].concat());
    check(&[&["replay", "--seed", "5"], &options[..]].concat());
    check(&[&["explain", "--seed", "5"], &options[..]].concat());
    check(&[&["replay", "--seed", "5", "--log", "warn,other=debug"], &options[..]].concat());
    let kill = "plan.fault=[{ kind = 'kill', node = 'service', at = '1s', lasts = '1s' }]";
    check(&[&["shrink", "--seed", "5", "--set", kill], &options[..]].concat());
    check(
        &[&["shrink", "--seed", "5", "--plan", "storm", "--set", "plan.generate.count=1"], &options[..]]
            .concat(),
    );
}

#[test]
fn a_run_that_passes_has_no_such_lines() {
    for words in [["run", "asks"], ["replay", "asks"]] {
        let (exit, text) = command(&app(), &words);
        assert!(exit == Exit::Held && !text.contains("run.html"), "{text}");
    }
}

#[test]
fn a_run_file_can_be_logged() {
    let file = folder().join("again.toml");
    let file = file.to_str().unwrap();
    let (exit, text) = command(&app(), &["run", "asks", "--set", QUESTION, "--save", file]);
    assert_eq!(exit, Exit::Failed, "{text}");
    let (_, silent) = command(&app(), &["replay", file]);
    let (_, logged) = command(&app(), &["replay", file, "--log", "info"]);
    let line = "   3.000s  harness   WARN it::again: answers late question=\"it's \\\"why\\\"\"\n";
    assert!(logged.contains(line) && !silent.contains("answers late"), "{logged}");
    assert_eq!(logged.replace(line, "").replace(" --log info", ""), silent);
}

#[test]
fn log_lines_are_json_between_the_events() {
    let arguments = ["--json", "replay", "asks", "--set", QUESTION, "--log", "info"];
    let (_, text) = command(&app(), &arguments);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["event", "log", "event", "run"], "{text}");
    let log = &lines[1];
    assert_eq!(
        (&log["level"], &log["target"], &log["kind"]),
        (&"warn".into(), &"it::again".into(), &"event".into())
    );
    assert_eq!((&log["fields"]["question"], &log["node"]), (&r#""it's \"why\"""#.into(), &"harness".into()));
    assert_eq!(
        (&lines[0]["number"], &lines[2]["number"]),
        (&1.into(), &(log["after"].as_u64().unwrap() + 1).into())
    );
}

#[test]
fn only_log_lines_or_what_is_around_an_event_is_shown() {
    let asked = ["replay", "asks", "--set", QUESTION, "--log", "info"];
    let (_, log) = command(&app(), &[&asked[..], &["--kind", "log"]].concat());
    assert!(log.contains("answers late") && !log.contains("begins to wait"), "{log}");
    let (_, severe) = command(&app(), &[&asked[..], &["--kind", "log", "--level", "error"]].concat());
    assert!(!severe.contains("answers late"), "{severe}");
    let (_, around) = command(&app(), &[&asked[..], &["--around", "1"]].concat());
    assert!(around.contains("\n▶     1     0.000s  harness  … begins to wait"), "{around}");
    let (exit, beyond) = command(&app(), &[&asked[..], &["--around", "999"]].concat());
    assert_eq!(exit, Exit::Usage);
    assert!(beyond.starts_with("error: --around 999: the run has "), "{beyond}");
    let (_, coloured) = command(&app(), &[&asked[..], &["--color", "always"]].concat());
    assert!(coloured.contains("\u{1b}[") && !log.contains("\u{1b}["), "{coloured}");
}
