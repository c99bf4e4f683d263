//! Unix sockets and pipes of processes that are killed, descriptors that are used up, and short
//! reads and writes.

use madsim::runtime::{Handle, Runtime};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::time::Duration;
use stormglass_core::Seed;
use stormglass_fs::{self as fs, Disk, DiskProfile};
use stormglass_net::fault::{LinkEffect, LinkRule};
use stormglass_net::unix::pipe;
use stormglass_net::{
    NetProfile, Network, TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
};
use stormglass_rt::descriptors::Descriptors;
use stormglass_rt::{self as rt, ProcessTracker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const EMFILE: Option<i32> = Some(24);

fn number<T>(result: io::Result<T>) -> Option<i32> {
    result.err().expect("an error").raw_os_error()
}

/// The file of a killed process's socket stays, whichever of its tasks madsim drops first: binding
/// it fails (EADDRINUSE, 98), connecting is refused (111), until the file is removed.
#[test]
fn a_socket_file_outlives_its_killed_process() {
    for seed in 0..50 {
        let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        let _tracker = ProcessTracker::new(&runtime);
        runtime.block_on(async {
            let network = Network::new(NetProfile::instant(), Seed(seed));
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(seed));
            let node = Handle::current().create_node().build();
            let _mounted = (network.host("node").mount_on(node.id()), disk.mount_on(node.id()));
            let (ready, is_ready) = tokio::sync::oneshot::channel();
            node.spawn(async {
                let (stream, datagram) = (UnixListener::bind("/a.sock"), UnixDatagram::bind("/b.sock"));
                let named = UnixListener::bind("\0name");
                ready.send(()).unwrap();
                std::future::pending::<()>().await;
                drop((stream, datagram, named));
            });
            is_ready.await.unwrap();
            Handle::current().kill(node.id());
            Handle::current().restart(node.id());
            let next = Handle::current().get_node(node.id()).unwrap();
            next.spawn(async {
                assert_eq!(number(UnixStream::connect("/a.sock").await), Some(111));
                assert_eq!(number(UnixDatagram::unbound().unwrap().connect("/b.sock")), Some(111));
                assert_eq!(number(UnixListener::bind("/a.sock")), Some(98));
                assert_eq!(number(UnixStream::connect("\0name").await), Some(111));
                let _named = UnixListener::bind("\0name").unwrap();
                assert!(fs::metadata("/a.sock").await.unwrap().file_type().is_socket());
                fs::remove_file("/a.sock").await.unwrap();
                assert_eq!(number(UnixStream::connect("/a.sock").await), Some(2));
                let listener = UnixListener::bind("/a.sock").unwrap();
                let client = UnixStream::connect("/a.sock").await.unwrap();
                let (server, _) = listener.accept().await.unwrap();
                assert_eq!(client.peer_cred().unwrap(), server.peer_cred().unwrap());
            })
            .await
            .unwrap();
        });
    }
}

/// A power loss keeps the names of sockets as it keeps those of files: only what the journal has
/// committed.
#[test]
fn a_power_loss_loses_an_unsynced_socket_file() {
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        let _mounted = (network.host("node").mount(), disk.mount());
        let _synced = UnixListener::bind("/synced.sock").unwrap();
        disk.open("/").await.unwrap().sync_all().await.unwrap();
        let _lost = UnixListener::bind("/lost.sock").unwrap();
        disk.power_loss(stormglass_fs::Loss::Everything);
        assert_eq!(number(UnixStream::connect("/lost.sock").await), Some(2));
        assert_eq!(number(UnixStream::connect("/synced.sock").await), Some(111));
        assert_eq!(disk.snapshot().to_string(), "synced.sock=\n");
    });
}

/// The paths of two nodes are those of their disks: one disk, one path.
#[test]
fn nodes_share_the_sockets_of_a_shared_disk() {
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let disk = |name| Disk::new(name, DiskProfile::instant(), Seed(1));
        let (shared, own) = (disk("shared"), disk("own"));
        let node = || Handle::current().create_node().build();
        let (one, two, three) = (node(), node(), node());
        let _hosts = ["one", "two", "three"].map(|name| network.host_on(name, "machine"));
        let _mounted = (
            [(&one, "one"), (&two, "two"), (&three, "three")]
                .map(|(node, name)| network.host(name).mount_on(node.id())),
            (shared.mount_on(one.id()), shared.mount_on(two.id()), own.mount_on(three.id())),
        );
        let _listener = one.spawn(async { UnixListener::bind("/s.sock") }).await.unwrap().unwrap();
        let connect = || UnixStream::connect("/s.sock");
        two.spawn(connect()).await.unwrap().unwrap();
        assert_eq!(number(three.spawn(connect()).await.unwrap()), Some(2));
    });
}

/// A faulty disk refuses the file of a socket as it refuses any other.
#[test]
fn binding_a_path_fails_as_the_disk_does() {
    use stormglass_fs::fault::{DiskEffect, DiskError, DiskRule};
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        let _mounted = (network.host("node").mount(), disk.mount());
        let full = DiskRule::new(DiskEffect::Fail(DiskError::NoSpace)).times(1);
        let _full = disk.inject(full).unwrap();
        assert_eq!(number(UnixListener::bind("/s.sock")), Some(28));
        disk.remount(true);
        assert_eq!(number(UnixListener::bind("/s.sock")), Some(30));
        disk.remount(false);
        drop(UnixListener::bind("/s.sock").unwrap());
    });
}

/// A FIFO on the disk: opening the writing end needs a reader (ENXIO, 6).
#[test]
fn a_fifo_connects_two_processes() {
    Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        let _mounted = disk.mount();
        disk.create_fifo("/fifo").unwrap();
        assert!(fs::metadata("/fifo").await.unwrap().file_type().is_fifo());
        let open = pipe::OpenOptions::new();
        assert_eq!(number(open.open_sender("/fifo")), Some(6));
        let mut receiver = open.open_receiver("/fifo").unwrap();
        let node = Handle::current().create_node().build();
        let _mounted = disk.mount_on(node.id());
        node.spawn(async {
            let mut sender = pipe::OpenOptions::new().open_sender("/fifo").unwrap();
            sender.write_all(b"hello").await.unwrap();
        });
        let mut text = String::new();
        receiver.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    });
}

/// With a limit of 4 descriptors: a listener, a file, and the two ends of a connection. Then nothing
/// opens any more (EMFILE, 24), and an `accept` leaves the connection in the backlog.
#[test]
fn files_and_sockets_share_one_limit() {
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(1));
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        let descriptors = Descriptors::new(4);
        let _mounted =
            (network.host("node").mount(), disk.mount(), rt::mount(rt::current_node(), descriptors.clone()));
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let file = fs::File::create("file").await.unwrap();
        let client = TcpStream::connect("node:80").await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(descriptors.open(), 4);
        assert_eq!(number(fs::File::open("missing").await), EMFILE);
        assert_eq!(number(fs::read_dir("/").await), EMFILE);
        assert_eq!(number(file.try_clone().await), EMFILE);
        assert_eq!(number(TcpStream::connect("node:80").await), EMFILE);
        assert_eq!(number(TcpListener::bind("0.0.0.0:81").await), EMFILE);
        assert_eq!(number(TcpSocket::new_v4()), EMFILE);
        assert_eq!(number(UdpSocket::bind("0.0.0.0:81").await), EMFILE);
        assert_eq!(number(UnixListener::bind("/s.sock")), EMFILE);
        assert_eq!(number(UnixDatagram::unbound()), EMFILE);
        // After one that succeeded, tokio asks again: no connection waits.
        assert_eq!(number(listener.accept().await), EMFILE);
        drop(file);
        let waiting = TcpStream::connect("node:80").await.unwrap();
        rt::sleep(Duration::from_millis(1)).await;
        assert_eq!(number(listener.accept().await), EMFILE);
        assert_eq!(number(UnixStream::pair()), EMFILE);
        drop(client);
        assert_eq!(number(UnixStream::pair()), EMFILE);
        assert_eq!(number(UnixDatagram::pair()), EMFILE);
        assert_eq!(number(pipe::pipe()), EMFILE);
        assert_eq!(descriptors.open(), 3);
        let (accepted, from) = listener.accept().await.unwrap();
        assert_eq!(from, waiting.local_addr().unwrap());
        drop((accepted, server, waiting, listener));
        assert_eq!(descriptors.open(), 0);
        let (halves, _pipe) = (UnixStream::pair().unwrap(), pipe::pipe().unwrap());
        let (read, write) = halves.0.into_split();
        drop(read);
        assert_eq!(descriptors.open(), 4);
        drop(write);
        assert_eq!(descriptors.open(), 3);
    });
}

/// A killed process has no descriptors, whichever of its tasks madsim drops first.
#[test]
fn a_kill_closes_all_descriptors() {
    for seed in 0..50 {
        for tracked in [true, false] {
            let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
            let _tracker = tracked.then(|| ProcessTracker::new(&runtime));
            runtime.block_on(async {
                let network = Network::new(NetProfile::instant(), Seed(seed));
                let node = Handle::current().create_node().build().id();
                let limit = rt::mount(node, Descriptors::new(2));
                let _mounted = (network.host("node").mount_on(node), limit);
                for _ in 0..3 {
                    let (ready, is_ready) = tokio::sync::oneshot::channel();
                    Handle::current().get_node(node).unwrap().spawn(async {
                        let pair = UnixStream::pair();
                        ready.send(pair.as_ref().is_ok()).unwrap();
                        std::future::pending::<()>().await;
                        drop(pair);
                    });
                    assert!(is_ready.await.unwrap(), "seed {seed}, tracked: {tracked}");
                    Handle::current().kill(node);
                    Handle::current().restart(node);
                }
            });
        }
    }
}

/// A limit that is lowered closes nothing.
#[test]
fn a_limit_below_what_is_open_only_refuses_more() {
    Runtime::new().block_on(async {
        let descriptors = Descriptors::new(u64::MAX);
        let _mounted = rt::mount(rt::current_node(), descriptors.clone());
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        descriptors.set_limit(1);
        assert_eq!(number(pipe::pipe()), EMFILE);
        sender.write_all(b"x").await.unwrap();
        assert_eq!(receiver.read_u8().await.unwrap(), b'x');
    });
}

/// Sends 10,000 bytes in one write over a connection of two hosts, and reads them with buffers of
/// 10,000 bytes; returns the lengths of the writes and of the reads.
fn lengths(seed: u64, rules: &[LinkRule], unix: bool) -> (Vec<usize>, Vec<usize>) {
    Runtime::new().block_on(async {
        let network = Network::new(NetProfile::instant(), Seed(seed));
        let _mounted = network.host("node").mount();
        let _rules: Vec<_> = rules.iter().map(|rule| network.inject(rule.clone()).unwrap()).collect();
        if unix {
            let (one, other) = UnixStream::pair().unwrap();
            transfer(one, other).await
        } else {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            let client = TcpStream::connect("node:80").await.unwrap();
            transfer(client, listener.accept().await.unwrap().0).await
        }
    })
}

async fn transfer<S>(mut sender: S, mut receiver: S) -> (Vec<usize>, Vec<usize>)
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    let bytes: Vec<u8> = (0..10_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut writes, mut reads, mut left) = (Vec::new(), Vec::new(), &bytes[..]);
    while !left.is_empty() {
        let len = sender.write(left).await.unwrap();
        writes.push(len);
        left = &left[len..];
    }
    rt::sleep(Duration::from_millis(10)).await;
    let (mut received, mut buffer) = (Vec::new(), vec![0; 10_000]);
    while received.len() < bytes.len() {
        let len = receiver.read(&mut buffer).await.unwrap();
        reads.push(len);
        received.extend_from_slice(&buffer[..len]);
    }
    assert_eq!(received, bytes);
    (writes, reads)
}

/// Nothing is lost, and what a short write or read leaves is transferred by the next ones.
#[test]
fn short_reads_and_writes_transfer_a_part() {
    let whole = (vec![10_000], vec![10_000]);
    let (reads, writes) = (LinkRule::new(LinkEffect::ShortRead), LinkRule::new(LinkEffect::ShortWrite));
    for unix in [false, true] {
        assert_eq!(lengths(1, &[], unix), whole);
        let (once, of_read) = lengths(1, &[reads.clone().times(1)], unix);
        assert_eq!(once, [10_000]);
        assert!(of_read.len() == 2 && of_read[0] >= 1, "{of_read:?}");
        let (of_write, _) = lengths(1, &[writes.clone().times(1)], unix);
        assert!(of_write.len() == 2 && of_write[0] >= 1, "{of_write:?}");
        // Always short: until one byte is left.
        let (of_write, of_read) = lengths(1, &[reads.clone(), writes.clone()], unix);
        assert!(of_write.len() > 3 && of_read.len() > 3, "{of_write:?}, {of_read:?}");
        let firsts: BTreeSet<_> =
            (0..20).map(|seed| lengths(seed, &[reads.clone().times(1)], unix).1[0]).collect();
        assert!(firsts.len() > 15, "the part is of random size: {firsts:?}");
    }
}

/// A rule for other hosts, another port or another time changes nothing.
#[test]
fn short_reads_and_writes_that_are_off_change_nothing() {
    for effect in [LinkEffect::ShortRead, LinkEffect::ShortWrite] {
        let rule = || LinkRule::new(effect.clone());
        for off in [rule().from("other"), rule().to("other"), rule().port(81), rule().times(0)] {
            assert_eq!(lengths(1, &[off], false), (vec![10_000], vec![10_000]));
        }
    }
}
