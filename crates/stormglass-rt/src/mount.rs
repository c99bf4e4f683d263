//! Values that belong to a node, such as its disk and its host. A program that names none uses
//! those of the current node.

use madsim::task::NodeId;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

type Mounted = BTreeMap<(TypeId, NodeId), Box<dyn Any + Send>>;

thread_local! {
    /// Thread-local because a run has one thread. The guards unmount everything before the next
    /// run.
    static MOUNTED: RefCell<Mounted> = const { RefCell::new(BTreeMap::new()) };
}

/// The guard of a mounted value: dropping it unmounts the value and restores the one that was
/// mounted before.
#[must_use = "dropping the guard unmounts the value"]
pub struct Mount<T: 'static> {
    node: NodeId,
    before: Option<Box<dyn Any + Send>>,
    marker: PhantomData<fn(T)>,
}

/// Makes `value` the value of its type that the tasks of a node use, in every incarnation of the
/// node.
///
/// ```
/// #[derive(Clone, Debug, PartialEq)]
/// struct Color(&'static str);
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let mounted = stormglass_rt::mount(stormglass_rt::current_node(), Color("blue"));
///     assert_eq!(stormglass_rt::mounted::<Color>(), Some(Color("blue")));
///     drop(mounted);
///     assert_eq!(stormglass_rt::mounted::<Color>(), None);
/// });
/// ```
pub fn mount<T: Clone + Send + 'static>(node: NodeId, value: T) -> Mount<T> {
    let key = (TypeId::of::<T>(), node);
    let before = MOUNTED.with(|mounted| mounted.borrow_mut().insert(key, Box::new(value)));
    Mount { node, before, marker: PhantomData }
}

/// Returns the value of this type that is mounted on the current node, if there is one.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn mounted<T: Clone + 'static>() -> Option<T> {
    let key = (TypeId::of::<T>(), current_node());
    MOUNTED.with(|mounted| mounted.borrow().get(&key)?.downcast_ref::<T>().cloned())
}

/// Returns the node of the current task.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn current_node() -> NodeId {
    madsim::plugin::node()
}

impl<T> Drop for Mount<T> {
    fn drop(&mut self) {
        let key = (TypeId::of::<T>(), self.node);
        // The thread-local is gone when the thread of the run ends first.
        let unmounted = MOUNTED.try_with(|mounted| match self.before.take() {
            Some(before) => mounted.borrow_mut().insert(key, before),
            None => mounted.borrow_mut().remove(&key),
        });
        drop(unmounted);
    }
}

impl<T> fmt::Debug for Mount<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mount").field(&self.node).finish()
    }
}
