//! Path resolution: `path_resolution(7)`.

use super::attributes::SEARCH;
use super::nodes::{Body, Inode, Nodes, ROOT, Type};
use crate::error::{self, Errno};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Linux follows at most 40 symbolic links in one path (`MAXSYMLINKS`).
const SYMLINKS_MAX: u32 = 40;
/// The longest name and the longest path (`NAME_MAX`, `PATH_MAX` less the final NUL).
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4_095;

/// When a symbolic link as the last component of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Always.
    Always,
    /// Only if the path ends in a slash.
    TrailingSlash,
    /// Never: the operation creates, renames or removes the entry itself.
    Never,
}

/// The result of path resolution.
#[derive(Debug)]
pub(crate) struct Resolved<'a> {
    pub(super) directory: Inode,
    /// The last component; `None` for the root and for a path that ends in `.` or `..`.
    pub(super) name: Option<&'a str>,
    pub(super) inode: Option<Inode>,
    /// Whether the path ends in a slash: it has to refer to a directory.
    pub(super) trailing_slash: bool,
}

/// Returns a path as UTF-8.
///
/// # Errors
///
/// `InvalidInput` if the path contains a NUL byte, as std has it. EINVAL if it is not UTF-8: what
/// ext4 gives in a directory with strict encoding (`Documentation/admin-guide/ext4.rst`).
pub(crate) fn path_str(path: &Path) -> io::Result<&str> {
    let text = path.to_str().ok_or(Errno::EINVAL)?;
    if text.as_bytes().contains(&0) { Err(error::nul_in_path()) } else { Ok(text) }
}

impl Nodes {
    /// Resolves a path.
    ///
    /// # Errors
    ///
    /// ENOENT, ENOTDIR or EACCES for one of the parent directories, ENOENT for an empty path, ELOOP
    /// for too many symbolic links, ENAMETOOLONG for a name or path that is too long.
    pub(super) fn resolve<'a>(&'a self, path: &'a str, follow: Follow) -> io::Result<Resolved<'a>> {
        let resolved = self.resolve_any(path, follow)?;
        match resolved.inode {
            Some(inode) if resolved.trailing_slash && self.type_of(inode) != Type::Directory => {
                Err(Errno::ENOTDIR.into())
            }
            _ => Ok(resolved),
        }
    }

    /// As [`Nodes::resolve`], but accepts a trailing slash after the name of a file.
    pub(super) fn resolve_any<'a>(&'a self, path: &'a str, follow: Follow) -> io::Result<Resolved<'a>> {
        if path.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if path.len() > PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        self.resolve_from(ROOT, path, follow, &mut 0)
    }

    fn resolve_from<'a>(
        &'a self,
        start: Inode,
        path: &'a str,
        follow: Follow,
        links: &mut u32,
    ) -> io::Result<Resolved<'a>> {
        let mut at = if path.starts_with('/') { ROOT } else { start };
        let trailing_slash = path.ends_with('/');
        let bytes = path.as_bytes();
        let skip = |from: usize, slashes: bool| {
            let rest = bytes[from..].iter();
            from + rest.take_while(|&&byte| (byte == b'/') == slashes).count()
        };
        let mut resolved = Resolved { directory: at, name: None, inode: Some(at), trailing_slash: false };
        let mut next = skip(0, true);
        while next < bytes.len() {
            let end = skip(next, false);
            let name = &path[next..end];
            next = skip(end, true);
            let directory = self.directory(at).ok_or(Errno::ENOTDIR)?;
            self.check(at, SEARCH)?;
            let last = next == bytes.len();
            resolved = match name {
                "." => Resolved { directory: at, name: None, inode: Some(at), trailing_slash },
                ".." => {
                    let parent = directory.parent;
                    Resolved { directory: parent, name: None, inode: Some(parent), trailing_slash }
                }
                _ if name.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG.into()),
                _ => Resolved {
                    directory: at,
                    name: Some(name),
                    inode: directory.entries.get(name).copied(),
                    trailing_slash,
                },
            };
            if let Some(inode) = resolved.inode
                && let Body::Symlink(target) = &self.node(inode).body
                && (!last || follow == Follow::Always || trailing_slash && follow == Follow::TrailingSlash)
            {
                *links += 1;
                if *links > SYMLINKS_MAX {
                    return Err(Errno::ELOOP.into());
                }
                resolved = self.resolve_from(at, target, Follow::Always, links)?;
                resolved.trailing_slash |= trailing_slash && last;
            }
            if !last {
                at = resolved.inode.ok_or(Errno::ENOENT)?;
            }
        }
        Ok(resolved)
    }
}

/// A directory entry (dentry): a name in a directory.
pub(super) struct Dentry {
    pub(super) directory: Inode,
    pub(super) name: Arc<str>,
}

impl Resolved<'_> {
    /// Returns the directory entry.
    ///
    /// # Errors
    ///
    /// EBUSY if the path ends in the root, `.` or `..`.
    pub(super) fn dentry(&self) -> io::Result<Dentry> {
        let name = self.name.ok_or(Errno::EBUSY)?;
        Ok(Dentry { directory: self.directory, name: name.into() })
    }

    /// Returns the directory entry for a new directory.
    ///
    /// # Errors
    ///
    /// EEXIST, or as [`Resolved::dentry`].
    pub(super) fn free_dentry(&self) -> io::Result<Dentry> {
        if self.inode.is_some() {
            return Err(Errno::EEXIST.into());
        }
        self.dentry()
    }

    /// Returns the directory entry for a new file or link, whose name cannot end in a slash.
    ///
    /// # Errors
    ///
    /// ENOENT for a trailing slash, or as [`Resolved::free_dentry`].
    pub(super) fn free_dentry_for_file(&self) -> io::Result<Dentry> {
        let dentry = self.free_dentry()?;
        if self.trailing_slash { Err(Errno::ENOENT.into()) } else { Ok(dentry) }
    }
}
