//! Compiles generated source and leaves out the parts that do not compile.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// A part of a generated file that can be left out.
#[derive(Clone, Debug)]
pub struct Part {
    /// What the part defines.
    pub name: String,
    pub text: String,
}

/// A generated file: its parts in order, each beginning on a line of its own.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub parts: Vec<Part>,
}

/// A compile error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The error's code, such as `E0599`; empty if it has none.
    pub code: String,
    pub message: String,
}

/// An error and its place.
#[derive(Debug)]
struct Located {
    file: String,
    line: usize,
    problem: Problem,
}

impl Source {
    pub fn push(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.parts.push(Part { name: name.into(), text: text.into() });
    }

    fn text(&self, left_out: &BTreeMap<String, Problem>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            if left_out.contains_key(&part.name) {
                // The lines of the other parts do not move.
                text.push_str(&"\n".repeat(part.text.lines().count()));
            } else {
                text.push_str(part.text.trim_end_matches('\n'));
                text.push('\n');
            }
        }
        text
    }

    /// Returns the part with this line, counted from 1.
    fn part_at(&self, line: usize) -> Option<&Part> {
        let mut last = 0;
        self.parts.iter().find(|part| {
            last += part.text.lines().count();
            line <= last
        })
    }
}

/// Writes the files below `directory`, compiles them with `cargo check` and these arguments, and
/// leaves out the parts with errors, until the rest compiles. Returns the parts that were left out,
/// each with its first error. Names of parts are unique over all files.
///
/// The compiler stops after a phase with errors, so this takes about four rounds: names, types,
/// borrows.
///
/// # Errors
///
/// A text for the reader if cargo fails for another reason.
pub fn leave_out_errors(
    cargo: &Path,
    directory: &Path,
    arguments: &[&str],
    files: &BTreeMap<String, Source>,
) -> Result<BTreeMap<String, Problem>, String> {
    let mut left_out = BTreeMap::new();
    loop {
        for (name, source) in files {
            write_if_changed(&directory.join(name), &source.text(&left_out))?;
        }
        let problems = check(cargo, directory, arguments)?;
        if problems.is_empty() {
            return Ok(left_out);
        }
        let before = left_out.len();
        for Located { file, line, problem } in problems {
            let source = files.get(&file).ok_or_else(|| format!("{file}:{line}: {}", problem.message))?;
            let part = source.part_at(line).ok_or_else(|| format!("{file}:{line}: {}", problem.message))?;
            left_out.entry(part.name.clone()).or_insert(problem);
        }
        if left_out.len() == before {
            return Err("an error is reported in a part that was left out".to_string());
        }
    }
}

/// Writes a file, unless it has this text: cargo compiles what is newer.
///
/// # Errors
///
/// A text that names the path.
pub fn write_if_changed(path: &Path, text: &str) -> Result<(), String> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::write(path, text)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

fn check(cargo: &Path, directory: &Path, arguments: &[&str]) -> Result<Vec<Located>, String> {
    let output = Command::new(cargo)
        .args(["check", "--quiet", "--message-format=json"])
        .args(arguments)
        .current_dir(directory)
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{}: {error}", cargo.display()))?;
    let mut problems = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            problems.extend(locate(&message["message"]));
        }
    }
    if problems.is_empty() && !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(problems)
}

/// Returns the error with the place in the file where its outermost macro is called.
fn locate(message: &serde_json::Value) -> Option<Located> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let spans = message["spans"].as_array()?;
    // Without a place: the summary "aborting due to 3 previous errors".
    let mut span = spans.iter().find(|span| span["is_primary"] == true)?;
    while let Some(outer) = span["expansion"].get("span") {
        span = outer;
    }
    Some(Located {
        file: text(&span["file_name"]),
        line: span["line_start"].as_u64()? as usize,
        problem: Problem { code: text(&message["code"]["code"]), message: text(&message["message"]) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_left_out_keeps_the_lines_of_the_others() {
        let mut source = Source::default();
        source.push("a", "fn a() {\n}");
        source.push("b", "fn b() {}");
        assert_eq!(source.text(&BTreeMap::new()), "fn a() {\n}\nfn b() {}\n");
        let problem = Problem { code: String::new(), message: String::new() };
        let left_out = BTreeMap::from([("a".to_string(), problem)]);
        assert_eq!(source.text(&left_out), "\n\nfn b() {}\n");
        // Line 1 and 2 are the first function, line 3 is the second.
        let names = [1, 2, 3, 4].map(|line| source.part_at(line).map(|part| part.name.as_str()));
        assert_eq!(names, [Some("a"), Some("a"), Some("b"), None]);
    }

    #[test]
    fn an_error_is_where_its_outermost_macro_is_called() {
        let message = serde_json::json!({
            "code": { "code": "E0599" },
            "message": "no method",
            "spans": [{
                "is_primary": true,
                "file_name": "/elsewhere/macros.rs",
                "line_start": 7,
                "expansion": { "span": { "file_name": "src/lib.rs", "line_start": 3, "expansion": null } },
            }],
        });
        let located = locate(&message).unwrap();
        assert_eq!((located.file.as_str(), located.line), ("src/lib.rs", 3));
        assert_eq!(located.problem.code, "E0599");
    }
}
