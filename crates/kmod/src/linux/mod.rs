//! The running Linux kernel.

mod sys;

pub(crate) use sys::{SignalsHeld, map};
