//! The arguments that say what is played: model, profile, fault plan and parameters.

/// What is played: the inputs of a run but its seed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct What {
    /// Which version of the system: a shipped model or a TOML file. The scenario's first if left out.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// How fast disks, links and CPUs are: a shipped profile or a TOML file.
    #[arg(long, default_value = "ci-disk")]
    pub(crate) profile: String,
    /// What breaks, and when: a shipped plan or a TOML file of faults, written down or for each seed to choose.
    #[arg(long)]
    pub(crate) plan: Option<String>,
    /// Set one parameter, for example disk.sync.delay=200ms; `list parameters` names them all. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) sets: Vec<(String, String)>,
}

impl What {
    /// Everything that is set, in order: the plan is a parameter too.
    pub(crate) fn assignments(&self) -> Vec<(&str, &str)> {
        let plan = self.plan.iter().map(|file| ("plan", file.as_str()));
        plan.chain(self.sets.iter().map(|(key, value)| (key.as_str(), value.as_str()))).collect()
    }
}

pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or("expected KEY=VALUE, for example disk.sync.delay=200ms".to_string())?;
    if key.is_empty() {
        return Err("the key before = is missing; `list parameters` names them all".into());
    }
    Ok((key.trim().into(), value.trim().into()))
}
