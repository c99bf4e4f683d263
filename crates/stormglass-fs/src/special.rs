//! Special files: Unix sockets and FIFOs, whose names are on the disk and whose objects are not.

use crate::deferred::DeferredLatency;
use crate::disk::Disk;
use crate::operation::Operation;
use crate::options::masked;
use crate::tree::{Follow, WRITE, path_str};
use std::io;
use std::path::Path;
use stormglass_core::Kind;
use stormglass_rt::{Filesystem, SpecialFile, SpecialKind};

/// Sockets and pipes of a node use the disk that is mounted on it.
impl Filesystem for Disk {
    /// An operation of the kind `create` that takes effect immediately: `bind(2)` and `mknod(2)` of
    /// a program do not wait. Rules that make an operation fail apply to it.
    fn create(&self, path: &Path, kind: SpecialKind) -> io::Result<SpecialFile> {
        let path = path_str(path)?;
        let operation = Operation {
            kind: Kind::Create,
            subject: self.subject(path),
            bytes: 0,
            target: None,
            direct: false,
        };
        // The mode of bind(2), and what mkfifo(1) asks for.
        let mode = match kind {
            SpecialKind::Socket => masked(0o777),
            SpecialKind::Fifo => masked(0o666),
        };
        let disk = self.deferring_to(&DeferredLatency::recorded(self.recorder()));
        let in_flight = disk.start(None, operation)?;
        disk.finish(in_flight, |state, _| state.tree.create_special(path, kind, mode))
    }

    fn find(&self, path: &Path) -> io::Result<Option<SpecialFile>> {
        let state = self.lock();
        let inode = state.tree.find(path_str(path)?, Follow::Always)?;
        let file = state.tree.special(inode).cloned();
        // Linux: `unix_find_bsd`.
        if file.as_ref().is_some_and(|file| file.kind() == SpecialKind::Socket) {
            state.tree.check(inode, WRITE)?;
        }
        Ok(file)
    }
}

impl Disk {
    /// Creates a FIFO, as `mkfifo(3)` does. `stormglass_net::unix::pipe::OpenOptions` opens it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, `NotFound` if the directory is missing, `NotADirectory`.
    pub fn create_fifo(&self, path: impl AsRef<Path>) -> io::Result<()> {
        Filesystem::create(self, path.as_ref(), SpecialKind::Fifo).map(drop)
    }
}
