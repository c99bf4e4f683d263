//! The parameters of a scenario as a type.

use serde::de::DeserializeOwned;
use std::time::Duration;

/// The parameters of a scenario as a type, derived (`#[derive(Parameters)]`). `()` has none.
pub trait Parameters: Clone + Default + Send + Sync + 'static {
    /// Sets the parameter of this key. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the value.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let _ = (key, value);
        Ok(false)
    }

    /// Returns the names of the nodes among which a seed chooses for faults: not used without
    /// simulation.
    fn nodes(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Parameters for () {}

/// Reads a value as it is written in TOML, where a text needs no quotes.
///
/// # Errors
///
/// Says what the type does not accept.
#[doc(hidden)]
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value = format!("value = {text}").parse::<toml::Table>();
    let value = value.ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| toml::Value::String(text.into()));
    value.try_into().map_err(|error: toml::de::Error| error.message().to_string())
}

/// Reads a duration with its unit, such as `150ms`.
///
/// # Errors
///
/// Says what is wrong with the text.
#[doc(hidden)]
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim_matches('"')).map_err(|error| format!("{text:?}: {error}"))
}
