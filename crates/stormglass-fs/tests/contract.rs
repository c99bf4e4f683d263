//! What a filesystem does, checked on the simulated one and on real files in a temporary directory: the same
//! bodies, the same observations.

#![expect(clippy::unwrap_used, reason = "what a test takes for granted")]

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use stormglass_core::Seed;
use stormglass_fs::{Disk, DiskProfile, OpenOptions};

/// What a body may do to either filesystem; paths are relative to its root.
trait Files {
    async fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
    async fn create_new(&self, path: &str) -> io::Result<()>;
    async fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    async fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    async fn remove_file(&self, path: &str) -> io::Result<()>;
    async fn remove_dir(&self, path: &str) -> io::Result<()>;
    async fn create_dir(&self, path: &str) -> io::Result<()>;
    async fn create_dir_all(&self, path: &str) -> io::Result<()>;
    async fn read_dir(&self, path: &str) -> io::Result<Vec<String>>;
    /// Opens, unlinks, then reads through the handle.
    async fn read_after_unlink(&self, path: &str) -> io::Result<Vec<u8>>;
}

struct Simulated(Disk);

impl Files for Simulated {
    async fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.write(path, bytes).await
    }
    async fn create_new(&self, path: &str) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).open(&self.0, path).await.map(drop)
    }
    async fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read(path).await
    }
    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to).await
    }
    async fn remove_file(&self, path: &str) -> io::Result<()> {
        self.0.remove_file(path).await
    }
    async fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.0.remove_dir(path).await
    }
    async fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(path).await
    }
    async fn create_dir_all(&self, path: &str) -> io::Result<()> {
        self.0.create_dir_all(path).await
    }
    async fn read_dir(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.read_dir(path).await
    }
    async fn read_after_unlink(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.0.open(path).await?;
        self.0.remove_file(path).await?;
        file.read_at(usize::MAX >> 1, 0).await
    }
}

struct Real(PathBuf);

impl Files for Real {
    async fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(self.0.join(path), bytes)
    }
    async fn create_new(&self, path: &str) -> io::Result<()> {
        std::fs::OpenOptions::new().write(true).create_new(true).open(self.0.join(path)).map(drop)
    }
    async fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(path))
    }
    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.0.join(from), self.0.join(to))
    }
    async fn remove_file(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.join(path))
    }
    async fn remove_dir(&self, path: &str) -> io::Result<()> {
        std::fs::remove_dir(self.0.join(path))
    }
    async fn create_dir(&self, path: &str) -> io::Result<()> {
        std::fs::create_dir(self.0.join(path))
    }
    async fn create_dir_all(&self, path: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.0.join(path))
    }
    async fn read_dir(&self, path: &str) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(self.0.join(path))?;
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        Ok(names)
    }
    async fn read_after_unlink(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(self.0.join(path))?;
        std::fs::remove_file(self.0.join(path))?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(bytes)
    }
}

/// Every body: a list of what was observed, in words.
async fn observe(files: &impl Files) -> Vec<String> {
    let mut seen = Vec::new();
    let mut note = |what: &str, result: io::Result<String>| {
        seen.push(format!("{what}: {}", result.unwrap_or_else(|error| format!("{:?}", error.kind()))));
    };
    let bytes = |result: io::Result<Vec<u8>>| result.map(|bytes| String::from_utf8(bytes).unwrap());
    let done = |result: io::Result<()>| result.map(|()| "done".to_string());
    let list = |result: io::Result<Vec<String>>| result.map(|names| names.join(" "));

    note("read missing", bytes(files.read("missing").await));
    note("write", done(files.write("a", b"one").await));
    note("read", bytes(files.read("a").await));
    note("write shorter", done(files.write("a", b"1").await));
    note("read shorter", bytes(files.read("a").await));
    note("create_new over a file", done(files.create_new("a").await));
    note("write into a missing directory", done(files.write("d/x", b"").await));
    note("mkdir", done(files.create_dir("d").await));
    note("mkdir again", done(files.create_dir("d").await));
    note("mkdir all again", done(files.create_dir_all("d").await));
    note("mkdir below a file", done(files.create_dir("a/x").await));
    note("mkdir all below a file", done(files.create_dir_all("a/x/y").await));
    note("mkdir all deep", done(files.create_dir_all("d/e/f").await));
    note("write deep", done(files.write("d/e/f/x", b"x").await));
    note("read a directory's file through a file", bytes(files.read("a/x").await));
    note("list", list(files.read_dir("").await));
    note("list a file", list(files.read_dir("a").await));
    note("list missing", list(files.read_dir("zz").await));
    note("remove a directory as a file", done(files.remove_file("d").await));
    note("remove a full directory", done(files.remove_dir("d").await));
    note("remove a file as a directory", done(files.remove_dir("a").await));
    note("write over a directory", done(files.write("d", b"").await));
    note("write b", done(files.write("b", b"two").await));
    note("rename over a file", done(files.rename("a", "b").await));
    note("read the replaced", bytes(files.read("b").await));
    note("read the moved", bytes(files.read("a").await));
    note("rename missing", done(files.rename("a", "c").await));
    note("rename a file over a directory", done(files.rename("b", "d").await));
    note("rename a directory over a file", done(files.rename("d", "b").await));
    note("rename a directory into itself", done(files.rename("d", "d/e/g").await));
    note("rename to itself", done(files.rename("b", "b").await));
    note("mkdir g", done(files.create_dir("g").await));
    note("rename a directory over an empty one", done(files.rename("d/e", "g").await));
    note("rename a directory over a full one", done(files.rename("d", "g").await));
    note("list moved", list(files.read_dir("g/f").await));
    note("read after unlink", bytes(files.read_after_unlink("g/f/x").await));
    note("remove an empty directory", done(files.remove_dir("g/f").await));
    note("list at the end", list(files.read_dir("").await));
    seen
}

#[test]
fn the_simulated_filesystem_behaves_like_a_real_one() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract");
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).unwrap();
    let runtime = madsim::runtime::Runtime::new();
    let simulated = runtime.block_on(observe(&Simulated(Disk::new("disk", DiskProfile::instant(), Seed(1)))));
    let real = runtime.block_on(observe(&Real(root)));
    assert_eq!(simulated, real);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    madsim::runtime::Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        for options in [
            OpenOptions::new(),
            *OpenOptions::new().read(true).create(true),
            *OpenOptions::new().read(true).truncate(true),
            *OpenOptions::new().append(true).truncate(true),
        ] {
            assert_eq!(
                options.open(&disk, "x").await.unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{options:?}"
            );
        }
    });
}
