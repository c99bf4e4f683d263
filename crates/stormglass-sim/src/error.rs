//! What is wrong with a setting.

/// An error in a setting: where it is, what is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A name that does not exist.
    #[error("{place}: unknown {what} `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_else(|| format!(" (known: {})", known.join(", "))))]
    Unknown {
        /// The flag or file.
        place: String,
        /// What the name should be: `parameter`, `model`, `profile`.
        what: &'static str,
        /// The unknown name.
        name: String,
        /// The nearest existing name, if one is near.
        nearest: Option<String>,
        /// All existing names, if they are few.
        known: Vec<String>,
    },
    /// A value of the wrong type or out of range.
    #[error("{place}: `{key}`: {problem}")]
    Value {
        /// The flag or file.
        place: String,
        /// The parameter's key.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A file that is not valid TOML.
    #[error("{file}: not valid TOML: {problem}")]
    Syntax {
        /// The file.
        file: String,
        /// The parser's message, with line and column.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{file}: cannot be read: {source}")]
    File {
        /// The file.
        file: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// An assignment without the form `KEY=VALUE`.
    #[error("--set {text}: expected KEY=VALUE, for example disk.sync.delay=200ms")]
    Assignment {
        /// The argument.
        text: String,
    },
}

impl SettingsError {
    /// Returns the error for a name that is not among the existing ones (`known`), with the nearest of them.
    pub fn unknown(place: &str, what: &'static str, name: &str, known: Vec<String>) -> SettingsError {
        let near = |candidate: &&String| strsim::jaro_winkler(name, candidate) > 0.8;
        let nearest = known
            .iter()
            .filter(near)
            .max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
        let nearest = nearest.cloned();
        // A list of more than 20 names is too long to read.
        let known = if known.len() > 20 { vec!["see `stormglass list parameters`".into()] } else { known };
        SettingsError::Unknown { place: place.into(), what, name: name.into(), nearest, known }
    }
}
