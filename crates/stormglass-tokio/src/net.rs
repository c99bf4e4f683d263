//! The types of `tokio::net`, on the host of the node.

pub use stormglass_net::{
    TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, UnixListener, UnixStream, lookup_host,
};

/// The halves of a TCP stream.
pub mod tcp {
    pub use stormglass_net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}

/// The halves of a Unix stream.
pub mod unix {
    pub use stormglass_net::unix::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}
