//! Benchmarks that run in guests: they need a kernel of their own to load modules into.

mod coldplug;
mod surface;

use crate::packages;
use crate::step::Error;

/// Runs the benchmark of this name, if it is one of these.
pub(crate) fn run(name: &str, json: bool) -> Option<Result<(), Error>> {
    let bench = match name {
        "coldplug" => coldplug::run,
        "surface" => surface::run,
        _ => return None,
    };
    Some(packages::ensure(packages::GUESTS).and_then(|()| bench(json)))
}

/// Something in a guest that was not as it has to be.
fn surprise(error: impl std::fmt::Display) -> Error {
    Error::Surprise { what: error.to_string() }
}
