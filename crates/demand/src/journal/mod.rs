//! The journal: a [`Record`](crate::Record) per line, as JSON, in files of bounded size and number.

mod flood;
mod parts;
mod read;
mod write;

pub use read::{BadRecord, Reader, parse};
pub use write::{Journal, Limits, Status};
