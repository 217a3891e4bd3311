//! `/tmp/perf-PID.map`, by which perf names code that belongs to no file (`tools/perf/Documentation/jit-interface.txt`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use uapi::{InitModule, KernelSym, Part};

use crate::error::{Error, Step};
use crate::module::Module;

/// Appends the symbols of a module that is about to run: `start size name`, in hex.
///
/// The names are those of all functions in the debug object, or of the exports where none came along.
pub(crate) fn append(module: Option<&Module>, init: &InitModule, exports: &[KernelSym]) -> Result<(), Error> {
    let Some(module) = module else { return Ok(()) };
    let object = modlink::Object::parse(&init.debug_object).ok();
    let functions = object.iter().flat_map(modlink::Object::placed_functions).map(|function| (function.addr.0, function.name));
    let exports = exports.iter().map(|symbol| (symbol.value, symbol.name.as_str()));
    let text = lines(&init.name, module, functions.chain(exports).collect());
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let file = std::fs::OpenOptions::new().create(true).append(true).custom_flags(libc::O_NOFOLLOW).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Error::System { step: Step::PerfMap, error })
}

/// Each symbol reaches to the next one, the last to the end of the text.
fn lines(name: &str, module: &Module, mut starts: Vec<(u64, &str)>) -> String {
    let text = module.addresses(Part::Text);
    starts.extend(module.routines.iter().flat_map(|each| [(each.init, "init_module"), (each.cleanup, "cleanup_module")]));
    starts.retain(|(start, _)| text.contains(start));
    starts.push((text.start, "text"));
    // Stable: of several names of one place the function's own comes first.
    starts.sort_by_key(|(start, _)| *start);
    starts.dedup_by_key(|(start, _)| *start);
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.end]);
    let mut lines = String::new();
    for ((start, symbol), end) in starts.iter().zip(ends) {
        let _ = writeln!(lines, "{start:x} {:x} {symbol} [{name}]", end.saturating_sub(*start));
    }
    lines
}
