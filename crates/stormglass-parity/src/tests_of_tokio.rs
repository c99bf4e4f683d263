//! Runs tokio's own tests of files and sockets on the simulation.

use crate::compile::{self, Problem};
use crate::port::{self, Ported, Rules};
use crate::workspace::Workspace;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The seconds of real time that one test may take.
const LIMIT: &str = "20";

/// What happened to a test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// With the last line that it printed about its panic.
    Failed(String),
    /// With the reason.
    LeftOut(String),
}

/// Ports tokio's test files into a crate below the target directory, runs them, and prints what
/// passed, failed and was left out. With `names`, only tests whose names contain one of them run,
/// with their output.
///
/// # Errors
///
/// A text if fewer tests pass than `tokio-tests/rules.toml` says.
pub fn run(workspace: &Workspace, names: &[&str]) -> Result<(), String> {
    let support = workspace.root.join("crates/stormglass-parity/tokio-tests");
    let rules: Rules = toml::from_str(&workspace.read(&support.join("rules.toml"))?)
        .map_err(|error| format!("rules.toml: {error}"))?;
    let directory = workspace.target.join("tokio-tests");
    let mut files = BTreeMap::new();
    let mut ported = BTreeMap::new();
    for file in &rules.files {
        let path = workspace.tokio.join("tests").join(format!("{file}.rs"));
        let ported_file = port::port(file, &workspace.read(&path)?, &rules)?;
        files.insert(format!("src/{file}.rs"), ported_file.source.clone());
        ported.insert(file.clone(), ported_file);
    }
    write_crate(workspace, &support, &directory, &rules)?;
    let cargo = &workspace.cargo;
    let broken = compile::leave_out_errors(cargo, &directory, &["--package", "ported", "--tests"], &files)?;
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    for file in ported.values() {
        add_left_out(&mut outcomes, file, &broken);
    }
    let program = build(cargo, &directory)?;
    for test in list(&program)? {
        if names.is_empty() {
            let outcome = play(&program, &test, false)?;
            outcomes.insert(test, outcome);
        } else if names.iter().any(|name| test.contains(name)) {
            println!("{test}: {:?}", play(&program, &test, true)?);
        }
    }
    if !names.is_empty() {
        for (test, outcome) in
            outcomes.iter().filter(|(test, _)| names.iter().any(|name| test.contains(name)))
        {
            println!("{test}: {outcome:?}");
        }
        return Ok(());
    }
    report(&rules, &outcomes)
}

fn add_left_out(outcomes: &mut BTreeMap<String, Outcome>, file: &Ported, broken: &BTreeMap<String, Problem>) {
    for (test, why) in &file.left_out {
        outcomes.insert(test.clone(), Outcome::LeftOut(why.clone()));
    }
    for (part, tests) in &file.tests {
        if let Some(problem) = broken.get(part) {
            let why = format!("does not compile: {}", problem.message);
            outcomes.extend(tests.iter().map(|test| (test.clone(), Outcome::LeftOut(why.clone()))));
        }
    }
}

/// Prints a table of files and the tests that did not pass, and compares with the expected number.
fn report(rules: &Rules, outcomes: &BTreeMap<String, Outcome>) -> Result<(), String> {
    let mut passed = 0;
    println!("{:<24} passed failed left out", "file");
    for file in &rules.files {
        let mut counts = [0; 3];
        for (_, outcome) in outcomes.iter().filter(|(test, _)| test.split("::").next() == Some(file)) {
            counts[match outcome {
                Outcome::Passed => 0,
                Outcome::Failed(_) => 1,
                Outcome::LeftOut(_) => 2,
            }] += 1;
        }
        passed += counts[0];
        println!("{file:<24} {:>6} {:>6} {:>8}", counts[0], counts[1], counts[2]);
    }
    for (test, outcome) in outcomes {
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(why) => {
                let why: String = why.chars().take(300).collect();
                println!("failed   {test}: {why}");
            }
            Outcome::LeftOut(why) => println!("left out {test}: {why}"),
        }
    }
    println!("{passed} of {} tests pass", outcomes.len());
    let expected = rules.passed;
    if passed < expected {
        return Err(format!("{passed} of tokio's tests pass, {expected} did: see the failures above"));
    }
    if passed > expected {
        println!("more than before: write `passed = {passed}` into rules.toml");
    }
    Ok(())
}

/// Writes the crate of the ported tests, and the crates that stand in for tokio, std and tempfile.
fn write_crate(workspace: &Workspace, support: &Path, directory: &Path, rules: &Rules) -> Result<(), String> {
    let put = |name: &str, text: &str| compile::write_if_changed(&directory.join(name), text);
    let crates = workspace.root.join("crates");
    let manifest = workspace.read(&support.join("Cargo.toml"))?;
    put(
        "Cargo.toml",
        &manifest
            .replace("{crates}", &crates.display().to_string())
            .replace("{tokio}", &workspace.tokio_version),
    )?;
    put(".cargo/config.toml", &workspace.read(&workspace.root.join(".cargo/config.toml"))?)?;
    for name in ["tokio", "simstd", "tempfile", "macros"] {
        let manifest = workspace.read(&support.join(format!("{name}.toml")))?;
        let manifest = manifest.replace("{crates}", &crates.display().to_string());
        put(&format!("{name}/Cargo.toml"), &manifest.replace("{tokio}", &workspace.tokio_version))?;
        put(&format!("{name}/src/lib.rs"), &workspace.read(&support.join(format!("{name}.rs")))?)?;
    }
    let modules: String = rules.files.iter().map(|file| format!("mod {file};\n")).collect();
    put("src/lib.rs", &format!("#![cfg(test)]\n{modules}"))?;
    let lock = directory.join("Cargo.lock");
    if !lock.exists() {
        // Cargo adds what is missing: versions of what both use are the same.
        put("Cargo.lock", &workspace.read(&workspace.root.join("Cargo.lock"))?)?;
    }
    Ok(())
}

/// Builds the ported tests and returns the program.
fn build(cargo: &Path, directory: &Path) -> Result<PathBuf, String> {
    let output = Command::new(cargo)
        .args(["test", "--no-run", "--quiet", "--package", "ported", "--message-format=json"])
        .current_dir(directory)
        .output()
        .map_err(|error| format!("{}: {error}", cargo.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "ported")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| "cargo reports no program of tests".to_string())
}

fn list(program: &Path) -> Result<Vec<String>, String> {
    let output = Command::new(program).arg("--list").output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_string).collect())
}

/// Runs a test in a process of its own: a test that never ends or aborts does not affect others.
fn play(program: &Path, test: &str, show: bool) -> Result<Outcome, String> {
    let output = Command::new("timeout")
        .arg(LIMIT)
        .arg(program)
        .args(["--exact", "--nocapture", "--test-threads=1", test])
        .env("RUST_BACKTRACE", "0")
        .output()
        .map_err(|error| format!("timeout: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if show {
        print!("{}{text}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(match output.status.code() {
        Some(0) => Outcome::Passed,
        Some(124) => Outcome::Failed(format!("does not end within {LIMIT} s")),
        _ => Outcome::Failed(panic_of(&text)),
    })
}

/// Returns place and message of the panic: the line with the place and what follows it.
fn panic_of(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at "));
    let place = lines.next().and_then(|line| line.split("panicked at ").nth(1)).unwrap_or("no panic");
    let message: Vec<&str> = lines
        .take_while(|line| !["note:", "stack backtrace:"].iter().any(|end| line.starts_with(end)))
        .map(str::trim)
        .collect();
    format!("{place} {}", message.join(" "))
}
