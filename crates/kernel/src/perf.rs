//! `/tmp/perf-PID.map`, by which perf names code that belongs to no file (`tools/perf/Documentation/jit-interface.txt`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use uapi::{KernelSym, Part};

use crate::error::{Error, Step};
use crate::module::Module;

/// Appends the symbols of a module that is about to run: `start size name`, in hex.
pub(crate) fn append(name: &str, module: Option<&Module>, symbols: &[KernelSym]) -> Result<(), Error> {
    let Some(module) = module else { return Ok(()) };
    let text = lines(name, module, symbols);
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let file = std::fs::OpenOptions::new().create(true).append(true).custom_flags(libc::O_NOFOLLOW).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Error::System { step: Step::PerfMap, error })
}

/// Each symbol reaches to the next one, the last to the end of the text.
fn lines(name: &str, module: &Module, symbols: &[KernelSym]) -> String {
    let text = module.addresses(Part::Text);
    let mut starts: Vec<(u64, &str)> = symbols.iter().map(|symbol| (symbol.value, symbol.name.as_str())).collect();
    starts.extend(module.routines.iter().flat_map(|each| [(each.init, "init_module"), (each.cleanup, "cleanup_module")]));
    starts.retain(|(start, _)| text.contains(start));
    starts.push((text.start, "text"));
    starts.sort_unstable();
    starts.dedup_by_key(|(start, _)| *start);
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.end]);
    let mut lines = String::new();
    for ((start, symbol), end) in starts.iter().zip(ends) {
        let _ = writeln!(lines, "{start:x} {:x} {symbol} [{name}]", end.saturating_sub(*start));
    }
    lines
}
