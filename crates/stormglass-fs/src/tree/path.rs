//! Where a path leads to.

use super::{Body, Inode, ROOT, Tree, Type};
use crate::error;
use std::io;
use std::path::Path;

/// Linux follows so many symbolic links on one path and no more (`MAXSYMLINKS`).
const LINKS_MAX: u32 = 40;
/// The longest name and the longest path (`NAME_MAX`, `PATH_MAX` less the final NUL).
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4_095;

/// Whether a symbolic link at a path's end is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// It is.
    Last,
    /// It is if the path ends in a slash.
    No,
    /// It is not: what is made, moved or removed is the name.
    Never,
}

/// Where a path ends.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(super) directory: Inode,
    /// The last name; none for the root and for a path that ends in dots.
    pub(super) name: Option<&'a str>,
    pub(super) inode: Option<Inode>,
    /// Whether the path ends in a slash: what it leads to has to be a directory.
    pub(super) slash: bool,
}

/// The text of a path.
///
/// # Errors
///
/// `InvalidInput` for what is not UTF-8 or has a NUL.
pub(crate) fn text(path: &Path) -> io::Result<&str> {
    path.to_str()
        .filter(|text| !text.as_bytes().contains(&0))
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl Tree {
    /// Walks along a path.
    ///
    /// # Errors
    ///
    /// `NotFound` or `NotADirectory` for one of the directories, `NotFound` for an empty path; too many links, too long a name.
    pub(super) fn place<'a>(&'a self, path: &'a str, follow: Follow) -> io::Result<Place<'a>> {
        let place = self.place_unchecked(path, follow)?;
        match place.inode {
            Some(inode) if place.slash && self.type_of(inode) != Type::Directory => {
                Err(io::ErrorKind::NotADirectory.into())
            }
            _ => Ok(place),
        }
    }

    /// As [`Tree::place`], but does not mind a slash at the end of a file's path.
    pub(super) fn place_unchecked<'a>(&'a self, path: &'a str, follow: Follow) -> io::Result<Place<'a>> {
        if path.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        if path.len() > PATH_MAX {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        self.walk_along(ROOT, path, follow, &mut 0)
    }

    fn walk_along<'a>(
        &'a self,
        start: Inode,
        path: &'a str,
        follow: Follow,
        links: &mut u32,
    ) -> io::Result<Place<'a>> {
        let mut at = if path.starts_with('/') { ROOT } else { start };
        let slash = path.ends_with('/');
        let bytes = path.as_bytes();
        let past = |from: usize, slashes: bool| {
            let rest = bytes[from..].iter();
            from + rest.take_while(|&&byte| (byte == b'/') == slashes).count()
        };
        let mut place = Place { directory: at, name: None, inode: Some(at), slash: false };
        let mut next = past(0, true);
        while next < bytes.len() {
            let end = past(next, false);
            let name = &path[next..end];
            next = past(end, true);
            let directory = self.directory(at).ok_or(io::ErrorKind::NotADirectory)?;
            let last = next == bytes.len();
            place = match name {
                "." => Place { directory: at, name: None, inode: Some(at), slash },
                ".." => {
                    let above = directory.above;
                    Place { directory: above, name: None, inode: Some(above), slash }
                }
                _ if name.len() > NAME_MAX => return Err(io::ErrorKind::InvalidFilename.into()),
                _ => Place {
                    directory: at,
                    name: Some(name),
                    inode: directory.names.get(name).copied(),
                    slash,
                },
            };
            if let Some(inode) = place.inode
                && let Body::Symlink(target) = &self.node(inode).body
                && (!last || follow == Follow::Last || slash && follow == Follow::No)
            {
                *links += 1;
                if *links > LINKS_MAX {
                    return Err(error::too_many_links());
                }
                place = self.walk_along(at, target, Follow::Last, links)?;
                place.slash |= slash && last;
            }
            if !last {
                at = place.inode.ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(place)
    }
}
