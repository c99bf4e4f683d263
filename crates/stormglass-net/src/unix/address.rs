//! Addresses of Unix sockets, and the credentials of their processes.

use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;
use stormglass_rt as rt;

/// The type of a user's id.
#[allow(non_camel_case_types, reason = "named after tokio's")]
pub type uid_t = u32;

/// The type of a group's id.
#[allow(non_camel_case_types, reason = "named after tokio's")]
pub type gid_t = u32;

/// The type of a process's id.
#[allow(non_camel_case_types, reason = "named after tokio's")]
pub type pid_t = i32;

/// The address of a Unix socket, named after `tokio::net::unix::SocketAddr`.
#[derive(Clone)]
pub struct SocketAddr(net::SocketAddr);

impl SocketAddr {
    /// Whether the socket is unnamed.
    pub fn is_unnamed(&self) -> bool {
        self.0.is_unnamed()
    }

    /// The path, if the address is one.
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_pathname()
    }

    /// The name in the abstract namespace, without the leading zero byte, if the address is one.
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.0.as_abstract_name()
    }

    pub(super) fn unnamed() -> SocketAddr {
        SocketAddr(net::SocketAddr::from_pathname("").expect("an empty path is an unnamed address"))
    }

    /// The address of a path. Zero bytes in it are refused.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path of 108 bytes or more, or with a zero byte.
    pub(super) fn pathname(path: &Path) -> io::Result<SocketAddr> {
        net::SocketAddr::from_pathname(path).map(SocketAddr)
    }

    /// The address of a path, or of an abstract name if it begins with a zero byte.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path of 108 bytes or more, or with a zero byte after the first.
    pub(super) fn pathname_or_abstract(path: &Path) -> io::Result<SocketAddr> {
        match path.as_os_str().as_bytes() {
            [0, name @ ..] => SocketAddr::abstract_name(name),
            _ => SocketAddr::pathname(path),
        }
    }

    /// # Errors
    ///
    /// `InvalidInput` for a name of 108 bytes or more.
    pub(super) fn abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
        net::SocketAddr::from_abstract_name(name).map(SocketAddr)
    }

    /// The address as one key: an abstract name begins with a zero byte.
    pub(super) fn key(&self) -> Vec<u8> {
        match (self.as_pathname(), self.as_abstract_name()) {
            (Some(path), _) => path.as_os_str().as_bytes().to_vec(),
            (None, Some(name)) => [&[0], name].concat(),
            (None, None) => Vec::new(),
        }
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(address: net::SocketAddr) -> SocketAddr {
        SocketAddr(address)
    }
}

impl From<SocketAddr> for net::SocketAddr {
    fn from(address: SocketAddr) -> net::SocketAddr {
        address.0
    }
}

/// The credentials of a process, named after `tokio::net::unix::UCred`.
///
/// Every process runs as root. Its id is 1,000 and the number of its node: the same in each
/// incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    /// The user of the process.
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// The group of the process.
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// The id of the process.
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }

    /// The credentials of the current task's process.
    pub(super) fn of_current_process() -> UCred {
        const FIRST: pid_t = 1000;
        let node = rt::is_in_run().then(|| rt::current_node().to_string().parse::<pid_t>());
        UCred { pid: node.and_then(Result::ok).map(|node| FIRST + node), uid: 0, gid: 0 }
    }
}
