//! Values that belong to a node, such as its disk and its host. A program that names none uses
//! those of the current node.

use madsim::task::NodeId;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// A value with the number of its guard.
type Numbered = (u64, Box<dyn Any + Send>);

/// The values of each type and node, the last of which counts, with the numbers of their guards.
struct Mounted {
    values: BTreeMap<(TypeId, NodeId), Vec<Numbered>>,
    last: u64,
}

thread_local! {
    /// Thread-local because a run has one thread. The guards unmount everything before the next
    /// run.
    static MOUNTED: RefCell<Mounted> = const { RefCell::new(Mounted { values: BTreeMap::new(), last: 0 }) };
}

/// The guard of a mounted value: dropping it unmounts the value. The one that was mounted last of
/// those that are left counts then, so that a killed process, whose tasks drop their guards after
/// the next one has begun, unmounts nothing but its own.
#[must_use = "dropping the guard unmounts the value"]
pub struct Mount<T: 'static> {
    node: NodeId,
    number: u64,
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
    let number = MOUNTED.with_borrow_mut(|Mounted { values, last }| {
        *last += 1;
        values.entry(key).or_default().push((*last, Box::new(value)));
        *last
    });
    Mount { node, number, marker: PhantomData }
}

/// Returns the value of this type that is mounted on the current node, if there is one.
///
/// # Panics
///
/// Outside a madsim runtime.
pub fn mounted<T: Clone + 'static>() -> Option<T> {
    let key = (TypeId::of::<T>(), current_node());
    MOUNTED.with(|mounted| {
        let mounted = mounted.borrow();
        let (_, value) = mounted.values.get(&key)?.last()?;
        value.downcast_ref::<T>().cloned()
    })
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
        let unmounted = MOUNTED.try_with(|mounted| {
            let values = &mut mounted.borrow_mut().values;
            let of_type = values.get_mut(&key)?;
            let index = of_type.iter().position(|&(number, _)| number == self.number)?;
            let unmounted = of_type.remove(index);
            if of_type.is_empty() {
                values.remove(&key);
            }
            Some(unmounted)
        });
        drop(unmounted);
    }
}

impl<T> fmt::Debug for Mount<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mount").field(&self.node).finish()
    }
}
