//! Tests of crates from crates.io in a simulated world: see `tests/it`.
