//! Benchmarks of the module system beside their rivals.
//!
//! Each benchmark makes its own work, measures every subject in a child process of its own, and gives a
//! [`report::Report`]: rows for programs, a table and a plot for people.

mod child;
pub mod command;
pub mod demand;
pub mod error;
mod host;
pub mod link;
mod mapping;
pub mod measure;
pub mod report;
pub mod symbols;
pub mod tools;
pub mod work;
