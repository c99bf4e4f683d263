//! The disk that is mounted on a node.

use crate::disk::Disk;
use madsim::task::NodeId;
use std::io;
use stormglass_rt as rt;

/// A mounted disk; dropping it unmounts the disk from the node.
#[derive(Debug)]
#[must_use = "dropping the guard unmounts the disk"]
pub struct Mount {
    _disk: rt::Mount<Disk>,
    /// The same disk, for the node's sockets and pipes.
    _special_files: rt::Mount<rt::SpecialFiles>,
}

/// The error if no disk is mounted on the current node. Inside an `io::Error` of the kind `Unsupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no disk is mounted on {0}: call Disk::mount there, or Disk::mount_on with its id, and keep the guard"
)]
pub struct NotMounted(NodeId);

impl Disk {
    /// Mounts this disk on the current node: the functions of this crate and `File::open` use it there, in every task and
    /// every incarnation of the node, until the guard is dropped.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use stormglass_fs::{self as fs, Disk, DiskProfile};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let _mounted = Disk::new("disk", DiskProfile::instant(), Seed(1)).mount();
    ///     fs::write("greeting", "hello").await?;
    ///     assert_eq!(fs::read_to_string("greeting").await?, "hello");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a madsim runtime.
    pub fn mount(&self) -> Mount {
        self.mount_on(rt::current_node())
    }

    /// As [`Disk::mount`], for another node.
    pub fn mount_on(&self, node: NodeId) -> Mount {
        Mount {
            _disk: rt::mount(node, self.clone()),
            _special_files: rt::mount(node, rt::SpecialFiles::of(self.clone())),
        }
    }
}

/// Returns the disk that is mounted on the current node.
///
/// # Errors
///
/// `Unsupported` with [`NotMounted`] when there is none.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn current() -> io::Result<Disk> {
    rt::mounted().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, NotMounted(rt::current_node())))
}
