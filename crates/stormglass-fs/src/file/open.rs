//! Opening: `open(2)`.

use super::description::Description;
use crate::disk::{Disk, InFlight, State};
use crate::error::Errno;
use crate::operation::Operation;
use crate::options::{Flags, OpenOptions};
use crate::tree::{Follow, Inode, READ, Type, WRITE};
use std::io;
use std::sync::atomic::AtomicU64;
use stormglass_core::Kind;
use stormglass_rt as rt;

impl Description {
    /// Opens a file, with a descriptor of the process.
    pub(super) async fn open(
        disk: &Disk,
        options: &OpenOptions,
        path: &str,
    ) -> io::Result<(Description, rt::Descriptor)> {
        Description::open_with(disk, options.flags()?, path, None).await
    }

    /// Opens a file, and sets its permission bits to `mode` in the same operation.
    pub(super) async fn open_with(
        disk: &Disk,
        flags: Flags,
        path: &str,
        mode: Option<u32>,
    ) -> io::Result<(Description, rt::Descriptor)> {
        let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        let creates =
            flags.unnamed || flags.create && disk.lock().tree.find(path, Follow::Always).is_err_and(missing);
        let kind = if creates { Kind::Create } else { Kind::Open };
        let subject = disk.subject(path);
        let operation = Operation { kind, subject, bytes: 0, target: None, direct: false };
        let in_flight = disk.start(None, operation)?;
        let found = |state: &mut State, _: &InFlight| {
            // open(2) takes the descriptor before it looks the path up.
            let descriptor = rt::Descriptor::open()?;
            let inode = open_inode(state, &flags, path)?;
            if let Some(mode) = mode {
                state.tree.set_mode(inode, mode)?;
            }
            state.tree.open(inode);
            let description = Description {
                disk: disk.clone(),
                inode,
                directory: state.tree.type_of(inode) == Type::Directory,
                options: flags,
                subject,
                epoch: state.epoch(),
                number: state.locks.number(),
                position: AtomicU64::new(0),
            };
            Ok((description, descriptor))
        };
        disk.complete(in_flight, found).await
    }
}

/// Finds or creates the file to open, in the order of Linux's checks (`do_open` and `may_open` of
/// `fs/namei.c`).
fn open_inode(state: &mut State, flags: &Flags, path: &str) -> io::Result<Inode> {
    if flags.create && flags.directory || flags.unnamed && !flags.write {
        return Err(Errno::EINVAL.into());
    }
    let follow = if flags.follow { Follow::Always } else { Follow::TrailingSlash };
    if flags.unnamed {
        check_writable(state)?;
        return state.tree.create_unnamed(path, flags.mode);
    }
    let existing = state.tree.find(path, follow).ok();
    if flags.create && existing.is_none() {
        check_writable(state)?;
    }
    let inode = match flags.create {
        true => state.tree.create(path, flags.exclusive, flags.follow, flags.mode)?,
        false => state.tree.find(path, follow)?,
    };
    let kind = state.tree.type_of(inode);
    let writes = flags.write || flags.truncate;
    if flags.directory && kind != Type::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    if kind == Type::Symlink && !flags.path_only {
        return Err(Errno::ELOOP.into());
    }
    if kind == Type::Directory && (writes || flags.create) {
        return Err(Errno::EISDIR.into());
    }
    if existing.is_some() && !flags.path_only {
        if writes {
            check_writable(state)?;
        }
        state.tree.check(inode, if flags.read { READ } else { 0 } | if writes { WRITE } else { 0 })?;
    }
    if state.tree.special(inode).is_some() && !flags.path_only {
        // A socket; a FIFO is opened by `stormglass_net::unix::pipe`.
        return Err(Errno::ENXIO.into());
    }
    if flags.keep_access_time {
        state.tree.check_owned(inode)?;
    }
    if flags.truncate && existing.is_some() {
        // A file that is empty gets new times all the same.
        if state.tree.stat(inode).len > 0 {
            state.tree.change_file(inode, 0, |contents| contents.set_len(0))?;
        } else {
            state.tree.touch(inode);
        }
    }
    Ok(inode)
}

fn check_writable(state: &State) -> io::Result<()> {
    if state.is_read_only() { Err(Errno::EROFS.into()) } else { Ok(()) }
}
