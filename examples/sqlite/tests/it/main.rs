//! SQLite on the simulation's disk.

mod process;
mod table;
mod vfs;
