//! Nodes that are only metadata servers, and the scenarios that inject faults into them: Restate's
//! `raft_metadata_cluster` tests.
//!
//! In reading order: [`workload`] (a client's operations), [`settings`], [`servers`] (supervised processes), [`history`] (clients and
//! the histories of their operations), [`faults`] (faults of servers, links and disks), and the
//! scenarios [`smoke`], [`failover`], [`chaos`], [`reconfiguration`].

pub mod chaos;
pub mod failover;
pub mod faults;
pub mod history;
pub mod reconfiguration;
pub mod servers;
pub mod settings;
pub mod smoke;
pub mod workload;
