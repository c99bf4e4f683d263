//! Every interval, timeout and retry policy of the metadata server and its client.
//!
//! Defaults are those of Restate 1.7; where another version differs, its model file says so.

use crate::canary::Canary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_rocksdb::WalRecoveryMode;
use std::time::Duration;
use stormglass_core::latency::{HumanDuration, scaled};
use stormglass_core::{SimTime, Stream};
use stormglass_rt::MissedTickBehavior;

/// The settings of a metadata server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RaftSettings {
    /// Raft's unit of time (`metadata-server.raft-tick-interval`). Range: 1 ms to 60 s.
    /// Default: 100 ms. For missed ticks see `missed-ticks`.
    #[serde(with = "HumanDuration")]
    pub tick_interval: Duration,
    /// A follower waits for between this many ticks and twice as many before it campaigns
    /// (`raft-election-tick`). Must exceed the heartbeat's. Default: 10.
    pub election_ticks: u32,
    /// Ticks between a leader's heartbeats (`raft-heartbeat-tick`). At least 1. Default: 2.
    pub heartbeat_ticks: u32,
    /// Time limit for dialling a peer (`metadata-client.connect-timeout`). Default: 3 s.
    #[serde(with = "HumanDuration")]
    pub connect_timeout: Duration,
    /// Idle time of the connection to a peer before a keep-alive ping is sent
    /// (`metadata-client.keep-alive-interval`). Default: 5 s.
    #[serde(with = "HumanDuration")]
    pub keep_alive_interval: Duration,
    /// Time limit for the answer to a keep-alive ping, after which the connection is closed
    /// (`metadata-client.keep-alive-timeout`). Default: 5 s.
    #[serde(with = "HumanDuration")]
    pub keep_alive_timeout: Duration,
    /// Retry policy of a standby server that tries to join. Default: 100 ms × 2 up to 1 s.
    pub join_retry: RetryPolicy,
    /// What happens to ticks that were missed while the member was busy, with a slow sync for
    /// example. Default: `burst`, as in Restate: a follower that was busy for an election timeout
    /// starts an election.
    pub missed_ticks: MissedTickBehavior,
    /// Number of entries applied since the last snapshot at which a snapshot is taken and the log
    /// truncated (`log-trim-threshold`). At least 1. Default: 1000.
    pub trim_threshold: u64,
    /// Capacity of the queue of requests for the store. Further senders wait; a request whose
    /// caller gives up before it is in the queue is never served. At least 1. Default: 2.
    pub request_queue: u32,
    /// Capacity of the queue of join requests. At least 1. Default: 1.
    pub join_queue: u32,
    /// Capacity of the message queues: between two members in each direction, and of messages that
    /// a member has received and not handled. A message for a full queue is not sent. At least 1.
    /// Default: 128.
    pub message_queue: u32,
    /// Interval at which a member reports its [`Status`](crate::Status)
    /// (`metadata-server.status-update-interval`); a change of leadership is reported immediately.
    /// Above 0. Default: 5 s.
    #[serde(with = "HumanDuration")]
    pub status_interval: Duration,
    /// Which of several events a member handles first. Default: `in-order`.
    pub next_event: NextEvent,
    /// Whether a message from a sender that is no peer stops the server with an error, as in March
    /// 2025. Default: false.
    pub strangers_are_fatal: bool,
    /// Whether a standby server repeats its join request immediately after any refusal, as in
    /// March 2025, and not only after one with a leader hint. Default: false.
    pub joins_at_once: bool,
    /// Whether the server's writes block its worker thread, as Restate's do: the task in the
    /// worker's LIFO slot, which sends an answer or a message, waits until the sync is over, and
    /// if no other worker is awake, the whole process does (`stormglass_rt::worker`).
    /// Default: true.
    pub blocking_writes: bool,
    /// Whether a write whose precondition cannot hold any more is refused before it goes through
    /// the log (Restate 6e4156977). Default: true.
    pub refuses_early: bool,
    /// Whether a server opens a database whose WAL ends in a damaged record (Restate 85cbaf014,
    /// 2025-04-15). Default: true.
    pub tolerates_torn_log: bool,
    /// Whether a leader that is stopped transfers its leadership first (Restate PR #3956,
    /// 2025-11-21). Default: true.
    pub leader_transfer: bool,
    /// A deliberate bug, to show that checkers find it. Default: none.
    pub canary: Canary,
    /// The simulated time until which servers have the bug, to find out when it decides. Default: 0, always.
    #[serde(with = "HumanDuration")]
    pub canary_until: Duration,
}

/// Which of several events a member handles first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NextEvent {
    /// Messages of peers before ticks, then a new configuration, requests for the store, joins,
    /// commands, its status (1.7).
    #[default]
    InOrder,
    /// The same order from a random position on, as tokio's `select!` does (March 2025).
    ByChance,
}

impl Default for RaftSettings {
    fn default() -> RaftSettings {
        RaftSettings {
            tick_interval: Duration::from_millis(100),
            election_ticks: 10,
            heartbeat_ticks: 2,
            connect_timeout: Duration::from_secs(3),
            keep_alive_interval: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            join_retry: RetryPolicy::exponential(100, 2.0, 1_000, None),
            missed_ticks: MissedTickBehavior::Burst,
            trim_threshold: 1_000,
            request_queue: 2,
            join_queue: 1,
            message_queue: 128,
            status_interval: Duration::from_secs(5),
            next_event: NextEvent::InOrder,
            strangers_are_fatal: false,
            joins_at_once: false,
            blocking_writes: true,
            refuses_early: true,
            tolerates_torn_log: true,
            leader_transfer: true,
            canary: Canary::None,
            canary_until: Duration::ZERO,
        }
    }
}

impl RaftSettings {
    /// Returns the deliberate bug that servers have at this time.
    pub(crate) fn canary_at(&self, now: SimTime) -> Canary {
        let is_over = !self.canary_until.is_zero() && now >= SimTime::ZERO + self.canary_until;
        if is_over { Canary::None } else { self.canary }
    }

    /// Returns the recovery mode with which the database is opened.
    pub fn recovery(&self) -> WalRecoveryMode {
        if self.tolerates_torn_log {
            WalRecoveryMode::TolerateCorruptedTailRecords
        } else {
            WalRecoveryMode::AbsoluteConsistency
        }
    }

    /// Checks the ranges of the settings and the relations between them.
    ///
    /// # Errors
    ///
    /// The key, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&self.tick_interval) {
            return Err(("tick-interval", "the range is 1ms to 60s".into()));
        }
        if self.heartbeat_ticks == 0 {
            return Err(("heartbeat-ticks", "must be at least 1".into()));
        }
        if self.election_ticks <= self.heartbeat_ticks {
            let heartbeat = self.heartbeat_ticks;
            return Err((
                "election-ticks",
                format!("must exceed raft.heartbeat-ticks, which is {heartbeat}"),
            ));
        }
        for (field, time) in [
            ("keep-alive-interval", self.keep_alive_interval),
            ("keep-alive-timeout", self.keep_alive_timeout),
            ("status-interval", self.status_interval),
        ] {
            if time.is_zero() {
                return Err((field, "must be above 0s".into()));
            }
        }
        for (field, number) in [
            ("trim-threshold", self.trim_threshold),
            ("request-queue", self.request_queue.into()),
            ("join-queue", self.join_queue.into()),
            ("message-queue", self.message_queue.into()),
        ] {
            if number == 0 {
                return Err((field, "must be at least 1".into()));
            }
        }
        self.join_retry.validate().map_err(|problem| ("join-retry", problem))
    }
}

/// The settings of a metadata client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClientSettings {
    /// Time limit for connecting (`metadata-client.connect-timeout`). A call that is connected has
    /// no limit. Default: 3 s.
    #[serde(with = "HumanDuration")]
    pub connect_timeout: Duration,
    /// Retry policy of a read-modify-write after a conflict with another writer
    /// (`metadata-client.backoff-policy`). Default: 100 ms × 1.4, 10 times, up to 1 s.
    pub conflict_retry: RetryPolicy,
    /// Which endpoint the client uses after a call that failed without a leader hint.
    /// Default: `another`.
    pub next_endpoint: NextEndpoint,
    /// How often a call follows a leader hint before it fails. Default: 3.
    pub hint_hops: u32,
}

/// Which endpoint the client uses after a call that failed without a leader hint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NextEndpoint {
    /// A random one, but not the one that has just failed (1.7).
    #[default]
    Another,
    /// A random one (March 2025).
    Any,
    /// The next one (Restate PR #3064, 2025-04-01).
    RoundRobin,
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        ClientSettings {
            connect_timeout: Duration::from_secs(3),
            conflict_retry: RetryPolicy::exponential(100, 1.4, 1_000, Some(10)),
            next_endpoint: NextEndpoint::Another,
            hint_hops: 3,
        }
    }
}

/// Delays between attempts: `initial × factorⁿ`, at most `max`, each with jitter.
///
/// As Restate's `RetryPolicy` (`crates/types/src/retries.rs`): a delay `d` becomes `d + U[3 ms,
/// jitter·d)`, or `d + 3 ms` where that range is empty (with a jitter of 0, `d`); `attempts`
/// counts the delays, so n attempts are n + 1 tries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetryPolicy {
    /// The first delay, before jitter.
    #[serde(with = "HumanDuration")]
    pub initial: Duration,
    /// The ratio of each delay to the one before. Range: 1 and up.
    pub factor: f64,
    /// The longest delay, before jitter.
    #[serde(with = "HumanDuration")]
    pub max: Duration,
    /// The number of delays; `None` (`"unlimited"`) is no limit.
    #[serde(with = "attempts", default)]
    #[schemars(with = "attempts::Attempts")]
    pub attempts: Option<u32>,
    /// The largest random addition to a delay, as a fraction of it. Range: 0 to 1. Default: 0.3.
    #[serde(default = "jitter")]
    pub jitter: f64,
}

fn jitter() -> f64 {
    0.3
}

impl RetryPolicy {
    /// Creates a policy from milliseconds, with the default jitter.
    pub fn exponential(initial_ms: u64, factor: f64, max_ms: u64, attempts: Option<u32>) -> RetryPolicy {
        let (initial, max) = (Duration::from_millis(initial_ms), Duration::from_millis(max_ms));
        RetryPolicy { initial, factor, max, attempts, jitter: jitter() }
    }

    /// Returns the delays of one series of attempts, with jitter from the stream.
    pub fn delays(&self, stream: Stream) -> Delays {
        Delays { policy: self.clone(), next: self.initial, left: self.attempts, stream }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// Names the field that is out of range, its value and the range.
    pub fn validate(&self) -> Result<(), String> {
        if !(self.factor.is_finite() && self.factor >= 1.0) {
            return Err(format!("factor is {}, it must be at least 1", self.factor));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(format!("jitter is {}, the range is 0 to 1", self.jitter));
        }
        if self.max < self.initial {
            return Err("max is below initial".into());
        }
        Ok(())
    }
}

/// The form of `attempts` in TOML: `"unlimited"` or a number.
mod attempts {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(super) enum Attempts {
        Number(u32),
        Word(Word),
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub(super) enum Word {
        Unlimited,
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(attempts: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
        match attempts {
            Some(attempts) => serializer.serialize_u32(*attempts),
            None => serializer.serialize_str("unlimited"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
        match Attempts::deserialize(deserializer) {
            Ok(Attempts::Number(number)) => Ok(Some(number)),
            Ok(Attempts::Word(Word::Unlimited)) => Ok(None),
            _ => Err(de::Error::custom("expected a whole number from 0 to 4294967295, or \"unlimited\"")),
        }
    }
}

/// The delays of one series of attempts.
#[derive(Clone, Debug)]
pub struct Delays {
    policy: RetryPolicy,
    next: Duration,
    left: Option<u32>,
    stream: Stream,
}

impl Delays {
    /// Starts a new series, as after a success. The stream goes on.
    pub fn reset(&mut self) {
        self.next = self.policy.initial;
        self.left = self.policy.attempts;
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        const JITTER_MIN: u64 = 3_000_000;
        let delay = self.next.min(self.policy.max);
        let jitter_max = scaled(delay, self.policy.jitter).as_nanos() as u64;
        let jitter = match jitter_max.checked_sub(JITTER_MIN) {
            _ if self.policy.jitter == 0.0 => 0,
            Some(width) if width > 0 => JITTER_MIN + self.stream.below(width),
            _ => JITTER_MIN,
        };
        self.next = scaled(delay, self.policy.factor);
        Some(delay + Duration::from_nanos(jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_core::Seed;

    /// 100 ms × 2 up to 1 s, five times: 100, 200, 400, 800, 1000, each with up to 30 % on top.
    #[test]
    fn delays_grow_to_the_maximum_and_end() {
        let policy = RetryPolicy::exponential(100, 2.0, 1_000, Some(5));
        let delays: Vec<u128> =
            policy.delays(Seed(1).stream("retry")).map(|delay| delay.as_millis()).collect();
        assert_eq!(delays.len(), 5);
        for (delay, base) in delays.into_iter().zip([100, 200, 400, 800, 1_000]) {
            assert!((base + 3..base + base * 3 / 10).contains(&delay), "{delay} {base}");
        }
    }

    /// 0.3 × 5 ms is below 3 ms, so the jitter is 3 ms.
    #[test]
    fn short_delays_have_the_minimal_jitter() {
        let mut delays = RetryPolicy::exponential(5, 1.0, 5, None).delays(Seed(1).stream("retry"));
        assert_eq!(delays.next(), Some(Duration::from_millis(8)));
    }

    #[test]
    fn without_jitter_delays_are_exact() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::exponential(250, 1.0, 250, Some(2)) };
        let delays: Vec<Duration> = policy.delays(Seed(1).stream("retry")).collect();
        assert_eq!(delays, [Duration::from_millis(250); 2]);
    }

    #[test]
    fn invalid_relations_name_the_key_and_the_range() {
        let settings = RaftSettings { election_ticks: 2, ..RaftSettings::default() };
        let expected = ("election-ticks", "must exceed raft.heartbeat-ticks, which is 2".to_string());
        assert_eq!(settings.validate(), Err(expected));
    }
}
