//! The file beside a test that keeps the seeds of its failing cases. proptest reads and writes it;
//! what proptest would ignore is an error here.

use ::proptest::test_runner::PersistedSeed;
use std::path::{Path, PathBuf};

/// Returns the file of a property's regressions: beside its source file, with the names of both.
/// `source` is relative to a directory above the working directory, as `file!()` is.
pub(super) fn file_of(source: &str, test: &str) -> PathBuf {
    let function = test.rsplit("::").next().unwrap_or(test);
    let directory = std::env::current_dir().unwrap_or_default();
    let known = directory.ancestors().map(|above| above.join(source)).find(|path| path.is_file());
    known.unwrap_or_else(|| source.into()).with_extension(format!("{function}.regressions"))
}

/// Checks that each line of the file, if it exists, is a seed, a comment or empty. Returns the
/// number of seeds.
///
/// # Errors
///
/// Returns the file, the line and what would be right.
pub(super) fn check(file: &Path) -> Result<usize, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(format!("{}: cannot be read: {error}", file.display())),
    };
    let mut seeds = 0;
    for (index, line) in text.lines().enumerate() {
        let seed = line.split('#').next().unwrap_or_default().trim();
        if seed.is_empty() {
            continue;
        }
        if seed.parse::<PersistedSeed>().is_err() {
            return Err(format!(
                "{}:{}: `{seed}` is not a seed of proptest, which is `cc` and 64 hexadecimal digits; \
                 repair the line, or remove it",
                file.display(),
                index + 1
            ));
        }
        seeds += 1;
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("stormglass-{}-{name}", std::process::id()));
        std::fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn a_damaged_line_is_named() {
        let seed = format!("cc {}", "0f".repeat(32));
        let good = file("good", &format!("# a comment\n\n{seed} # shrinks to 7\n{seed}\n"));
        assert_eq!(check(&good), Ok(2));
        let damaged = file("damaged", &format!("{seed}\ncc 0f0f # shrinks to 7\n"));
        let error = check(&damaged).unwrap_err();
        assert!(error.contains("-damaged:2: `cc 0f0f` is not a seed of proptest"), "{error}");
        assert_eq!(check(Path::new("/no/such/file")), Ok(0));
        for file in [good, damaged] {
            std::fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn the_file_is_beside_the_source() {
        let file = file_of(file!(), "it::regressions::stays");
        let beside = "crates/stormglass/src/proptest/regressions.stays.regressions";
        assert!(file.ends_with(beside) && file.is_absolute(), "{}", file.display());
    }
}
