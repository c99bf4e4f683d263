//! redb on a simulated disk: its storage backend, and the matrix of its crashes.
//!
//! In reading order, which is the order of dependence: [`backend`] (redb's calls of the operating
//! system), [`database`] (a database in a process that can be killed), [`workload`] (transactions,
//! and the check of what a crash left), [`crash`] (one crash), [`promise`] (what redb documents),
//! [`matrix`] (every crash of every setting), [`table`] (what is printed).

pub mod backend;

pub mod database;

pub mod workload;

pub mod crash;

pub mod promise;

pub mod matrix;

pub mod table;
