//! The same names where nothing is simulated: tokio's.

use crate::ext::FileExt;
use std::fs::TryLockError;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;
pub use tokio::fs::*;

impl FileExt for File {
    async fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buffer.len();
        let read = move |file: &std::fs::File| {
            let mut bytes = vec![0; len];
            let count = file.read_at(&mut bytes, offset)?;
            bytes.truncate(count);
            Ok(bytes)
        };
        let bytes = blocking(self, read).await?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let bytes = bytes.to_vec();
        blocking(self, move |file| file.write_at(&bytes, offset)).await
    }

    async fn allocate(&self, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        blocking(self, move |file| Ok(fallocate(file, FallocateFlags::KEEP_SIZE, 0, len)?)).await
    }

    async fn lock(&self) -> io::Result<()> {
        blocking(self, std::fs::File::lock).await
    }

    async fn lock_shared(&self) -> io::Result<()> {
        blocking(self, std::fs::File::lock_shared).await
    }

    fn try_lock(&self) -> Result<(), TryLockError> {
        same_open_file(self).map_err(TryLockError::Error)?.try_lock()
    }

    fn try_lock_shared(&self) -> Result<(), TryLockError> {
        same_open_file(self).map_err(TryLockError::Error)?.try_lock_shared()
    }

    async fn unlock(&self) -> io::Result<()> {
        blocking(self, std::fs::File::unlock).await
    }
}

/// Runs it on tokio's threads for blocking work, as tokio's own file operations do.
fn blocking<T: Send + 'static>(
    file: &File,
    operation: impl FnOnce(&std::fs::File) -> io::Result<T> + Send + 'static,
) -> impl Future<Output = io::Result<T>> + Send {
    let file = same_open_file(file);
    async move {
        let file = file?;
        tokio::task::spawn_blocking(move || operation(&file)).await.map_err(io::Error::other)?
    }
}

/// The file under tokio's, by another descriptor: what is locked through one is locked through the other.
fn same_open_file(file: &File) -> io::Result<std::fs::File> {
    Ok(file.as_fd().try_clone_to_owned()?.into())
}
