//! The parameters of these scenarios.

use crate::settings::{METADATA_MODELS, node_names};
use crate::shipped::PROFILES;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::{ClientSettings, RaftSettings};
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_core::latency::HumanDuration;
use stormglass_sim::{ParameterSet, Parameters, Preset, SettingsError, Values};

/// The parameters of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MetadataSettings {
    /// The metadata server.
    pub raft: RaftSettings,
    /// The client with which a node enters itself.
    pub metadata_client: ClientSettings,
    /// What is done to the servers.
    pub chaos: ChaosSettings,
}

/// What is done to the servers, and what they have to stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ChaosSettings {
    /// How many servers. Range: 1 to 9. Default: 3.
    pub servers: u32,
    /// So many members stay when members come and go. Range: 1 to 9. Default: 3. With fewer the store can stand still for ever: one that is
    /// taken in, and dies before it hears of that, starts as a standby again, who votes for nobody, and may be needed for a majority.
    pub members_least: u32,
    /// How long faults come. Default: 20 s, as in Restate's test; none in `raft-smoke`.
    #[serde(with = "HumanDuration")]
    pub duration: Duration,
    /// How many things break at once. Range: 0 to 9. Default: 2.
    pub faults: u32,
    /// A fault lasts for between a tenth of this and this. Default: 2 s.
    #[serde(with = "HumanDuration")]
    pub fault_longest: Duration,
    /// As long, at most, nothing is broken on purpose after a fault. Default: 1 s.
    #[serde(with = "HumanDuration")]
    pub calm_longest: Duration,
    /// How many clients write and read. Range: 1 to 9. Default: 3.
    pub clients: u32,
    /// Over how many keys. Range: 1 to 9. Default: 3.
    pub keys: u32,
    /// A client gives a request up after this. Default: 2 s.
    #[serde(with = "HumanDuration")]
    pub request_timeout: Duration,
    /// A client pauses for at most this between requests. Default: 100 ms.
    #[serde(with = "HumanDuration")]
    pub pause_longest: Duration,
    /// How often a node asks for the newest configuration (`metadata-update-interval`; 10 s in 1.7, which is a long time here). Default: 1 s.
    #[serde(with = "HumanDuration")]
    pub refresh_interval: Duration,
    /// After the last fault a write has to be acknowledged within this, and all members to be equal within as much again. Default: 10 s, the
    /// deadline of Restate's test.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub recovery_deadline: Duration,
    /// After members have come and gone all servers have to be members again within this. Default: 20 s.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub members_deadline: Duration,
}

impl Default for ChaosSettings {
    fn default() -> ChaosSettings {
        ChaosSettings {
            servers: 3,
            members_least: 3,
            duration: Duration::from_secs(20),
            faults: 2,
            fault_longest: Duration::from_secs(2),
            calm_longest: Duration::from_secs(1),
            clients: 3,
            keys: 3,
            request_timeout: Duration::from_secs(2),
            pause_longest: Duration::from_millis(100),
            refresh_interval: Duration::from_secs(1),
            recovery_deadline: Duration::from_secs(10),
            members_deadline: Duration::from_secs(20),
        }
    }
}

impl ChaosSettings {
    /// The names of the servers' nodes.
    pub(crate) fn names(&self) -> Vec<String> {
        node_names(self.servers)
    }

    /// The deadline of what has to work again after a fault.
    pub(crate) fn recovery(&self) -> Limit {
        Limit::of("chaos.recovery-deadline", self.recovery_deadline)
    }

    /// The deadline of all servers' being members again.
    pub(crate) fn members(&self) -> Limit {
        Limit::of("chaos.members-deadline", self.members_deadline)
    }
}

impl MetadataSettings {
    /// Nothing is broken.
    pub fn unbroken() -> MetadataSettings {
        let chaos = ChaosSettings { duration: Duration::ZERO, faults: 0, ..ChaosSettings::default() };
        MetadataSettings { chaos, ..MetadataSettings::default() }
    }

    /// What the chaos tests set: 5 and 2 ticks; and a low threshold, so that snapshots are taken and sent within seconds.
    pub fn of_the_tests() -> toml::Table {
        toml::toml! {
            [raft]
            election-ticks = 5
            heartbeat-ticks = 2
            trim-threshold = 50
        }
    }
}

impl Parameters for MetadataSettings {
    fn describe(&self) -> ParameterSet {
        ParameterSet::of(self)
    }

    fn nodes(&self) -> Vec<String> {
        self.chaos.names()
    }

    fn models() -> &'static [Preset] {
        METADATA_MODELS
    }

    fn profiles() -> &'static [Preset] {
        PROFILES
    }

    fn read(values: &Values) -> Result<MetadataSettings, SettingsError> {
        let own = MetadataSettings {
            raft: values.section("raft")?,
            metadata_client: values.section("metadata-client")?,
            chaos: values.section("chaos")?,
        };
        own.raft.validate().map_err(|(field, problem)| values.wrong(&format!("raft.{field}"), problem))?;
        let conflict = &own.metadata_client.conflict_retry;
        conflict.validate().map_err(|problem| values.wrong("metadata-client.conflict-retry", problem))?;
        let ranges = [
            ("chaos.servers", own.chaos.servers, 1),
            ("chaos.members-least", own.chaos.members_least, 1),
            ("chaos.clients", own.chaos.clients, 1),
            ("chaos.keys", own.chaos.keys, 1),
            ("chaos.faults", own.chaos.faults, 0),
        ];
        for (key, value, least) in ranges {
            if !(least..=9).contains(&value) {
                return Err(values.wrong(key, format!("the range is {least} to 9")));
            }
        }
        if own.chaos.refresh_interval.is_zero() {
            return Err(values.wrong("chaos.refresh-interval", "must be above 0s"));
        }
        Ok(own)
    }
}
