//! A node: a thread with a tokio runtime, an address and a directory.

use crate::identity::Identity;
use crate::reports::Reports;
use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Termination;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A node of a [`crate::World`].
#[derive(Clone, Debug)]
pub struct Node(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    identity: Identity,
    directory: PathBuf,
    reports: Reports,
    life: Mutex<Option<Life>>,
}

/// The runtime of a node, from its first task on until it is killed.
#[derive(Debug)]
struct Life {
    runtime: Handle,
    end: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Node {
    pub(crate) fn new(name: &str, identity: Identity, directory: PathBuf, reports: Reports) -> Node {
        let life = Mutex::new(None);
        Node(Arc::new(Shared { name: name.into(), identity, directory, reports, life }))
    }

    /// Returns the node's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the node's address in the loopback network.
    pub fn ip(&self) -> IpAddr {
        self.0.identity.address.into()
    }

    /// Spawns a task on the node. It runs until it ends or the node is killed.
    pub fn spawn<F>(&self, _task: &str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime().spawn(future)
    }

    /// Starts the node's process. It ends, with its other tasks, when its main function returns an exit
    /// code or a result; one that returns `()` may have started other tasks, which go on. Its panic
    /// ends the test.
    pub fn run<M, F>(&self, task: &str, main: M)
    where
        M: Fn() -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: Termination + Send + 'static,
    {
        let main = self.spawn(task, main());
        let (node, task) = (self.clone(), task.to_string());
        self.runtime().spawn(async move {
            match main.await {
                Err(error) if error.is_panic() => {
                    let message = text_of_panic(&*error.into_panic());
                    node.0.reports.panicked(&node.0.name, &task, message);
                }
                Ok(output) if !is_unit(&output) => {
                    let _ = output.report();
                    node.kill();
                }
                Ok(_) | Err(_) => {}
            }
        });
    }

    /// As [`Node::run`]: without simulation there is one kind of process.
    pub fn run_unhosted<M, F>(&self, task: &str, main: M)
    where
        M: Fn() -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: Termination + Send + 'static,
    {
        self.run(task, main);
    }

    /// Ends the node's tasks and closes its sockets. Its directory stays. A later [`Node::run`] starts it
    /// again.
    pub fn kill(&self) {
        let Some(Life { end, thread, .. }) = self.life().take() else { return };
        // Sending fails if the node's thread has ended: the receiver is gone then.
        let _ = end.send(());
        if thread.thread().id() != thread::current().id() {
            thread.join().expect("a node's thread does not panic");
        }
    }

    /// Returns the node's runtime, and starts it if the node is down.
    fn runtime(&self) -> Handle {
        let mut life = self.life();
        if let Some(life) = &*life {
            return life.runtime.clone();
        }
        let (end, ended) = oneshot::channel::<()>();
        let (started, start) = mpsc::channel();
        let node = self.clone();
        let body = move || {
            let Shared { identity, directory, .. } = &*node.0;
            identity.enter(directory).unwrap_or_else(|error| panic!("node {}: {error}", node.name()));
            let (identity, directory) = (identity.clone(), directory.clone());
            let enter = move || identity.enter(&directory).expect("as the node's first thread");
            let runtime = Builder::new_current_thread().enable_all().on_thread_start(enter).build();
            let runtime = runtime.unwrap_or_else(|error| panic!("node {}: {error}", node.name()));
            // Sending fails only if the receiving thread has panicked.
            let _ = started.send(runtime.handle().clone());
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name(self.name().into()).spawn(body);
        let thread = thread.unwrap_or_else(|error| panic!("node {}: {error}", self.name()));
        let runtime = start.recv().unwrap_or_else(|_| panic!("node {} did not start", self.name()));
        *life = Some(Life { runtime: runtime.clone(), end, thread });
        runtime
    }

    fn life(&self) -> MutexGuard<'_, Option<Life>> {
        self.0.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_unit<T: Any>(value: &T) -> bool {
    (value as &dyn Any).is::<()>()
}

/// Returns the text of a panic's payload.
pub(crate) fn text_of_panic(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
