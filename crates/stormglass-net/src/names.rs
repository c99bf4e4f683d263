//! Names and addresses: [`lookup_host`] and what converts to addresses. A host's name resolves to its address.

use crate::network::Host;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use stormglass_core::Kind;
use stormglass_rt as rt;

/// What can be turned into addresses, as tokio's trait of this name.
pub trait ToSocketAddrs: sealed::Question {}

mod sealed {
    pub trait Question {
        fn question(&self) -> super::Question;
    }
}

/// What is asked.
#[derive(Debug)]
#[doc(hidden)]
pub enum Question {
    Addresses(Vec<SocketAddr>),
    Name(String, u16),
    Nonsense(&'static str),
}

/// The addresses of a name, or of what is an address already. A name costs the profile's `lookup`.
///
/// # Errors
///
/// When the name is no host's, or a fault says so; `InvalidInput` for what is neither a name with a port nor an address; `Unsupported`
/// when no host is mounted on the node at work.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    Ok(resolve(&Host::current()?, host).await?.into_iter())
}

/// As [`lookup_host`], for a host. What is asked is settled at once: the future does not borrow it.
pub(crate) fn resolve<T: ToSocketAddrs>(
    host: &Host,
    addresses: T,
) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + use<T> {
    let (question, host) = (addresses.question(), host.clone());
    async move {
        let (name, port) = match question {
            Question::Addresses(addresses) => return Ok(addresses),
            Question::Nonsense(why) => return Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
            Question::Name(name, port) => (name, port),
        };
        if name == "localhost" {
            return Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
        }
        let shared = host.shared();
        let (latency, found) = shared.resolve(host.id, &name);
        rt::sleep(latency).await;
        let recorder = &shared.recorder;
        recorder.record(rt::now(), Kind::Resolve, recorder.symbol(&name), latency, u64::from(found.is_ok()));
        Ok(found?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

/// What an address gives, of the first with which this works.
pub(crate) fn first_that_works<T>(
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

fn name_or_address(name: &str, port: u16) -> Question {
    match name.parse::<IpAddr>() {
        Ok(ip) => Question::Addresses(vec![SocketAddr::new(ip, port)]),
        Err(_) => Question::Name(name.to_string(), port),
    }
}

macro_rules! to_socket_addrs {
    ($($type:ty: |$value:ident| $question:expr;)+) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::Question for $type {
            fn question(&self) -> Question {
                let $value = self;
                $question
            }
        }
    )+};
}

to_socket_addrs! {
    SocketAddr: |address| Question::Addresses(vec![*address]);
    SocketAddrV4: |address| Question::Addresses(vec![SocketAddr::V4(*address)]);
    SocketAddrV6: |address| Question::Addresses(vec![SocketAddr::V6(*address)]);
    [SocketAddr]: |addresses| Question::Addresses(addresses.to_vec());
    Vec<SocketAddr>: |addresses| Question::Addresses(addresses.clone());
    (IpAddr, u16): |address| Question::Addresses(vec![SocketAddr::from(*address)]);
    (Ipv4Addr, u16): |address| Question::Addresses(vec![SocketAddr::from(*address)]);
    (Ipv6Addr, u16): |address| Question::Addresses(vec![SocketAddr::from(*address)]);
    (&str, u16): |address| name_or_address(address.0, address.1);
    (String, u16): |address| name_or_address(&address.0, address.1);
    String: |text| sealed::Question::question(text.as_str());
    str: |text| match (text.parse::<SocketAddr>(), text.rsplit_once(':')) {
        (Ok(address), _) => Question::Addresses(vec![address]),
        (_, None) => Question::Nonsense("invalid socket address"),
        (_, Some((name, port))) => match port.parse() {
            Ok(port) => name_or_address(name, port),
            Err(_) => Question::Nonsense("invalid port value"),
        },
    };
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: ToSocketAddrs + ?Sized> sealed::Question for &T {
    fn question(&self) -> Question {
        (**self).question()
    }
}
