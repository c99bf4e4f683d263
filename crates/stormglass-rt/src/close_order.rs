//! The order in which the sockets of a process close when its hosted runtime is dropped.
//!
//! tokio drops the tasks of a runtime in an order that depends on their ids, and all runtimes of the
//! program draw their ids from one counter (`runtime::task::list`, four lists by id). So what is
//! visible to others, such as a FIN, waits until all tasks are dropped, and then happens in an order
//! of the simulation: as a kernel closes the descriptors of a killed process.

use std::cell::RefCell;

type Close = (u64, Box<dyn FnOnce()>);

thread_local! {
    /// What waits, while a runtime is dropped. A run has one thread.
    static WAITING: RefCell<Option<Vec<Close>>> = const { RefCell::new(None) };
}

/// Closes something at once, or while a runtime is dropped: afterwards, in the order of the numbers.
/// They have to follow from the seed.
///
/// ```
/// let mut closed = std::rc::Rc::default();
/// stormglass_rt::close_order::in_order(|| {
///     for number in [3, 1, 2] {
///         let closed: std::rc::Rc<std::cell::RefCell<Vec<u64>>> = std::rc::Rc::clone(&closed);
///         stormglass_rt::close_order::close(number, move || closed.borrow_mut().push(number));
///     }
/// });
/// assert_eq!(std::rc::Rc::get_mut(&mut closed).unwrap().take(), [1, 2, 3]);
/// ```
pub fn close(number: u64, close: impl FnOnce() + 'static) {
    let is_waiting = WAITING.with_borrow(Option::is_some);
    if is_waiting {
        let close = (number, Box::new(close) as Box<dyn FnOnce()>);
        WAITING.with_borrow_mut(|waiting| waiting.get_or_insert_default().push(close));
    } else {
        close();
    }
}

/// Calls `drop_all`, and then closes what it has given to [`close`].
pub fn in_order(drop_all: impl FnOnce()) {
    let outer = WAITING.replace(Some(Vec::new()));
    drop_all();
    let mut waiting = WAITING.replace(outer).unwrap_or_default();
    waiting.sort_by_key(|&(number, _)| number);
    waiting.into_iter().for_each(|(_, close)| close());
}
