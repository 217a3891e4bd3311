//! Benchmarks of the module system beside their rivals.
pub mod command;
pub mod error;
pub mod measure;
pub mod report;
pub mod work;
