//! SQLite on a simulated disk: its VFS, and the matrix of its crashes.
//!
//! In reading order, which is the order of dependence: [`vfs`] (SQLite's calls of the operating
//! system), [`database`] (a connection in a process that can be killed), [`workload`]
//! (transactions, and the check of what a crash left), [`crash`] (one crash), [`promise`] (what
//! SQLite documents), [`matrix`] (every crash of every cell, and the table).

pub mod vfs;

pub mod database;

pub mod workload;

pub mod crash;

pub mod promise;

pub mod matrix;
