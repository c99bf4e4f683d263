//! Command lines to paste into a shell.

use crate::args::{One, What};
use std::path::Path;
use stormglass_core::Seed;

/// The three command lines with which every failure ends: the timeline of the run, its explanation,
/// and its page. `test` is the name of the test whose scenario it is, if it is one's.
pub(crate) fn again(one: &One, seed: Seed, test: Option<&str>) -> String {
    let line = |command, more| format!("  {}\n", command_line(command, one, seed, test, more));
    line("replay", "") + &line("explain", "") + &line("replay", " --html run.html")
}

/// Returns the command line that plays a run again.
pub(crate) fn replay_line(command: &str, scenario: &str, what: &What, seed: Seed) -> String {
    let one = One { run: scenario.into(), what: what.clone(), seed: Some(seed.0), branches: Vec::new() };
    command_line(command, &one, seed, None, "")
}

/// Returns the options that say what is played.
fn options(what: &What, seed: Option<Seed>) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(model) = &what.model {
        words.extend(["--model".into(), quote(model)]);
    }
    if let Some(profile) = &what.profile {
        words.extend(["--profile".into(), quote(profile)]);
    }
    if let Some(plan) = &what.plan {
        words.extend(["--plan".into(), quote(plan)]);
    }
    for (key, value) in &what.sets {
        words.extend(["--set".into(), quote(&format!("{key}={value}"))]);
    }
    words.extend(log_option(what));
    words.extend(seed.into_iter().flat_map(|seed| ["--seed".into(), seed.to_string()]));
    words
}

/// Returns the command line that replays the run that another command line names; `test` is the name
/// of the test whose scenario it is, if it is one's.
pub(crate) fn replay_line_of(one: &One, seed: Seed, test: Option<&str>) -> String {
    command_line("replay", one, seed, test, "")
}

/// Returns the command line of a command that plays a run, with further options, which begin with a blank.
pub(crate) fn command_line(command: &str, one: &One, seed: Seed, test: Option<&str>, more: &str) -> String {
    let branches =
        one.branches.iter().map(|branch| format!(" --branch {}ns:{}", branch.at.as_nanos(), branch.seed));
    let branches: String = branches.collect();
    // Without a seed it is 0, and an exhibit or a run file has its own.
    let seed = Some(seed).filter(|_| one.seed.is_some() || (test.is_some() && !one.run.ends_with(".toml")));
    let options = options(&one.what, seed).join(" ") + &branches + more;
    let separator = if options.is_empty() { "" } else { " " };
    match test {
        Some(test) => {
            let command = quote(&format!("{command}{separator}{}", options.trim_start()));
            format!("STORMGLASS={command} cargo test {test} -- --exact --nocapture")
        }
        None => format!("{} {command} {}{separator}{}", program(), quote(&one.run), options.trim_start()),
    }
}

/// Returns the option that names the log.
fn log_option(what: &What) -> Vec<String> {
    what.log.iter().flat_map(|log| ["--log".into(), quote(&log.to_string())]).collect()
}

/// Returns the words that start this program: a cargo command, or its own name.
#[expect(clippy::disallowed_methods, reason = "it changes only the printed command lines")]
fn program() -> String {
    if std::env::var("CARGO").is_ok() {
        return if cfg!(debug_assertions) { "cargo run --" } else { "cargo run --release --" }.into();
    }
    let name = std::env::args().next().unwrap_or_default();
    let name =
        Path::new(&name).file_stem().map_or_else(|| "stormglass".into(), |stem| stem.to_string_lossy());
    name.into_owned()
}

/// Quotes a word for a shell, if necessary.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Splits a command line into words, as a shell does: quotes and backslashes hide spaces. The inverse of
/// [`quote`].
///
/// # Errors
///
/// A quote that is not closed.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        None => return Err(format!("a {c} is not closed in: {text}")),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(rest.next()),
                        Some(inner) => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::args::{Args, Command};
    use clap::Parser;
    use stormglass_core::{Branch, SimTime};

    fn one(run: &str, sets: &[(&str, &str)], seed: Option<u64>) -> One {
        let sets = sets.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let what = What { model: None, profile: Some("quiet".into()), plan: None, sets, log: None };
        One { run: run.into(), what, seed, branches: Vec::new() }
    }

    /// Returns what the three lines mean after a shell has split them.
    fn parsed(one: &One, test: Option<&str>) -> Vec<One> {
        let lines = again(one, Seed(3), test);
        let of_line = |line: &str| {
            let mut words = split(line).expect("a shell can split it");
            let command = match test {
                None => {
                    let command =
                        words.iter().position(|word| ["replay", "explain"].contains(&word.as_str()));
                    words.split_off(command.expect("a command"))
                }
                Some(_) => {
                    let (variable, command) = words[0].split_once('=').expect("a variable");
                    assert_eq!(
                        (variable, &words[1..]),
                        (
                            "STORMGLASS",
                            &split("cargo test storms::lines_stay -- --exact --nocapture").expect("words")[..]
                        )
                    );
                    let mut inner = split(command).expect("a test can split it");
                    inner.insert(1, "lines-stay".into());
                    inner
                }
            };
            let command = ["stormglass".to_string()].into_iter().chain(command);
            match Args::try_parse_from(command).unwrap_or_else(|error| panic!("{line}: {error}")).command {
                Command::Replay(replay) => replay.one,
                Command::Explain(explain) => explain.one,
                other => panic!("{other:?}"),
            }
        };
        lines.lines().map(of_line).collect()
    }

    #[test]
    fn the_three_lines_name_the_same_run_when_they_are_pasted() {
        let faults = "[{ kind = 'kill', node = \"it's\", at = '1s' }]";
        let mut run = one("lines-stay", &[("plan.fault", faults), ("run.horizon", "9s")], Some(3));
        run.what.log = Some("info,service=debug".parse().expect("a filter"));
        run.branches.push(Branch { at: SimTime::from_nanos(5), seed: Seed(7) });
        for test in [None, Some("storms::lines_stay")] {
            let pasted = parsed(&run, test);
            assert_eq!(pasted.len(), 3);
            for pasted in pasted {
                assert_eq!(format!("{pasted:?}"), format!("{run:?}"));
            }
        }
    }

    #[test]
    fn a_run_file_and_an_exhibit_are_named_without_a_seed() {
        for name in ["a run.toml", "incident-2973"] {
            let mut run = one(name, &[], None);
            run.what.profile = None;
            let pasted = parsed(&run, None);
            assert!(pasted.iter().all(|pasted| format!("{pasted:?}") == format!("{run:?}")), "{pasted:?}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_an_error() {
        assert_eq!(split(r#"a 'b c'"d\"e"\ f"#), Ok(vec!["a".into(), "b cd\"e f".into()]));
        assert_eq!(split("a 'b"), Err("a ' is not closed in: a 'b".into()));
    }

    #[test]
    fn a_run_of_a_test_is_replayed_by_the_test() {
        let sets = vec![("run.horizon".to_string(), "9s".to_string())];
        let what =
            What { model: None, profile: Some("quiet".into()), plan: Some("storm".into()), sets, log: None };
        let one = One { run: "lines-stay".into(), what, seed: Some(3), branches: Vec::new() };
        assert_eq!(
            replay_line_of(&one, Seed(3), Some("lines_stay")),
            "STORMGLASS='replay --profile quiet --plan storm --set run.horizon=9s --seed 3' \
             cargo test lines_stay -- --exact --nocapture"
        );
        assert!(
            replay_line_of(&one, Seed(3), None)
                .ends_with("replay lines-stay --profile quiet --plan storm --set run.horizon=9s --seed 3")
        );
    }
}
