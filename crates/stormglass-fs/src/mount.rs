//! The disk of the node at work, and the functions of `tokio::fs` on it.

use crate::directory::ReadDir;
use crate::disk::Disk;
use crate::metadata::Metadata;
use madsim::task::NodeId;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_rt as rt;

/// A disk that is mounted; dropping it takes the disk away from the node.
pub type Mount = rt::Mount<Disk>;

/// No disk is mounted on the node at work. Inside an `io::Error` of the kind `Unsupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no disk is mounted on {0}: call Disk::mount there, or Disk::mount_on with its id, and keep the guard"
)]
pub struct NotMounted(NodeId);

impl Disk {
    /// Makes this the disk of the node at work: the functions of this crate and [`crate::File::open`] use it there, whichever
    /// task calls them, in all lives of the node, until the guard is dropped.
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
        rt::mount(node, self.clone())
    }
}

/// The disk that is mounted on the node at work.
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

macro_rules! on_the_mounted_disk {
    ($($name:ident($($argument:ident: $type:ty),+) -> $output:ty;)+) => {$(
        #[doc = concat!("[`Disk::", stringify!($name), "`] of the disk that is mounted on the node at work.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("Those of [`Disk::", stringify!($name), "`]; `Unsupported` when no disk is mounted.")]
        pub async fn $name($($argument: $type),+) -> io::Result<$output> {
            current()?.$name($($argument),+).await
        }
    )+};
}

crate::functions::each!(on_the_mounted_disk);
