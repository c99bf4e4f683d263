//! UDP, named after tokio's.

mod options;

mod kernel;

mod socket;

mod send;

mod receive;

mod multicast;

pub use socket::UdpSocket;
