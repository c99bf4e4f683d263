//! Nodes that are metadata servers and nothing else, and the scenarios that break them: Restate's `raft_metadata_cluster` tests.
//!
//! In reading order: [`settings`], [`servers`] (processes that are supervised), [`history`] (clients and what they saw), [`faults`] (what
//! is done to servers, links and disks), and the scenarios [`smoke`], [`failover`], [`chaos`],
//! [`reconfiguration`].

pub mod chaos;
pub mod failover;
pub mod faults;
pub mod history;
pub mod reconfiguration;
pub mod servers;
pub mod settings;
pub mod smoke;
