//! Files that are shipped under a name.

use crate::error::SettingsError;

/// A model, a profile, a fault plan or another file that is shipped: TOML documents under a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name on the command line.
    pub name: &'static str,
    /// The TOML documents. Where two set the same key, the later one wins.
    pub layers: &'static [&'static str],
}

impl Preset {
    /// Returns the preset of this name.
    ///
    /// # Errors
    ///
    /// Names `place` (the flag), what kind of file it is, and the nearest existing name.
    pub fn find<'a>(
        presets: &'a [Preset],
        place: &str,
        what: &'static str,
        name: &str,
    ) -> Result<&'a Preset, SettingsError> {
        presets.iter().find(|preset| preset.name == name).ok_or_else(|| {
            let known = presets.iter().map(|preset| preset.name.to_string()).collect();
            SettingsError::unknown(place, what, name, known)
        })
    }

    /// Returns the first comment line of the first document, which describes the preset.
    pub fn about(&self) -> &str {
        let first = self.layers.first().and_then(|layer| layer.lines().next());
        first.unwrap_or_default().trim_start_matches(['#', ' '])
    }
}

/// The fault plans that are shipped.
pub const PLANS: &[Preset] = &[Preset { name: "storm", layers: &[include_str!("../plans/storm.toml")] }];
