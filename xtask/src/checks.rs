//! `cargo xtask test`: everything that has to hold.

use crate::packages;
use crate::step::{self, Error};

/// Runs all checks; with a filter, only the tests whose names contain it.
pub(crate) fn run(filter: Option<&str>) -> Result<(), Error> {
    packages::ensure(packages::TESTS)?;
    if let Some(filter) = filter {
        return step::run(step::cargo(&["test", "--workspace", "--no-fail-fast"]).arg(filter));
    }
    step::run(&mut step::cargo(&["fmt", "--all", "--check"]))?;
    step::run(&mut step::cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))?;
    step::run(&mut step::cargo(&["build", "--workspace", "--bins"]))?;
    step::run(&mut step::cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]))
}

/// Compares with Debian's kmod, everything on every tree.
pub(crate) fn compare() -> Result<(), Error> {
    packages::ensure(packages::TESTS)?;
    step::run(&mut step::cargo(&["build", "--release", "-p", "tools", "--bins"]))?;
    let modutils = testkit::workspace().join("target/release/modutils");
    step::run(step::cargo(&["run", "--release", "-p", "testkit", "--example", "compare", "--"]).arg(modutils))
}
