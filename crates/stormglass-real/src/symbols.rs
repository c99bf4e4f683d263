//! libc's `bind`, `connect`, `sendto` and `getaddrinfo`, for the threads of nodes.
//!
//! The program's own definition of a symbol goes before the one of a shared library, and finds that
//! one as the next in the order of the dynamic linker.

#![expect(unsafe_code, reason = "definitions of libc's functions; each calls libc's own")]

use crate::addresses::is_of_same_test;
use crate::identity::Identity;
use libc::{
    addrinfo, c_char, c_int, c_void, size_t, sockaddr, sockaddr_in, sockaddr_in6, socklen_t, ssize_t,
};
use std::ffi::{CStr, CString};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ptr::{from_mut, from_ref};

/// Keeps the symbols in the program.
pub(crate) fn keep() {
    std::hint::black_box(bind as *const () as usize);
}

/// Returns libc's own function.
fn next(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a null byte.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "libc has the function {name:?}");
    found
}

type OfAddress = unsafe extern "C" fn(c_int, *const sockaddr, socklen_t) -> c_int;

/// Calls libc's own `bind` or `connect`.
///
/// # Safety
///
/// As libc's function: `address` has `len` bytes.
unsafe fn call(name: &CStr, socket: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: both functions have this type, and the arguments are the caller's.
    unsafe { std::mem::transmute::<*mut c_void, OfAddress>(next(name))(socket, address, len) }
}

/// An address as a node has to see it.
#[derive(Clone, Copy)]
enum Address {
    V4(sockaddr_in),
    V6(sockaddr_in6),
}

impl Address {
    /// Reads the address of a call. `None` if it is of another family.
    ///
    /// # Safety
    ///
    /// `address` is null or has `len` bytes.
    unsafe fn read(address: *const sockaddr, len: socklen_t) -> Option<Address> {
        if address.is_null() || (len as usize) < size_of::<sockaddr>() {
            return None;
        }
        // SAFETY: the caller's promise, and the length has just been compared.
        unsafe {
            match c_int::from((*address).sa_family) {
                libc::AF_INET if len as usize >= size_of::<sockaddr_in>() => {
                    Some(Address::V4(address.cast::<sockaddr_in>().read_unaligned()))
                }
                libc::AF_INET6 if len as usize >= size_of::<sockaddr_in6>() => {
                    Some(Address::V6(address.cast::<sockaddr_in6>().read_unaligned()))
                }
                _ => None,
            }
        }
    }

    /// Returns the IPv4 address, also if an IPv6 socket names it.
    fn ip(&self) -> Option<Ipv4Addr> {
        match self {
            Address::V4(address) => Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr))),
            Address::V6(address) => match Ipv6Addr::from(address.sin6_addr.s6_addr) {
                Ipv6Addr::UNSPECIFIED => Some(Ipv4Addr::UNSPECIFIED),
                ip => ip.to_ipv4_mapped(),
            },
        }
    }

    fn port(&self) -> u16 {
        u16::from_be(match self {
            Address::V4(address) => address.sin_port,
            Address::V6(address) => address.sin6_port,
        })
    }

    /// Returns this address with another IP address.
    fn with_ip(mut self, ip: Ipv4Addr) -> Address {
        match &mut self {
            Address::V4(address) => address.sin_addr.s_addr = u32::from(ip).to_be(),
            Address::V6(address) => address.sin6_addr.s6_addr = ip.to_ipv6_mapped().octets(),
        }
        self
    }

    fn with_port(mut self, port: u16) -> Address {
        match &mut self {
            Address::V4(address) => address.sin_port = port.to_be(),
            Address::V6(address) => address.sin6_port = port.to_be(),
        }
        self
    }

    fn as_raw(&self) -> (*const sockaddr, socklen_t) {
        match self {
            Address::V4(address) => (from_ref(address).cast(), size_of::<sockaddr_in>() as socklen_t),
            Address::V6(address) => (from_ref(address).cast(), size_of::<sockaddr_in6>() as socklen_t),
        }
    }
}

/// Returns the address of a call as this node means it: its own instead of 127.0.0.1 and of 0.0.0.0.
///
/// # Safety
///
/// `address` is null or has `len` bytes.
unsafe fn of_node(address: *const sockaddr, len: socklen_t) -> Option<(Address, Identity)> {
    let node = Identity::current()?;
    // SAFETY: the caller's promise.
    let address = unsafe { Address::read(address, len) }?;
    let ip = address.ip()?;
    let own = ip == Ipv4Addr::LOCALHOST || ip == Ipv4Addr::UNSPECIFIED;
    Some((if own { address.with_ip(node.address) } else { address }, node))
}

/// Binds a socket that has no address yet to the node's, if it is about to reach a node.
fn bind_source(socket: c_int, to: &Address, node: &Identity) {
    if !to.ip().is_some_and(|ip| is_of_same_test(ip, node.address)) {
        return;
    }
    // SAFETY: zeroes are a value of this type of C.
    let mut bound: sockaddr_in6 = unsafe { zeroed() };
    let mut len = size_of::<sockaddr_in6>() as socklen_t;
    let raw: *mut sockaddr = from_mut(&mut bound).cast();
    // SAFETY: `bound` has `len` bytes.
    let known = unsafe { libc::getsockname(socket, raw, &raw mut len) } == 0;
    // SAFETY: `bound` has `len` bytes.
    let is_bound = unsafe { Address::read(raw, len) }.is_none_or(|bound| bound.port() != 0);
    if known && !is_bound {
        let source = to.with_ip(node.address).with_port(0);
        let (source, len) = source.as_raw();
        // A failure shows in the call that follows.
        // SAFETY: the address has `len` bytes.
        unsafe { call(c"bind", socket, source, len) };
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn bind(socket: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: the arguments are those of libc's function.
    unsafe {
        match of_node(address, len) {
            Some((address, _)) => {
                let (address, len) = address.as_raw();
                call(c"bind", socket, address, len)
            }
            None => call(c"bind", socket, address, len),
        }
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn connect(socket: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: the arguments are those of libc's function.
    unsafe {
        match of_node(address, len) {
            Some((address, node)) => {
                bind_source(socket, &address, &node);
                let (address, len) = address.as_raw();
                call(c"connect", socket, address, len)
            }
            None => call(c"connect", socket, address, len),
        }
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sendto(
    socket: c_int,
    bytes: *const c_void,
    size: size_t,
    flags: c_int,
    address: *const sockaddr,
    len: socklen_t,
) -> ssize_t {
    type SendTo =
        unsafe extern "C" fn(c_int, *const c_void, size_t, c_int, *const sockaddr, socklen_t) -> ssize_t;
    // SAFETY: libc's function has this type, and the arguments are the caller's.
    unsafe {
        let real: SendTo = std::mem::transmute(next(c"sendto"));
        match of_node(address, len) {
            Some((address, node)) => {
                bind_source(socket, &address, &node);
                let (address, len) = address.as_raw();
                real(socket, bytes, size, flags, address, len)
            }
            None => real(socket, bytes, size, flags, address, len),
        }
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getaddrinfo(
    host: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    found: *mut *mut addrinfo,
) -> c_int {
    type Lookup =
        unsafe extern "C" fn(*const c_char, *const c_char, *const addrinfo, *mut *mut addrinfo) -> c_int;
    // SAFETY: libc's function has this type, and the arguments are the caller's.
    unsafe {
        let real: Lookup = std::mem::transmute(next(c"getaddrinfo"));
        let Some(node) = Identity::current().filter(|_| !host.is_null()) else {
            return real(host, service, hints, found);
        };
        let name = CStr::from_ptr(host).to_string_lossy();
        let address = if name == "localhost" { Some(node.address) } else { node.names.address(&name) };
        match address {
            Some(address) => {
                let address = CString::new(address.to_string()).expect("an address has no null byte");
                real(address.as_ptr(), service, hints, found)
            }
            None if name.parse::<std::net::IpAddr>().is_ok() => real(host, service, hints, found),
            None => libc::EAI_NONAME,
        }
    }
}
