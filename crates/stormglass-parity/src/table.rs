//! The table of parity: each item of tokio's API, and whether the simulation has it.

use crate::api::{self, Entry, FileApi, Kind};
use crate::compile::{self, Problem, Source};
use crate::workspace::Workspace;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// `docs/parity.toml`: what the compiler cannot say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    /// The number of functions and methods that are the same and that no contract test calls.
    untested: usize,
    /// Items of types that are tokio's own in a simulated build too.
    #[serde(default)]
    tokios_own: Vec<String>,
    /// Items that the simulation does not have.
    #[serde(default)]
    absent: Vec<Absent>,
    /// Items that it has, with another signature or another behaviour.
    #[serde(default)]
    differs: Vec<Differs>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Absent {
    why: String,
    /// Paths; a `*` stands for any text.
    items: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differs {
    how: String,
    items: Vec<String>,
}

/// Where the table is.
const TABLE: &str = "docs/parity.md";
const NOTES: &str = "docs/parity.toml";

/// Errors that say that a name does not exist. Others say that the signature is another.
const MISSING: [&str; 7] = ["E0405", "E0412", "E0425", "E0432", "E0433", "E0576", "E0599"];

/// Compares the table with `docs/parity.md`, or writes it there.
///
/// # Errors
///
/// A text that names each item without a note, each note without an item, and what to do.
pub fn run(workspace: &Workspace, update: bool) -> Result<(), String> {
    let source = workspace.tokio.join("src");
    let named = |path: &str| match path {
        "fs::FileType" | "fs::Metadata" => format!("stormglass_{path}"),
        _ => format!("stormglass_tokio::{path}"),
    };
    let api = api::read(&source, named)?;
    let problems = probe(workspace, "parity", &api)?;
    let notes: Notes = toml::from_str(&workspace.read(&workspace.root.join(NOTES))?)
        .map_err(|error| format!("{NOTES}: {error}"))?;
    let tests = contract_tests(&workspace.root)?;
    let (table, mut complaints) = table(&workspace.tokio_version, &api, &problems, &notes, &tests);
    let path = workspace.root.join(TABLE);
    if update {
        compile::write_if_changed(&path, &table)?;
    } else if workspace.read(&path)? != table {
        complaints.push(format!("{TABLE} is out of date: `scripts/parity --update` writes it"));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// Checks that every probe compiles with tokio itself: a probe that does not is no witness.
///
/// # Errors
///
/// A text with the items whose probes do not compile.
pub fn control(workspace: &Workspace) -> Result<(), String> {
    let named = |path: &str| match path {
        "fs::FileType" | "fs::Metadata" => format!("std::{path}"),
        _ => format!("tokio::{path}"),
    };
    let api = api::read(&workspace.tokio.join("src"), named)?;
    let problems = probe(workspace, "parity-control", &api)?;
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = problems
        .iter()
        .map(|(item, problem)| format!("{item}: {} {}", problem.code, problem.message))
        .collect();
    Err(format!("these probes do not compile with tokio itself:\n{}", lines.join("\n")))
}

/// Compiles the probes; returns the errors by item.
fn probe(workspace: &Workspace, name: &str, api: &[FileApi]) -> Result<BTreeMap<String, Problem>, String> {
    let directory = workspace.target.join(name);
    let crates = workspace.root.join("crates");
    let manifest = format!(
        "[workspace]\n\n[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\nbytes = \"1\"\n\
         stormglass-fs = {{ path = \"{crates}/stormglass-fs\" }}\n\
         stormglass-tokio = {{ path = \"{crates}/stormglass-tokio\" }}\n\
         tokio = {{ version = \"={}\", features = [\"full\"] }}\n",
        workspace.tokio_version,
        crates = crates.display(),
    );
    let put = |name: &str, text: &str| compile::write_if_changed(&directory.join(name), text);
    put("Cargo.toml", &manifest)?;
    put(".cargo/config.toml", &workspace.read(&workspace.root.join(".cargo/config.toml"))?)?;
    if !directory.join("Cargo.lock").exists() {
        put("Cargo.lock", &workspace.read(&workspace.root.join("Cargo.lock"))?)?;
    }
    let mut files = BTreeMap::new();
    let mut root = "#![allow(warnings)]\n".to_string();
    for (number, file) in api.iter().enumerate().filter(|(_, file)| !file.entries.is_empty()) {
        let mut source = Source::default();
        source.push(format!("file {number}: lints"), "#![allow(warnings)]");
        for import in &file.imports {
            source.push(format!("file {number}: {import}"), format!("use {import};"));
        }
        for (entry_number, entry) in file.entries.iter().enumerate() {
            let text = format!("mod probe{entry_number} {{ use super::*; {} }}", entry.probe);
            source.push(entry.path.clone(), text);
        }
        files.insert(format!("src/file{number}.rs"), source);
        writeln!(root, "mod file{number};").expect("a string");
    }
    put("src/lib.rs", &root)?;
    let entries: BTreeSet<&str> =
        api.iter().flat_map(|file| &file.entries).map(|entry| entry.path.as_str()).collect();
    let mut problems = compile::leave_out_errors(&workspace.cargo, &directory, &[], &files)?;
    problems.retain(|part, _| entries.contains(part.as_str()));
    Ok(problems)
}

/// Returns the text of all contract tests.
fn contract_tests(root: &Path) -> Result<String, String> {
    let mut text = String::new();
    for name in ["fs", "net", "tokio"] {
        let tests = root.join(format!("crates/stormglass-{name}/tests/it"));
        let mut files = vec![tests.join("contract.rs")];
        let folder = tests.join("contract");
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        files.extend(entries.flatten().map(|entry| entry.path()));
        for file in files {
            text +=
                &std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(text)
}

/// Whether a contract test calls the function or method.
fn is_tested(entry: &Entry, tests: &str) -> bool {
    let name = entry.path.rsplit("::").next().unwrap_or_default();
    [format!(".{name}("), format!("::{name}("), format!("::{name}::<"), format!("::{name})")]
        .iter()
        .any(|call| tests.contains(call))
}

/// Whether the error says that the simulation does not have the item, rather than that its signature
/// is another. E0277: a trait is not implemented.
fn is_missing(entry: &Entry, problem: &Problem) -> bool {
    MISSING.contains(&problem.code.as_str()) || entry.kind == Kind::Impl && problem.code == "E0277"
}

/// Whether a pattern, in which `*` stands for any text, matches a path.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, end)) => {
            path.len() >= start.len() + end.len() && path.starts_with(start) && path.ends_with(end)
        }
    }
}

/// Returns the table, and what is wrong.
fn table(
    version: &str,
    api: &[FileApi],
    problems: &BTreeMap<String, Problem>,
    notes: &Notes,
    tests: &str,
) -> (String, Vec<String>) {
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    let mut unexplained = false;
    let mut counts = BTreeMap::from([("same", 0), ("differs", 0), ("absent", 0)]);
    let mut untested = Vec::new();
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for entry in api.iter().flat_map(|file| &file.entries) {
        let path = entry.path.as_str();
        let note_of = |items: &'_ [String]| items.iter().find(|pattern| matches(pattern, path)).cloned();
        let absent = notes.absent.iter().find_map(|absent| Some((note_of(&absent.items)?, &absent.why)));
        let differs = notes.differs.iter().find_map(|differs| Some((note_of(&differs.items)?, &differs.how)));
        let (status, note) = match (problems.get(path), absent, differs) {
            (None, _, None) => ("same", String::new()),
            (Some(problem), Some((pattern, why)), None) if is_missing(entry, problem) => {
                used.insert(pattern);
                ("absent", why.clone())
            }
            (_, None, Some((pattern, how))) => {
                used.insert(pattern);
                ("differs", how.clone())
            }
            (Some(problem), ..) => {
                unexplained = true;
                complaints.push(format!("tokio's {path}: {} ({})", problem.message, problem.code));
                ("absent", "?".to_string())
            }
            (None, Some(_), Some(_)) => {
                complaints.push(format!("{NOTES}: {path} is under `absent` and under `differs`"));
                ("differs", "?".to_string())
            }
        };
        *counts.entry(status).or_insert(0) += 1;
        let call = matches!(entry.kind, Kind::Function | Kind::Method);
        let own = note_of(&notes.tokios_own);
        let tested = match () {
            () if !call || status != "same" => "",
            () if own.is_some() => {
                used.extend(own);
                "tokio's own"
            }
            () if is_tested(entry, tests) => "yes",
            () => {
                untested.push(path);
                "no"
            }
        };
        let shown = path.strip_prefix(&format!("{}::", entry.group)).unwrap_or(path);
        let shown = if entry.kind == Kind::Type { "the type itself" } else { shown };
        let shown = if entry.kind == Kind::Type { shown.to_string() } else { format!("`{shown}`") };
        let status = if note.is_empty() { status.to_string() } else { format!("{status}: {note}") };
        groups.entry(&entry.group).or_default().push(format!("| {shown} | {status} | {tested} |"));
    }
    if unexplained {
        complaints.push(format!(
            "implement these items of tokio, or say in {NOTES} under `absent` why they are absent, or under \
             `differs` how they differ"
        ));
    }
    let patterns = notes.absent.iter().flat_map(|absent| &absent.items);
    let patterns = patterns.chain(notes.differs.iter().flat_map(|differs| &differs.items));
    for pattern in patterns.chain(&notes.tokios_own) {
        if !used.contains(pattern) {
            complaints.push(format!(
                "{NOTES}: `{pattern}` is out of date: it matches no item of tokio {version} of which it is true; remove it"
            ));
        }
    }
    if untested.len() != notes.untested {
        complaints.push(format!(
            "{} functions and methods are the same and called by no contract test, {NOTES} says `untested = {}`: {}",
            untested.len(),
            notes.untested,
            if untested.len() > notes.untested { "write contract tests for the new ones" } else { "write the new number there" },
        ));
        complaints.extend(untested.iter().map(|path| format!("untested: {path}")));
    }
    (render(version, &groups, &counts, untested.len()), complaints)
}

fn render(
    version: &str,
    groups: &BTreeMap<&str, Vec<String>>,
    counts: &BTreeMap<&str, usize>,
    untested: usize,
) -> String {
    let mut text = format!(
        "# Parity with tokio {version}\n\n\
         This table says for every type, function, method and trait implementation of `tokio::{{fs, net, signal,\n\
         task}}` on Linux (without io_uring) whether `stormglass_tokio` has it in a simulated build. Its files and\n\
         sockets are those of `stormglass_fs` and `stormglass_net`. `tokio::process` is absent: a process is a\n\
         node. Of the other modules it has tokio's own.\n\n\
         `scripts/parity --update` writes this page: it reads tokio's source, and for each item compiles a\n\
         call with tokio's signature against the simulation. `same` means that the call compiles and that no\n\
         difference of behaviour is known. The reasons of the others are in `docs/parity.toml`. The last\n\
         column says whether a contract test, which runs on the simulation and on the kernel, calls it, or\n\
         that the item is tokio's own in both.\n\n\
         {} are the same, {} differ, {} are absent. No contract test calls {untested} of those that are the\n\
         same.\n",
        counts["same"], counts["differs"], counts["absent"],
    );
    for (group, rows) in groups {
        write!(
            text,
            "\n## `tokio::{group}`\n\n| item | in the simulation | contract test |\n| --- | --- | --- |\n"
        )
        .expect("a string");
        for row in rows {
            writeln!(text, "{row}").expect("a string");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Vec<FileApi> {
        let entry = |path: &str| Entry {
            path: path.to_string(),
            group: "fs::File".to_string(),
            kind: Kind::Method,
            probe: String::new(),
        };
        vec![FileApi { imports: vec![], entries: vec![entry("fs::File::a"), entry("fs::File::b")] }]
    }

    fn missing() -> BTreeMap<String, Problem> {
        let problem = Problem { code: "E0599".to_string(), message: "no method `b`".to_string() };
        BTreeMap::from([("fs::File::b".to_string(), problem)])
    }

    fn notes(text: &str) -> Notes {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_method_that_is_missing_needs_a_reason() {
        let (_, complaints) = table("1", &api(), &missing(), &notes("untested = 0"), "file.a(1)");
        assert_eq!(complaints[0], "tokio's fs::File::b: no method `b` (E0599)");
        assert!(complaints[1].starts_with("implement these items of tokio, or say in docs/parity.toml"));
        let reason = notes("untested = 0\n[[absent]]\nwhy = 'raw'\nitems = ['fs::File::b']");
        let (text, complaints) = table("1", &api(), &missing(), &reason, "file.a(1)");
        assert_eq!(complaints, [""; 0]);
        assert!(text.contains("| `a` | same | yes |\n| `b` | absent: raw |  |\n"), "{text}");
        assert!(text.contains("1 are the same, 0 differ, 1 are absent"), "{text}");
    }

    #[test]
    fn a_reason_for_a_method_that_exists_is_out_of_date() {
        let reason = notes("untested = 0\n[[absent]]\nwhy = 'raw'\nitems = ['fs::File::a']");
        let (_, complaints) = table("1", &api(), &BTreeMap::new(), &reason, "x.a() x.b()");
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains("`fs::File::a` is out of date"));
    }

    #[test]
    fn methods_without_contract_test_are_counted() {
        let (_, complaints) = table("1", &api(), &BTreeMap::new(), &notes("untested = 0"), "x.a()");
        assert!(
            complaints[0].starts_with("1 functions and methods are the same and called by no contract test")
        );
        assert_eq!(complaints[1], "untested: fs::File::b");
        let (_, complaints) = table("1", &api(), &BTreeMap::new(), &notes("untested = 1"), "x.a()");
        assert_eq!(complaints, [""; 0]);
    }

    #[test]
    fn a_pattern_matches_any_text_at_its_star() {
        assert!(matches("impl AsFd for *", "impl AsFd for net::TcpStream"));
        assert!(matches("net::*::into_std", "net::TcpStream::into_std"));
        assert!(!matches("net::*::into_std", "net::TcpStream::from_std"));
        assert!(!matches("fs::File", "fs::File::open"));
    }
}
