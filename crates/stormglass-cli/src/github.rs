//! Annotations of GitHub Actions: lines of a job's log that the page of a pull request shows.

use crate::problem::Problem;

/// Returns an error at the problem's place, with a title. In GitHub's format a line break is `%0A`, and `:` and `,`
/// end a property (docs.github.com, "Workflow commands for GitHub Actions").
pub(crate) fn error(problem: &Problem) -> String {
    let title = format!("{}: {}", problem.scenario, problem.title);
    let title = property(title.lines().next().unwrap_or_default());
    let place = problem.place.as_ref();
    let place =
        place.map_or_else(String::new, |(file, line)| format!("file={},line={line},", property(file)));
    format!("::error {place}title={title}::{}\n", data(&problem.message))
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Rule;

    #[test]
    fn a_message_of_several_lines_is_one_line() {
        let problem = Problem {
            rule: Rule::TimedOut,
            scenario: "trim-gap".into(),
            title: "timed out, twice".into(),
            message: "2 % failed\nreplay it".into(),
            place: None,
            seed: Some(3),
            failed: (2, 100),
            command: String::new(),
        };
        assert_eq!(
            error(&problem),
            "::error title=trim-gap%3A timed out%2C twice::2 %25 failed%0Areplay it\n"
        );
        let placed = Problem { place: Some(("src/a,b.rs".into(), 7)), ..problem };
        assert!(error(&placed).starts_with("::error file=src/a%2Cb.rs,line=7,title="), "{}", error(&placed));
    }
}
