//! Stands in for std: files are on the simulated disk of the test, the rest is std's.

pub use std::*;

/// `std::fs`, as far as tokio's tests use it.
pub mod fs {
    use std::io;
    use std::path::Path;
    pub use stormglass_fs::OpenOptions;
    use stormglass_fs::Disk;
    use stormglass_fs::blocking::{BlockingDisk, DeferredLatency};
    pub use stormglass_fs::blocking::BlockingFile;

    fn disk() -> BlockingDisk {
        let disk: Disk = stormglass_rt::mounted().expect("a test has a disk");
        BlockingDisk::new(&disk, &DeferredLatency::new(&disk))
    }

    pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        disk().read(path)
    }

    pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        disk().write(path, contents)
    }

    pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
        disk().create_dir(path)
    }

    pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
        disk().create_dir_all(path)
    }

    pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
        disk().remove_dir_all(path)
    }

    pub fn open_with(options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<BlockingFile> {
        disk().open_with(options, path)
    }

    /// `nix::unistd::mkfifo`.
    pub fn mkfifo(path: impl AsRef<Path>) -> io::Result<()> {
        let disk: Disk = stormglass_rt::mounted().expect("a test has a disk");
        disk.create_fifo(path)
    }

    /// `Path::exists`.
    pub fn exists(path: impl AsRef<Path>) -> bool {
        disk().try_exists(path).unwrap_or(false)
    }

    /// `Path::is_dir`.
    pub fn is_dir(path: impl AsRef<Path>) -> bool {
        disk().metadata(path).is_ok_and(|metadata| metadata.is_dir())
    }

    /// `std::fs::File`.
    pub struct File;

    impl File {
        pub fn create(path: impl AsRef<Path>) -> io::Result<BlockingFile> {
            disk().open_with(OpenOptions::new().write(true).create(true).truncate(true), path)
        }

        pub fn open(path: impl AsRef<Path>) -> io::Result<BlockingFile> {
            disk().open_with(OpenOptions::new().read(true), path)
        }
    }
}
