//! A RocksDB-like storage engine on the simulated filesystem.
//!
//! A real RocksDB spends the time that its callers wait for in file operations, above all in
//! syncs, one after the other. This engine performs them: [`Engine::open`] makes the calls that
//! RocksDB makes for a new or an existing database, in the same order, and a synced [`Batch`] is a
//! write and an fdatasync of the write-ahead log (WAL). Column families can be created, dropped,
//! flushed, exported and imported. The data is real: the next incarnation of a killed node reads
//! from the files what the last one wrote.
//!
//! In reading order, which is the order of dependence: `error`, `manifest` (the MANIFEST), `table`
//! (a column family and its SST file), `wal` (the WAL and its recovery modes), `engine` (reads and
//! synced writes), `open` (opening and recovery), `families` (changes of column families,
//! flushes).
//!
//! Left out, because no simulated system waits for it: compaction, bloom filters, block cache,
//! read snapshots.
//!
//! ```
//! use stormglass_core::Seed;
//! use sim_rocksdb::{Batch, Engine};
//! use stormglass_fs::{Disk, DiskProfile};
//!
//! madsim::runtime::Runtime::new().block_on(async {
//!     let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
//!     let mut engine = Engine::open(&disk, "db", &["data"]).await?;
//!     let mut batch = Batch::new();
//!     batch.put(0, b"key", b"value");
//!     engine.write_synced(batch).await?;
//!     drop(engine);
//!     let engine = Engine::open(&disk, "db", &["data"]).await?;
//!     assert_eq!(engine.get(0, b"key"), Some(&b"value"[..]));
//!     Ok::<(), sim_rocksdb::EngineError>(())
//! })?;
//! # Ok::<(), sim_rocksdb::EngineError>(())
//! ```

mod engine;
mod error;
mod families;
mod manifest;
mod open;
mod table;
mod wal;

pub use engine::Engine;
pub use error::EngineError;
pub use wal::{Batch, WalRecoveryMode};
