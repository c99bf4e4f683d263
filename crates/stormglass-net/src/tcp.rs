//! TCP, named after tokio's: listeners, streams, sockets, and the halves of streams.

mod options;

mod listener;
mod socket;
mod stream;

pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use stream::TcpStream;
pub use stream::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};

use crate::host::Host;
use crate::names::{ToSocketAddrs, first_success, no_address, resolve};
use std::io;

/// The backlog of tokio's listeners.
const BACKLOG: u32 = 1024;

impl TcpStream {
    /// Connects to the first of the addresses that accepts. Takes a round trip.
    ///
    /// ```
    /// use stormglass_core::{Latency, Seed};
    /// use stormglass_net::{NetProfile, Network, TcpListener, TcpStream};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let network = Network::new(NetProfile::instant(), Seed(1));
    ///     let _mounted = network.host("node-1").mount();
    ///     let listener = TcpListener::bind("0.0.0.0:80").await?;
    ///     let mut client = TcpStream::connect("node-1:80").await?;
    ///     let (mut server, _) = listener.accept().await?;
    ///     client.write_all(b"hello").await?;
    ///     client.shutdown().await?;
    ///     let mut greeting = String::new();
    ///     server.read_to_string(&mut greeting).await?;
    ///     assert_eq!(greeting, "hello");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` after a round trip if the port does not listen; `TimedOut` after 127 s
    /// if all SYNs are lost; `AddrNotAvailable` if all ephemeral ports towards the address are in
    /// use; EMFILE; `Unsupported` if no host is mounted.
    pub async fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let host = Host::current()?;
        let mut error = None;
        for address in resolve(&host, address).await? {
            match TcpSocket::on(host.clone(), address.is_ipv6())?.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(why) => error = Some(why),
            }
        }
        Err(error.unwrap_or_else(no_address))
    }
}

impl TcpListener {
    /// Binds the first of the addresses that can be bound; port 0 is an ephemeral one.
    ///
    /// # Errors
    ///
    /// `AddrInUse`; `AddrNotAvailable` for an address that is not this host's; `Unsupported` if no
    /// host is mounted.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        let host = Host::current()?;
        first_success(resolve(&host, address).await?, |address| {
            let socket = TcpSocket::on(host.clone(), address.is_ipv6())?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        })
    }
}
