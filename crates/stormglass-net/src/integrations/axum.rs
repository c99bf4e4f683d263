//! `axum::serve` with this crate's listeners.

use crate::tcp::{TcpListener, TcpStream};
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use stormglass_rt as rt;

/// How long axum's own listeners wait after an error that is not one connection's, such as too
/// many open files (axum 0.8, `serve/listener.rs`).
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Waits after an error of `accept`, unless it was one connection's.
async fn after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        rt::sleep(AFTER_ERROR).await;
    }
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match TcpListener::accept(self).await {
                Ok(accepted) => return accepted,
                Err(error) => after(&error).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}
