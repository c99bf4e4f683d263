//! The functions of `tokio::fs`, on the disk that is mounted on the current node.

use crate::directory::ReadDir;
use crate::metadata::Metadata;
use crate::mount::current;
use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};

macro_rules! on_the_mounted_disk {
    ($($name:ident($($argument:ident: $type:ty),+) -> $output:ty;)+) => {$(
        #[doc = concat!("[`crate::Disk::", stringify!($name), "`] of the disk that is mounted on the current node.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("Those of [`crate::Disk::", stringify!($name), "`]; `Unsupported` when no disk is mounted.")]
        pub async fn $name($($argument: $type),+) -> io::Result<$output> {
            current()?.$name($($argument),+).await
        }
    )+};
}

crate::functions::each!(on_the_mounted_disk);
