//! Unix sockets and pipes, named after tokio's: between processes of one machine, by path or by
//! abstract name.
//!
//! In order of dependence: `address`, `name` (what a path refers to), `bound_socket`,
//! `stream`, `listener`, `datagram`, `socket`; and [`pipe`].
//!
//! A path is a file on the disk that is mounted on the node, as [`stormglass_rt::special_file`]
//! connects the two. It outlives its process: connecting to it is refused then, and binding it
//! fails until a program removes it.

mod address;
mod bound_socket;
mod datagram;
mod listener;
mod name;
pub mod pipe;
mod socket;
mod stream;

pub use address::{SocketAddr, UCred, gid_t, pid_t, uid_t};
pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use socket::UnixSocket;
pub use stream::UnixStream;
pub use stream::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
