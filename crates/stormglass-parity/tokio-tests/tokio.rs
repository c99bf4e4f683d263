//! Stands in for tokio: files and sockets are simulated, tasks and time are madsim's, the rest is
//! tokio's.

pub use macros::test;
pub use real::{io, join, pin, runtime, select, sync, try_join};
pub use task::spawn;

pub mod fs {
    pub use stormglass_fs::*;
}

pub mod net {
    pub use stormglass_net::*;
}

pub mod task {
    pub use madsim::task::{JoinError, JoinHandle, spawn, spawn_blocking, spawn_local, yield_now};
}

pub mod time {
    pub use madsim::time::{Duration, Instant, sleep, sleep_until, timeout};
}

/// Runs a test on a simulated machine with a disk, whose `/tmp` is empty, and a host. The test's user
/// is not root, so permissions matter.
pub fn simulate<F: Future>(test: F) -> F::Output {
    use stormglass_core::{Latency, Seed};
    use stormglass_fs::{Disk, DiskProfile};
    use stormglass_net::{NetProfile, Network};
    madsim::runtime::Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        disk.create_dir("/tmp").await.expect("the disk is empty");
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        disk.set_permissions("/tmp", everybody).await.expect("root owns the disk");
        let _disk = disk.as_user(1000, 1000).mount();
        let mut profile = NetProfile::instant();
        // The latency of a wake-up.
        profile.loopback.latency = Latency::from_micros(20);
        let network = Network::new(profile, Seed(1));
        let _host = network.host("node").mount();
        test.await
    })
}
