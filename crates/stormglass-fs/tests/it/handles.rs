//! A file handle as a stream while its operations take time: abandoned reads, and syncs that wait for
//! each other.

use madsim::runtime::Runtime;
use std::future::poll_fn;
use std::io::SeekFrom;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_fs::{Disk, DiskProfile, File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, ReadBuf};

fn slow(millis: u64) -> Disk {
    let mut profile = DiskProfile::instant();
    profile.read.latency = Latency::from_millis(millis);
    profile.sync.latency = Latency::from_millis(millis);
    Disk::new("disk", profile, Seed(1))
}

/// Starts a read of eight bytes, and does not wait for it.
async fn start_read(file: &mut File) {
    let mut buffer = [0; 8];
    poll_fn(|context| {
        let read = Pin::new(&mut *file).poll_read(context, &mut ReadBuf::new(&mut buffer));
        assert!(read.is_pending());
        Poll::Ready(())
    })
    .await;
}

async fn digits(disk: &Disk) -> File {
    disk.write("/f", "0123456789abcdef").await.unwrap();
    disk.open_with(OpenOptions::new().read(true).write(true), "/f").await.unwrap()
}

/// What a read fetched whose caller gave up is returned by the next reads, as with tokio; a clone,
/// which shares the file offset, continues behind it.
#[test]
fn abandoned_read_is_returned_by_the_next_one() {
    Runtime::new().block_on(async {
        let disk = slow(5);
        let mut file = digits(&disk).await;
        start_read(&mut file).await;
        let began = stormglass_rt::now();
        let mut small = [0; 3];
        file.read_exact(&mut small).await.unwrap();
        assert_eq!(&small, b"012");
        assert_eq!((stormglass_rt::now() - began).as_millis(), 5, "it waited for the first read");
        let mut clone = file.try_clone().await.unwrap();
        let mut next = [0; 2];
        clone.read_exact(&mut next).await.unwrap();
        assert_eq!(&next, b"89");
        let began = stormglass_rt::now();
        let mut rest = [0; 5];
        file.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"34567");
        assert_eq!((stormglass_rt::now() - began).as_millis(), 0, "from the buffer");
    });
}

/// A write, a seek and a change of the length go on from where the program stopped reading.
#[test]
fn unread_bytes_do_not_move_writes_and_seeks() {
    Runtime::new().block_on(async {
        let disk = slow(5);
        let mut buffer = [0; 2];
        let mut file = digits(&disk).await;
        start_read(&mut file).await;
        file.read_exact(&mut buffer).await.unwrap();
        file.write_all(b"W").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(disk.read_to_string("/f").await.unwrap(), "01W3456789abcdef");

        let mut file = digits(&disk).await;
        start_read(&mut file).await;
        file.read_exact(&mut buffer).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Current(1)).await.unwrap(), 3);

        let mut file = digits(&disk).await;
        start_read(&mut file).await;
        file.read_exact(&mut buffer).await.unwrap();
        assert!(file.seek(SeekFrom::Current(-3)).await.is_err());
        // A seek that fails leaves the kernel's offset, which is behind the bytes in the buffer,
        // and the buffer is gone.
        assert_eq!(file.stream_position().await.unwrap(), 8);

        let mut file = digits(&disk).await;
        start_read(&mut file).await;
        file.read_exact(&mut buffer).await.unwrap();
        file.set_len(4).await.unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "23");
    });
}

/// Two syncs of 10 ms through one handle take 20 ms, through two handles 10 ms, as with tokio,
/// whose handle has a lock.
#[test]
fn syncs_through_one_handle_wait_for_each_other() {
    let both = |clones: bool| {
        Runtime::new().block_on(async {
            let disk = slow(10);
            let file = Arc::new(digits(&disk).await);
            let other = if clones { Arc::new(file.try_clone().await.unwrap()) } else { file.clone() };
            let tasks = [file, other]
                .map(|file| madsim::task::spawn_local(async move { file.sync_all().await.unwrap() }));
            let began = stormglass_rt::now();
            for task in tasks {
                task.await.unwrap();
            }
            (stormglass_rt::now() - began).as_millis()
        })
    };
    assert_eq!((both(false), both(true)), (20, 10));
}

/// A sync first waits for the read in flight, as with tokio.
#[test]
fn sync_waits_for_an_abandoned_read() {
    Runtime::new().block_on(async {
        let disk = slow(10);
        let mut file = digits(&disk).await;
        start_read(&mut file).await;
        stormglass_rt::sleep(Duration::from_millis(4)).await;
        let began = stormglass_rt::now();
        file.sync_all().await.unwrap();
        // 6 ms of the read, then 10 ms of its own.
        assert_eq!((stormglass_rt::now() - began).as_millis(), 16);
    });
}
