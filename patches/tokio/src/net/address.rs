//! Name lookup.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use stormglass_sockets::network;

/// Types that convert to socket addresses, as tokio's trait of this name.
pub trait ToSocketAddrs: sealed::ToQuery {}

mod sealed {
    pub trait ToQuery {
        fn query(&self) -> super::Query;
    }
}

/// What a lookup is asked for.
#[doc(hidden)]
pub enum Query {
    Addresses(Vec<SocketAddr>),
    Name(String, u16),
    Invalid(&'static str),
}

impl Query {
    fn name(host: &str, port: u16) -> Query {
        match host.parse::<IpAddr>() {
            Ok(ip) => Query::Addresses(vec![SocketAddr::new(ip, port)]),
            Err(_) => Query::Name(host.into(), port),
        }
    }

    fn text(text: &str) -> Query {
        if let Ok(address) = text.parse() {
            return Query::Addresses(vec![address]);
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Query::Invalid("invalid socket address");
        };
        port.parse().map_or(Query::Invalid("invalid port value"), |port| Query::name(host, port))
    }
}

pub(super) async fn resolve(addresses: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    match addresses.query() {
        Query::Addresses(addresses) => Ok(addresses),
        Query::Name(host, port) => network()?.lookup(&host, port).await,
        Query::Invalid(why) => Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
    }
}

/// Returns the addresses of a name.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    Ok(resolve(host).await?.into_iter())
}

macro_rules! to_socket_addrs {
    ($($type:ty: $self:ident => $query:expr;)+) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::ToQuery for $type {
            fn query(&self) -> Query {
                let $self = self;
                $query
            }
        }
    )+};
}

to_socket_addrs! {
    SocketAddr: it => Query::Addresses(vec![*it]);
    SocketAddrV4: it => Query::Addresses(vec![(*it).into()]);
    SocketAddrV6: it => Query::Addresses(vec![(*it).into()]);
    (IpAddr, u16): it => Query::Addresses(vec![(*it).into()]);
    (Ipv4Addr, u16): it => Query::Addresses(vec![(*it).into()]);
    (Ipv6Addr, u16): it => Query::Addresses(vec![(*it).into()]);
    [SocketAddr]: it => Query::Addresses(it.to_vec());
    str: it => Query::text(it);
    String: it => Query::text(it);
    (&str, u16): it => Query::name(it.0, it.1);
    (String, u16): it => Query::name(&it.0, it.1);
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: ToSocketAddrs + ?Sized> sealed::ToQuery for &T {
    fn query(&self) -> Query {
        (**self).query()
    }
}
