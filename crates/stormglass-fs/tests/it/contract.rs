//! The filesystem's contract: the same test bodies run on the simulated filesystem and on tokio's
//! with real files in a temporary directory, and have to make the same observations: values, and
//! of errors the kinds, numbers and texts.

mod any_sequence;

use std::path::{Path, PathBuf};
use stormglass_core::Seed;
use stormglass_fs::{Disk, DiskProfile};

/// The bodies with the simulated filesystem as `fs`.
mod simulated {
    use stormglass_fs::{self as fs, Metadata};
    include!("contract/bodies.rs");
    include!("contract/handles.rs");
}

/// The bodies with tokio's filesystem as `fs`.
mod real {
    use std::fs::Metadata;
    use tokio::fs;
    include!("contract/bodies.rs");
    include!("contract/handles.rs");
}

/// Returns an empty directory for real files.
fn real_directory(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).unwrap();
    root.canonicalize().unwrap()
}

/// Runs a body on both filesystems and compares the observations.
fn on_both(
    name: &str,
    simulated: impl AsyncFnOnce(&Path) -> Vec<String>,
    real: impl AsyncFnOnce(&Path) -> Vec<String>,
) {
    let in_simulation = madsim::runtime::Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        let _mounted = disk.mount();
        disk.create_dir("/root").await.unwrap();
        simulated(Path::new("/root")).await
    });
    let root = real_directory(name);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let in_reality = runtime.block_on(real(&root));
    assert!(!in_reality.is_empty());
    pretty_assert(&in_simulation, &in_reality);
}

/// Compares line by line, so that a failure names its step.
fn pretty_assert(simulated: &[String], real: &[String]) {
    for (simulated, real) in simulated.iter().zip(real) {
        assert_eq!(simulated, real, "left is simulated, right is real");
    }
    assert_eq!(simulated.len(), real.len());
}

macro_rules! contract {
    ($($body:ident)+) => {$(
        #[test]
        fn $body() {
            on_both(stringify!($body), simulated::$body, real::$body);
        }
    )+};
}

contract! {
    handles
    names
    options
    streams
    sharing
    links
    paths
    directories
    whole_trees
    lengths
    metadata
    permissions
    inodes
    times
    flags
    stream_parts
}
