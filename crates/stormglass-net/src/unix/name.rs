//! Names of Unix sockets: files on the node's disk, abstract names of the network
//! namespace, and, on a node
//! without a disk, paths without files.

use super::address::SocketAddr;
use crate::error::{EADDRINUSE, ECONNREFUSED, EINVAL, ENOENT, ENOSPC, EPROTOTYPE};
use crate::host::Host;
use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use stormglass_rt::process::Process;
use stormglass_rt::{self as rt, SpecialFile, SpecialFiles, SpecialKind};

/// A bound name. Dropping it removes the name, unless it is a file.
pub(super) struct Binding {
    host: Host,
    address: SocketAddr,
    file: SpecialFile,
    /// The key in the network's table, unless a disk has the name.
    registered: Option<Vec<u8>>,
    /// What the name refers to; the file does not keep it.
    _named: Arc<Named>,
}

/// The socket that a name refers to, as long as its process lives.
struct Named {
    process: Process,
    socket: Arc<dyn Any + Send + Sync>,
}

impl Binding {
    /// Binds a socket to an address; to an abstract name of five digits if it is unnamed, as
    /// `bind(2)` does (unix(7), autobind).
    ///
    /// # Errors
    ///
    /// EADDRINUSE if the name exists; those of creating a file.
    pub(super) fn new<T>(host: &Host, address: &SocketAddr, socket: &Arc<T>) -> io::Result<Binding>
    where
        T: Send + Sync + 'static,
    {
        let socket: Arc<dyn Any + Send + Sync> = socket.clone();
        if !address.is_unnamed() {
            return Binding::named(host, address.clone(), socket);
        }
        // Linux: `unix_autobind`; five hexadecimal digits.
        for _ in 0..=0xf_ffff {
            let number = host.shared().lock().unix_names.next_automatic();
            let address = SocketAddr::abstract_name(format!("{number:05x}").as_bytes())?;
            match Binding::named(host, address, socket.clone()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
        Err(ENOSPC.into())
    }

    fn named(host: &Host, address: SocketAddr, socket: Arc<dyn Any + Send + Sync>) -> io::Result<Binding> {
        let (host, named) = (host.clone(), Arc::new(Named { process: Process::current(), socket }));
        if let (Some(path), Some(files)) = (address.as_pathname(), mounted_files()) {
            let file = files.create(path, SpecialKind::Socket).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => EADDRINUSE.into(),
                _ => error,
            })?;
            file.attach(&named);
            return Ok(Binding { host, address, file, registered: None, _named: named });
        }
        let (key, file) = (address.key(), SpecialFile::new(SpecialKind::Socket));
        if registered(&host, &address).is_some_and(|file| living(&file).is_some()) {
            return Err(EADDRINUSE.into());
        }
        file.attach(&named);
        let mut state = host.shared().lock();
        let namespace = state.namespace(host.id);
        state.unix_names.insert(namespace, &key, &file);
        drop(state);
        Ok(Binding { host, address, file, registered: Some(key), _named: named })
    }

    pub(super) fn address(&self) -> &SocketAddr {
        &self.address
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        if let Some(key) = &self.registered {
            let mut state = self.host.shared().lock();
            let namespace = state.namespace(self.host.id);
            state.unix_names.remove(namespace, key, &self.file);
        }
    }
}

/// Returns the socket that is bound to an address.
///
/// # Errors
///
/// EINVAL for an unnamed address; ENOENT if there is no such path; ECONNREFUSED if no process has
/// the socket open, or the file is no socket; EPROTOTYPE if it is a socket of another type; those of
/// looking up a path.
pub(super) fn find<T: Send + Sync + 'static>(host: &Host, address: &SocketAddr) -> io::Result<Arc<T>> {
    if address.is_unnamed() {
        return Err(EINVAL.into());
    }
    let file = match (address.as_pathname(), mounted_files()) {
        (Some(path), Some(files)) => files.find(path)?,
        (Some(_), None) => Some(registered(host, address).ok_or(ENOENT)?),
        (None, _) => registered(host, address),
    };
    let named = file.and_then(|file| living(&file)).ok_or(ECONNREFUSED)?;
    named.socket.clone().downcast().map_err(|_| EPROTOTYPE.into())
}

/// Returns the file of a name in the network's table.
fn registered(host: &Host, address: &SocketAddr) -> Option<SpecialFile> {
    let state = host.shared().lock();
    state.unix_names.find(state.namespace(host.id), &address.key())
}

/// Returns what a file refers to, if the process that has it open lives.
fn living(file: &SpecialFile) -> Option<Arc<Named>> {
    file.object::<Named>().filter(|named| !named.process.check_ended())
}

fn mounted_files() -> Option<SpecialFiles> {
    rt::is_in_run().then(rt::mounted).flatten()
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
