//! Stands in for tempfile: directories and files below `/tmp` of the simulated disk.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

thread_local! {
    static LAST: Cell<u32> = const { Cell::new(0) };
}

fn next() -> PathBuf {
    LAST.set(LAST.get() + 1);
    PathBuf::from(format!("/tmp/.tmp{}", LAST.get()))
}

pub struct TempDir(PathBuf);

impl TempDir {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for TempDir {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = simstd::fs::remove_dir_all(&self.0);
    }
}

pub fn tempdir() -> io::Result<TempDir> {
    let path = next();
    simstd::fs::create_dir(&path)?;
    Ok(TempDir(path))
}

#[derive(Default)]
pub struct Builder;

impl Builder {
    pub fn new() -> Builder {
        Builder
    }

    pub fn prefix(&mut self, _: &str) -> &mut Builder {
        self
    }

    pub fn tempdir(&self) -> io::Result<TempDir> {
        tempdir()
    }
}

pub struct NamedTempFile {
    path: PathBuf,
    file: simstd::fs::BlockingFile,
}

impl NamedTempFile {
    pub fn new() -> io::Result<NamedTempFile> {
        let path = next();
        let mut options = simstd::fs::OpenOptions::new();
        let file = simstd::fs::open_with(options.read(true).write(true).create_new(true), &path)?;
        Ok(NamedTempFile { path, file })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for NamedTempFile {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl Write for NamedTempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
