//! Calls: a request, and one response or many.

mod channel;
mod service;

pub use channel::{Channel, ResponseStream};
pub use service::{Call, Reply, ResponseSender, Service};
