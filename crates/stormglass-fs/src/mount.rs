//! The disk of the node at work, and the functions of `tokio::fs` on it.

use crate::directory::ReadDir;
use crate::disk::Disk;
use crate::metadata::Metadata;
use madsim::task::NodeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

thread_local! {
    /// A run has one thread; what is mounted is taken away by its guard, before the next run at the latest.
    static MOUNTED: RefCell<BTreeMap<NodeId, Disk>> = const { RefCell::new(BTreeMap::new()) };
}

/// No disk is mounted on the node at work. Inside an `io::Error` of the kind `Unsupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no disk is mounted on {0}: call Disk::mount there, or Disk::mount_on with its id, and keep the guard"
)]
pub struct NotMounted(NodeId);

/// A disk that is mounted; dropping it takes the disk away from the node.
#[derive(Debug)]
#[must_use = "dropping the guard takes the disk away from the node"]
pub struct Mount {
    node: NodeId,
    before: Option<Disk>,
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A thread that ends takes its nodes along.
        let _ = MOUNTED.try_with(|mounted| match self.before.take() {
            Some(before) => mounted.borrow_mut().insert(self.node, before),
            None => mounted.borrow_mut().remove(&self.node),
        });
    }
}

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
        self.mount_on(madsim::plugin::node())
    }

    /// As [`Disk::mount`], for another node.
    pub fn mount_on(&self, node: NodeId) -> Mount {
        let before = MOUNTED.with(|mounted| mounted.borrow_mut().insert(node, self.clone()));
        Mount { node, before }
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
    let node = madsim::plugin::node();
    let disk = MOUNTED.with(|mounted| mounted.borrow().get(&node).cloned());
    disk.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, NotMounted(node)))
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
