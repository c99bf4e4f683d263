//! What a scenario and its test have in simulated and in real builds: plain data.

/// What a run of a scenario is played with unless the caller names something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunDefaults {
    /// The profile: a shipped name or a TOML file. A run without simulation has none.
    pub profile: &'static str,
    /// The fault plan: a shipped name or a TOML file. `None`: no faults. A run without simulation has
    /// none.
    pub plan: Option<&'static str>,
    /// The parameters that are set, and their values.
    pub sets: &'static [(&'static str, &'static str)],
}

impl Default for RunDefaults {
    fn default() -> RunDefaults {
        RunDefaults { profile: "ci-disk", plan: None, sets: &[] }
    }
}

/// Returns the path of a test in its crate, as `cargo test` names it, from what `module_path!` says
/// there.
///
/// ```
/// use stormglass_core::scenario::test_path;
///
/// assert_eq!(test_path("shop::orders::tests", "stay"), "orders::tests::stay");
/// assert_eq!(test_path("storms", "stay"), "stay");
/// ```
pub fn test_path(module: &str, function: &str) -> String {
    match module.split_once("::") {
        Some((_, modules)) => format!("{modules}::{function}"),
        None => function.into(),
    }
}
