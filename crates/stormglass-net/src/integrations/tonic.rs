//! tonic's server with this crate's listeners. Its client connects with
//! [`super::hyper_util::Connector`].

use crate::tcp::{TcpListener, TcpStream};
use futures_core::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// The connections that a listener accepts, for `Server::serve_with_incoming`.
#[derive(Debug)]
pub struct Incoming(TcpListener);

impl Incoming {
    /// Returns the connections that this listener accepts.
    pub fn new(listener: TcpListener) -> Incoming {
        Incoming(listener)
    }
}

impl Stream for Incoming {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<TcpStream>>> {
        self.0.poll_accept(context).map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}

impl Connected for TcpStream {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo { local_addr: self.local_addr().ok(), remote_addr: self.peer_addr().ok() }
    }
}
