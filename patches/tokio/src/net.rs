//! The types of `tokio::net`, with the simulation's sockets. Unix sockets are tokio's own, which a
//! simulated process cannot use.

mod address;
mod placeholder;
pub mod tcp;
mod udp;

pub use address::{ToSocketAddrs, lookup_host};
pub use real::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream, unix};
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;

use std::io;

/// The error of a socket of the real machine.
fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what} is not simulated"))
}
