//! `cargo xtask demo`.

use crate::packages;
use crate::step::Error;

/// Runs the demo.
pub(crate) fn run() -> Result<(), Error> {
    packages::ensure(packages::DEMO)
}
