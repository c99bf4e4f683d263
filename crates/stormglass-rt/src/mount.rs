//! What belongs to a node: its disk, its host. A program that names none uses the one of the node at work.

use madsim::task::NodeId;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

type Mounted = BTreeMap<(TypeId, NodeId), Box<dyn Any + Send>>;

thread_local! {
    /// A run has one thread; what is mounted is taken away by its guard, before the next run at the latest.
    static MOUNTED: RefCell<Mounted> = const { RefCell::new(BTreeMap::new()) };
}

/// A thing that is mounted on a node; dropping it takes the thing away, and what was there before is back.
#[must_use = "dropping the guard takes away what is mounted on the node"]
pub struct Mount<T: 'static> {
    node: NodeId,
    before: Option<Box<dyn Any + Send>>,
    thing: PhantomData<fn(T)>,
}

/// Makes this the thing of its type that the tasks of a node use, in all lives of the node.
///
/// ```
/// #[derive(Clone, Debug, PartialEq)]
/// struct Color(&'static str);
///
/// madsim::runtime::Runtime::new().block_on(async {
///     let mounted = stormglass_rt::mount(stormglass_rt::node(), Color("blue"));
///     assert_eq!(stormglass_rt::mounted::<Color>(), Some(Color("blue")));
///     drop(mounted);
///     assert_eq!(stormglass_rt::mounted::<Color>(), None);
/// });
/// ```
pub fn mount<T: Clone + Send + 'static>(node: NodeId, thing: T) -> Mount<T> {
    let key = (TypeId::of::<T>(), node);
    let before = MOUNTED.with(|mounted| mounted.borrow_mut().insert(key, Box::new(thing)));
    Mount { node, before, thing: PhantomData }
}

/// The thing of this type that is mounted on the node at work.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn mounted<T: Clone + 'static>() -> Option<T> {
    let key = (TypeId::of::<T>(), node());
    MOUNTED.with(|mounted| mounted.borrow().get(&key)?.downcast_ref::<T>().cloned())
}

/// The node at work.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn node() -> NodeId {
    madsim::plugin::node()
}

impl<T> Drop for Mount<T> {
    fn drop(&mut self) {
        let key = (TypeId::of::<T>(), self.node);
        // A thread that ends takes its nodes along.
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
