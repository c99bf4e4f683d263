//! Operations that `tokio::fs::File` lacks.

use std::fs::TryLockError;
use std::future::Future;
use std::io;

/// Reads and writes at an offset, reserved space, and locks: methods of `std::fs::File` and of
/// `std::os::unix::fs::FileExt` that `tokio::fs::File` does not have. The trait is implemented for simulated files, and for
/// tokio's files where nothing is simulated.
pub trait FileExt {
    /// Reads from `offset` into `buffer` and returns the number of bytes, 0 at the end of the file.
    ///
    /// # Errors
    ///
    /// EBADF if not opened for reading, `IsADirectory`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes at `offset`, or at the end if the file was opened to append (as Linux does), and returns the number of bytes. A gap
    /// reads as zeros. The bytes are in the page cache, not durable.
    ///
    /// # Errors
    ///
    /// EBADF if not opened for writing, `FileTooLarge`, `StorageFull`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file ends before the buffer is full; otherwise as [`FileExt::read_at`].
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> impl Future<Output = io::Result<()>> + Send
    where
        Self: Sync,
    {
        async move {
            let mut done = 0;
            while done < buffer.len() {
                match self.read_at(&mut buffer[done..], offset + done as u64).await? {
                    // std makes the error.
                    0 => return io::Read::read_exact(&mut io::empty(), &mut [0]),
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
                    // std makes the error.
                    0 => return io::Write::write_all(&mut &mut [][..], &[0]),
                    count => done += count,
                }
            }
            Ok(())
        }
    }

    /// Reserves space for `len` bytes without changing the length (`fallocate` with `FALLOC_FL_KEEP_SIZE`).
    ///
    /// # Errors
    ///
    /// EBADF if not opened for writing, `StorageFull`.
    fn allocate(&self, len: u64) -> impl Future<Output = io::Result<()>> + Send;

    /// Locks the file exclusively for this handle and its clones (`flock`), and waits while another open file holds a lock of
    /// either mode. Closing the last of the clones releases the lock.
    ///
    /// # Errors
    ///
    /// EIO after a power loss of the disk.
    fn lock(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// As [`FileExt::lock`], but a shared lock.
    ///
    /// # Errors
    ///
    /// EIO after a power loss of the disk.
    fn lock_shared(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// As [`FileExt::lock`], without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` while another open file holds a lock.
    fn try_lock(&self) -> Result<(), TryLockError>;

    /// As [`FileExt::lock_shared`], without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` while another open file holds an exclusive lock.
    fn try_lock_shared(&self) -> Result<(), TryLockError>;

    /// Releases the lock.
    ///
    /// # Errors
    ///
    /// Never in a simulation.
    fn unlock(&self) -> impl Future<Output = io::Result<()>> + Send;
}
