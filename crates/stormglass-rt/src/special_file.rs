//! Special files: sockets and FIFOs. A filesystem stores their names, and a network or a pipe the
//! object behind them; neither knows the other.
//!
//! A name is bound to an inode, and the inode to the kernel's object, as on Linux: so the file
//! outlives the process that made it, follows a `rename`, and refers to nothing when its process
//! has ended.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The type of a special file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialKind {
    /// A Unix socket (`S_IFSOCK`).
    Socket,
    /// A FIFO (`S_IFIFO`).
    Fifo,
}

/// The inode of a special file. Clones refer to the same inode.
///
/// ```
/// use std::sync::Arc;
/// use stormglass_rt::{SpecialFile, SpecialKind};
///
/// let file = SpecialFile::new(SpecialKind::Socket);
/// let listener = Arc::new("a listener");
/// file.attach(&listener);
/// assert_eq!(file.object::<&str>(), Some(listener.clone()));
/// drop(listener);
/// assert_eq!(file.object::<&str>(), None);
/// ```
#[derive(Clone)]
pub struct SpecialFile {
    kind: SpecialKind,
    object: Arc<Mutex<Option<Object>>>,
}

type Object = Weak<dyn Any + Send + Sync>;

impl SpecialFile {
    /// Creates an inode that no object is attached to.
    pub fn new(kind: SpecialKind) -> SpecialFile {
        SpecialFile { kind, object: Arc::default() }
    }

    /// The type of the file.
    pub fn kind(&self) -> SpecialKind {
        self.kind
    }

    /// Attaches the kernel's object. The inode does not keep it alive.
    pub fn attach<T: Send + Sync + 'static>(&self, object: &Arc<T>) {
        let weak: Weak<T> = Arc::downgrade(object);
        *self.lock() = Some(weak);
    }

    /// Detaches the object, as a crash of the machine does.
    pub fn detach(&self) {
        *self.lock() = None;
    }

    /// Returns the attached object, if it exists and is of this type.
    pub fn object<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let object = self.lock().as_ref().and_then(Weak::upgrade)?;
        object.downcast().ok()
    }

    /// Whether this is the same inode.
    pub fn is_same(&self, other: &SpecialFile) -> bool {
        Arc::ptr_eq(&self.object, &other.object)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Object>> {
        self.object.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SpecialFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpecialFile").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A filesystem, as sockets and pipes see it. A filesystem mounts itself on a node as
/// [`SpecialFiles`]; on a node without one, paths of sockets are names without files.
pub trait Filesystem: Send + Sync {
    /// Creates a special file (`mknod(2)`).
    ///
    /// # Errors
    ///
    /// EEXIST if the path exists; those of creating a file.
    fn create(&self, path: &Path, kind: SpecialKind) -> io::Result<SpecialFile>;

    /// Returns the special file at a path, following symbolic links, or `None` if the file there is
    /// no special file.
    ///
    /// # Errors
    ///
    /// ENOENT if nothing is there; EACCES for a socket that the process must not write to; those of
    /// looking up a path.
    fn find(&self, path: &Path) -> io::Result<Option<SpecialFile>>;
}

/// The mounted filesystem of a node, for its special files: a value for [`crate::mount()`].
#[derive(Clone)]
pub struct SpecialFiles(Arc<dyn Filesystem>);

impl SpecialFiles {
    /// Wraps a filesystem.
    pub fn of(filesystem: impl Filesystem + 'static) -> SpecialFiles {
        SpecialFiles(Arc::new(filesystem))
    }

    /// As [`Filesystem::create`].
    ///
    /// # Errors
    ///
    /// As [`Filesystem::create`].
    pub fn create(&self, path: &Path, kind: SpecialKind) -> io::Result<SpecialFile> {
        self.0.create(path, kind)
    }

    /// As [`Filesystem::find`].
    ///
    /// # Errors
    ///
    /// As [`Filesystem::find`].
    pub fn find(&self, path: &Path) -> io::Result<Option<SpecialFile>> {
        self.0.find(path)
    }
}

impl fmt::Debug for SpecialFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpecialFiles")
    }
}
