//! The same names without simulation: tokio's types.

use crate::ext::TcpStreamExt;
use crate::keepalive::Keepalive;
use socket2::{SockRef, TcpKeepalive};
use std::io;
pub use tokio::io::{Interest, Ready};
pub use tokio::net::*;

impl TcpStreamExt for TcpStream {
    fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        let socket = SockRef::from(self);
        let Some(Keepalive { time, interval, retries }) = keepalive else {
            return socket.set_keepalive(false);
        };
        let keepalive = TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(retries);
        socket.set_tcp_keepalive(&keepalive)
    }
}
