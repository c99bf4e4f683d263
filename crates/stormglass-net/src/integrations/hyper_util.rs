//! A connector for hyper's client.

use crate::tcp::TcpStream;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

/// Connects to the host and port of a URI; the port is 80 if there is none. For
/// `hyper_util::client::legacy::Client`, and for `Endpoint::connect_with_connector` of tonic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connector(());

impl Connector {
    /// Returns the connector.
    pub fn new() -> Connector {
        Connector(())
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let missing = || io::Error::new(io::ErrorKind::InvalidInput, format!("{uri} has no host"));
            let host = uri.host().ok_or_else(missing)?;
            // An IPv6 address is in brackets in a URI.
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
            Ok(TokioIo::new(stream))
        })
    }
}

impl Connection for TcpStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
