//! redb on the simulation's disk.

mod backend;
mod process;
mod table;
