//! The host time of disk operations, as ratios to turmoil-fs, for three mixes of open, write, sync,
//! rename and read, without and with simulated latency. turmoil-fs runs alone, with its
//! asynchronous files on tokio's paused clock.

use std::io;
use std::time::Duration;
use stormglass_bench::{Case, Ratios, in_turn};

/// The number of rounds of a mix in one execution.
const ROUNDS: u64 = 500;
const PART: [u8; 512] = [7; 512];

/// A mix of operations.
#[derive(Clone, Copy)]
enum Mix {
    /// Atomic replacement of a file, under 100 names in turn: create a temporary file, 4 writes,
    /// sync, rename, open and sync the directory, open and read the file.
    Replace,
    /// Append a record to a log, with a sync every 8th time; every 100th time read the whole log.
    Log,
    /// Write blocks of 512 bytes spread over 1 MiB, read blocks back, and sync at the end.
    Table,
}

impl Mix {
    const ALL: [(Mix, &str); 3] = [(Mix::Replace, "replace"), (Mix::Log, "log"), (Mix::Table, "table")];

    fn operations(self) -> u64 {
        match self {
            Mix::Replace => ROUNDS * 11,
            Mix::Log => ROUNDS + ROUNDS / 8 + ROUNDS / 100 * 2,
            Mix::Table => 2 * ROUNDS + 1,
        }
    }
}

fn name(number: u64) -> String {
    format!("/data/{}", number % 100)
}

/// The mixes, with the same source for every module named `fs`.
macro_rules! play {
    () => {
        async fn play(mix: Mix) -> io::Result<()> {
            fs::create_dir("/data").await?;
            let log = fs::File::create("/data/log").await?;
            let mut options = fs::OpenOptions::new();
            let table = options.read(true).write(true).create(true).open("/data/table").await?;
            let mut block = PART;
            for number in 0..ROUNDS {
                match mix {
                    Mix::Replace => {
                        let file = fs::File::create("/data/aside").await?;
                        for part in 0..4 {
                            file.write_at(&PART, 512 * part).await?;
                        }
                        file.sync_all().await?;
                        fs::rename("/data/aside", name(number)).await?;
                        sync_data_directory().await?;
                        assert_eq!(fs::read(name(number)).await?.len(), 2_048);
                    }
                    Mix::Log => {
                        log.write_at(&PART[..100], 100 * number).await?;
                        if number % 8 == 7 {
                            log.sync_data().await?;
                        }
                        if number % 100 == 99 {
                            assert_eq!(fs::read("/data/log").await?.len() as u64, 100 * (number + 1));
                        }
                    }
                    Mix::Table => {
                        table.write_at(&PART, number * 7 % 2_048 * 512).await?;
                        table.read_at(&mut block, number * 5 % 2_048 * 512).await?;
                        if number + 1 == ROUNDS {
                            table.sync_all().await?;
                        }
                    }
                }
            }
            Ok(())
        }
    };
}

/// The mixes on the simulated files of `stormglass-fs`.
mod ours {
    use super::*;
    use stormglass_core::{Latency, Seed};
    use stormglass_fs::profile::OpCost;
    use stormglass_fs::{self as fs, Disk, DiskProfile, FileExt};

    pub fn run(mix: Mix, latency: Duration) {
        let cost = || OpCost { latency: Latency::Constant(latency), ..OpCost::default() };
        let profile = DiskProfile {
            open: cost(),
            create: cost(),
            read: cost(),
            write: cost(),
            sync: cost(),
            rename: cost(),
            ..DiskProfile::instant()
        };
        madsim::runtime::Runtime::new().block_on(async {
            let _mounted = Disk::new("disk", profile, Seed(1)).mount();
            play(mix).await.expect("the disk works");
        });
    }

    async fn sync_data_directory() -> io::Result<()> {
        fs::File::open("/data").await?.sync_all().await
    }

    play!();
}

/// The mixes on the files of `turmoil-fs`.
mod turmoils {
    use super::*;
    use turmoil_fs::shim::tokio::fs;
    use turmoil_fs::{Fs, FsConfig};

    pub fn run(mix: Mix, latency: Duration) {
        let mut config = FsConfig::default();
        if !latency.is_zero() {
            config.io_latency().min_latency(latency).max_latency(latency);
        }
        let disk = Fs::builder().config(config).seed(1).build();
        let _entered = disk.enter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(play(mix)).expect("the disk works");
    }

    async fn sync_data_directory() -> io::Result<()> {
        fs::sync_dir("/data").await
    }

    play!();
}

const LATENCIES: [(Duration, &str); 2] = [(Duration::ZERO, "no latency"), (Duration::from_millis(1), "1 ms")];

pub fn measure(ratios: &mut Ratios) {
    const SAMPLES: usize = 20;
    for (mix, mix_name) in Mix::ALL {
        for (latency, latency_name) in LATENCIES {
            let samples = in_turn(
                SAMPLES,
                &[
                    Case::new("turmoil-fs", mix.operations(), || turmoils::run(mix, latency)),
                    Case::new("stormglass-fs", mix.operations(), || ours::run(mix, latency)),
                ],
            );
            let what = format!("disk operation, {mix_name}, {latency_name}");
            ratios.add(&what, samples.of("stormglass-fs"), "turmoil-fs", samples.of("turmoil-fs"));
        }
    }
}
