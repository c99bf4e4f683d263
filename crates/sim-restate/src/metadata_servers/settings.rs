//! The parameters of these scenarios.

use crate::metadata_servers::workload::KeyOperation;
use crate::settings::PROFILES;
use crate::settings::{METADATA_MODELS, node_names};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_raft::{ClientSettings, RaftSettings};
use std::time::Duration;
use stormglass_core::latency::HumanDuration;
use stormglass_core::{Limit, Workload};
use stormglass_sim::{ParameterSet, Parameters, Preset, SettingsError, Values};

/// The parameters of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MetadataSettings {
    /// The metadata server.
    pub raft: RaftSettings,
    /// The client with which a node adds itself to the configuration.
    pub metadata_client: ClientSettings,
    /// The faults and what the servers have to survive.
    pub chaos: ChaosSettings,
}

/// The faults, and the deadlines of the recovery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ChaosSettings {
    /// The number of servers. Range: 1 to 9. Default: 3.
    pub servers: u32,
    /// The number of members that stay when members join and leave. Range: 1 to 9. Default: 3.
    /// With fewer the store can stall for ever: a server that is added, and is killed before it
    /// learns of that, starts as a standby again, which votes for no candidate and may be needed
    /// for a majority.
    pub members_least: u32,
    /// For how long faults are injected. Default: 20 s, as in Restate's test; none in
    /// `raft-smoke`.
    #[serde(with = "HumanDuration")]
    pub duration: Duration,
    /// The number of faults at once. Range: 0 to 9. Default: 2.
    pub faults: u32,
    /// The maximal duration of a fault; the minimum is a tenth of it. Default: 2 s.
    #[serde(with = "HumanDuration")]
    pub fault_longest: Duration,
    /// The maximal pause after a fault before the next one. Default: 1 s.
    #[serde(with = "HumanDuration")]
    pub calm_longest: Duration,
    /// The number of clients that write and read. Range: 1 to 9. Default: 3.
    pub clients: u32,
    /// The number of keys that they use. Range: 1 to 9. Default: 3.
    pub keys: u32,
    /// What the clients do, instead of operations that the seed draws: steps
    /// `CLIENT+MILLISms:OPERATION` with `;` between them, such as `0+5ms:put 1; 1+20ms:get 1`. The
    /// client pauses for the milliseconds before the operation; `get`, `put` and `delete` have the
    /// number of a key. Default: empty, which leaves it to the seed.
    pub workload: Workload<KeyOperation>,
    /// The limit of a client's request. Default: 2 s.
    #[serde(with = "HumanDuration")]
    pub request_timeout: Duration,
    /// The maximal pause of a client between requests. Default: 100 ms.
    #[serde(with = "HumanDuration")]
    pub pause_longest: Duration,
    /// How often a node fetches the newest configuration (`metadata-update-interval`; 10 s in 1.7,
    /// which is a long time here). Default: 1 s.
    #[serde(with = "HumanDuration")]
    pub refresh_interval: Duration,
    /// The deadline for an acknowledged write after the last fault, and again for all members to
    /// be equal. Default: 10 s, the deadline of Restate's test.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-observer" = true))]
    pub recovery_deadline: Duration,
    /// The deadline for all servers to be members again after members have left and joined.
    /// Default: 20 s.
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
            workload: Workload::default(),
            request_timeout: Duration::from_secs(2),
            pause_longest: Duration::from_millis(100),
            refresh_interval: Duration::from_secs(1),
            recovery_deadline: Duration::from_secs(10),
            members_deadline: Duration::from_secs(20),
        }
    }
}

impl ChaosSettings {
    /// Returns the names of the servers' nodes.
    pub(crate) fn names(&self) -> Vec<String> {
        node_names(self.servers)
    }

    /// Returns the deadline of the recovery after a fault.
    pub(crate) fn recovery(&self) -> Limit {
        Limit::of("chaos.recovery-deadline", self.recovery_deadline)
    }

    /// Returns the deadline for all servers to be members again.
    pub(crate) fn members(&self) -> Limit {
        Limit::of("chaos.members-deadline", self.members_deadline)
    }
}

impl MetadataSettings {
    /// Returns parameters without faults.
    pub fn unbroken() -> MetadataSettings {
        let chaos = ChaosSettings { duration: Duration::ZERO, faults: 0, ..ChaosSettings::default() };
        MetadataSettings { chaos, ..MetadataSettings::default() }
    }

    /// Returns what the chaos tests set: 5 and 2 ticks; and a low threshold, so that snapshots are
    /// taken and sent within seconds.
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
        for (index, step) in own.chaos.workload.steps.iter().enumerate() {
            let (key, client) = (step.operation.key(), step.client);
            if key >= own.chaos.keys || client >= own.chaos.clients {
                let (keys, clients) = (own.chaos.keys, own.chaos.clients);
                let problem = format!(
                    "step {index} is key {key} by client {client}, of {keys} keys and {clients} clients, from 0"
                );
                return Err(values.wrong("chaos.workload", problem));
            }
        }
        if own.chaos.refresh_interval.is_zero() {
            return Err(values.wrong("chaos.refresh-interval", "must be above 0s"));
        }
        Ok(own)
    }
}
