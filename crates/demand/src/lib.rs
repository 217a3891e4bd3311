//! Demand loading on Linux: what the kernel asks for, who made it ask, and what is decided.
//!
//! A [`RequestName`] comes in (from the kernel's helper, or from a device), [`Class`] says which part of the kernel asks so, a
//! [`Requester`] who is behind it, [`policy`] what is done, and a [`Record`] goes into the journal. The daemon and the helper that
//! stands in for a daemon which does not answer decide by the same code.
#![forbid(unsafe_code)]

pub mod alone;
pub mod ask;
pub mod carry;
mod class;
mod decision;
pub mod exposed;
pub mod file;
mod hidden;
pub mod journal;
pub mod judge;
mod lock;
mod name;
pub mod paths;
pub mod policy;
mod record;
pub mod rehearse;
mod requester;
pub mod resolve;
pub mod spool;
pub mod stamp;
pub mod who;
pub mod wire;

pub use class::{Class, Reach};
pub use decision::{Decision, Mode, RuleRef, Verdict};
pub use hidden::{clean, is_hidden};
pub use lock::lock;
pub use name::{BadName, MAX_NAME, Origin, RequestName};
pub use paths::Paths;
pub use record::{DecidedBy, Outcome, PlanStep, Record};
pub use requester::{Attribution, Device, Kind, Requester};
