//! What tokio's files lack.

use std::fs::TryLockError;
use std::future::Future;
use std::io;

/// Reading and writing at a place, reserving space, and locks: methods of `std::fs::File` and of
/// `std::os::unix::fs::FileExt` that `tokio::fs::File` does not have. It has them in both worlds: on simulated files, and
/// on tokio's where nothing is simulated.
pub trait FileExt {
    /// Reads from `offset` on into the buffer; gives how many bytes, 0 at the end of the file.
    ///
    /// # Errors
    ///
    /// EBADF if not opened for reading, `IsADirectory`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes at `offset`, or at the end if the file was opened to append (as Linux has it); gives how many bytes. A gap is
    /// filled with zeros. The bytes are in the page cache, not durable.
    ///
    /// # Errors
    ///
    /// EBADF if not opened for writing, `FileTooLarge`, `StorageFull`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send;

    /// Fills the buffer from `offset` on.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file ends before; otherwise as [`FileExt::read_at`].
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> impl Future<Output = io::Result<()>> + Send
    where
        Self: Sync,
    {
        async move {
            let mut done = 0;
            while done < buffer.len() {
                match self.read_at(&mut buffer[done..], offset + done as u64).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => done += count,
                }
            }
            Ok(())
        }
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// As [`FileExt::write_at`].
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> impl Future<Output = io::Result<()>> + Send
    where
        Self: Sync,
    {
        async move {
            let mut done = 0;
            while done < bytes.len() {
                match self.write_at(&bytes[done..], offset + done as u64).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    count => done += count,
                }
            }
            Ok(())
        }
    }

    /// Reserves space for so many bytes without changing the length (`fallocate` with `FALLOC_FL_KEEP_SIZE`).
    ///
    /// # Errors
    ///
    /// EBADF if not opened for writing, `StorageFull`.
    fn allocate(&self, len: u64) -> impl Future<Output = io::Result<()>> + Send;

    /// Locks the file for this handle and its clones alone (`flock`); waits while others hold a lock of any kind. Closing
    /// the last of them lets go.
    ///
    /// # Errors
    ///
    /// EIO when the disk's power is gone.
    fn lock(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// As [`FileExt::lock`], together with others who do the same.
    ///
    /// # Errors
    ///
    /// EIO when the disk's power is gone.
    fn lock_shared(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// As [`FileExt::lock`], without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` while others hold a lock.
    fn try_lock(&self) -> Result<(), TryLockError>;

    /// As [`FileExt::lock_shared`], without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` while somebody holds it alone.
    fn try_lock_shared(&self) -> Result<(), TryLockError>;

    /// Lets go.
    ///
    /// # Errors
    ///
    /// Never in a simulation.
    fn unlock(&self) -> impl Future<Output = io::Result<()>> + Send;
}
