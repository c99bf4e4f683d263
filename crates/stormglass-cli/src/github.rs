//! Annotations of GitHub Actions: lines of a job's log that the page of a pull request shows.

/// Returns an error with a title. In GitHub's format a line break is `%0A`, and `:` and `,` end a title
/// (docs.github.com, "Workflow commands for GitHub Actions").
pub(crate) fn error(title: &str, message: &str) -> String {
    let title = data(title.lines().next().unwrap_or_default()).replace(':', "%3A").replace(',', "%2C");
    format!("::error title={title}::{}\n", data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_is_one_line() {
        assert_eq!(
            error("trim-gap: timed out, twice", "2 % failed\nreplay it"),
            "::error title=trim-gap%3A timed out%2C twice::2 %25 failed%0Areplay it\n"
        );
    }
}
