//! Name lookup: [`lookup_host`] and the types that convert to addresses. A host's name resolves to
//! its address.

use crate::host::Host;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use stormglass_core::Kind;
use stormglass_rt as rt;

/// Types that convert to socket addresses, as tokio's trait of this name.
pub trait ToSocketAddrs: sealed::ToQuery {}

mod sealed {
    pub trait ToQuery {
        fn query(&self) -> super::Query;
    }
}

/// What a lookup is asked for.
#[derive(Debug)]
#[doc(hidden)]
pub enum Query {
    Addresses(Vec<SocketAddr>),
    Name(String, u16),
    /// Neither a name with a port nor an address: why.
    Invalid(&'static str),
}

/// Returns the addresses of a name; an address resolves to itself. A name takes the profile's
/// `lookup`.
///
/// # Errors
///
/// If no host has the name, or a fault makes the lookup fail; `InvalidInput` for text that is
/// neither a name with a port nor an address; `Unsupported` if no host is mounted on the current
/// node.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    Ok(resolve(&Host::current()?, host).await?.into_iter())
}

/// Looks up addresses as [`lookup_host`] does, on behalf of a host. The future does not borrow
/// `addresses`.
pub(crate) fn resolve<T: ToSocketAddrs>(
    host: &Host,
    addresses: T,
) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + use<T> {
    let (query, host) = (addresses.query(), host.clone());
    async move {
        let (name, port) = match query {
            Query::Addresses(addresses) => return Ok(addresses),
            Query::Invalid(why) => return Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
            Query::Name(name, port) => (name, port),
        };
        if name == "localhost" {
            return Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
        }
        let shared = host.shared();
        let (latency, found) = shared.resolve(host.id, &name);
        rt::Clock::current().sleep(latency).await;
        let recorder = &shared.recorder;
        recorder.record(rt::now(), Kind::Resolve, recorder.symbol(&name), latency, u64::from(found.is_ok()));
        Ok(found?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

/// Tries addresses in order; returns the first success, or the last error.
pub(crate) fn first_success<T>(
    addresses: Vec<SocketAddr>,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut error = None;
    for address in addresses {
        match attempt(address) {
            Ok(value) => return Ok(value),
            Err(why) => error = Some(why),
        }
    }
    Err(error.unwrap_or_else(no_address))
}

pub(crate) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
}

fn name_or_address(name: &str, port: u16) -> Query {
    match name.parse::<IpAddr>() {
        Ok(ip) => Query::Addresses(vec![SocketAddr::new(ip, port)]),
        Err(_) => Query::Name(name.to_string(), port),
    }
}

macro_rules! to_socket_addrs {
    ($($type:ty: |$value:ident| $query:expr;)+) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::ToQuery for $type {
            fn query(&self) -> Query {
                let $value = self;
                $query
            }
        }
    )+};
}

to_socket_addrs! {
    SocketAddr: |address| Query::Addresses(vec![*address]);
    SocketAddrV4: |address| Query::Addresses(vec![SocketAddr::V4(*address)]);
    SocketAddrV6: |address| Query::Addresses(vec![SocketAddr::V6(*address)]);
    [SocketAddr]: |addresses| Query::Addresses(addresses.to_vec());
    Vec<SocketAddr>: |addresses| Query::Addresses(addresses.clone());
    (IpAddr, u16): |address| Query::Addresses(vec![SocketAddr::from(*address)]);
    (Ipv4Addr, u16): |address| Query::Addresses(vec![SocketAddr::from(*address)]);
    (Ipv6Addr, u16): |address| Query::Addresses(vec![SocketAddr::from(*address)]);
    (&str, u16): |address| name_or_address(address.0, address.1);
    (String, u16): |address| name_or_address(&address.0, address.1);
    String: |text| sealed::ToQuery::query(text.as_str());
    str: |text| match (text.parse::<SocketAddr>(), text.rsplit_once(':')) {
        (Ok(address), _) => Query::Addresses(vec![address]),
        (_, None) => Query::Invalid("invalid socket address"),
        (_, Some((name, port))) => match port.parse() {
            Ok(port) => name_or_address(name, port),
            Err(_) => Query::Invalid("invalid port value"),
        },
    };
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: ToSocketAddrs + ?Sized> sealed::ToQuery for &T {
    fn query(&self) -> Query {
        (**self).query()
    }
}
