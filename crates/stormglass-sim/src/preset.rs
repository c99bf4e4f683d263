//! Files that are shipped under a name.

/// A model, a profile, a fault plan or another file that is shipped: TOML documents under a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name on the command line.
    pub name: &'static str,
    /// The TOML documents. Where two set the same key, the later one wins.
    pub layers: &'static [&'static str],
}

impl Preset {
    /// Returns the first comment line of the first document, which describes the preset.
    pub fn about(&self) -> &str {
        let first = self.layers.first().and_then(|layer| layer.lines().next());
        first.unwrap_or_default().trim_start_matches(['#', ' '])
    }
}

/// The fault plans that are shipped.
pub const PLANS: &[Preset] = &[Preset { name: "storm", layers: &[include_str!("../plans/storm.toml")] }];
