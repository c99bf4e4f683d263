//! What async-nats promises while connections break.

mod flush;
mod messages;
mod table;
