//! The types of `tokio::net`, on the host of the node.

pub use stormglass_net::{
    TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, UnixDatagram, UnixListener, UnixSocket,
    UnixStream, lookup_host,
};

/// The halves of a TCP stream.
pub mod tcp {
    pub use stormglass_net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}

/// The halves of a Unix stream, addresses and credentials, and pipes.
pub mod unix {
    pub use stormglass_net::unix::{
        OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, SocketAddr, UCred, WriteHalf, gid_t, pid_t,
        pipe, uid_t,
    };
}
