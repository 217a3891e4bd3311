//! Loading a module file into Linux: by descriptor where the kernel can read the file itself, else by its bytes.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use super::log::LogMark;
use super::sys;
use crate::error::IoAction;
use crate::file::{Compression, ModuleFile};
use crate::kernel::{Force, Insert};
use crate::{Error, Result, name};

/// `finit_module(2)`: no check of symbol versions.
const IGNORE_MODVERSIONS: libc::c_int = 1;
/// `finit_module(2)`: no check of vermagic.
const IGNORE_VERMAGIC: libc::c_int = 2;
/// `finit_module(2)`: the kernel decompresses the file.
const COMPRESSED_FILE: libc::c_int = 4;

/// Where the kernel says which compression it can undo.
const KERNEL_COMPRESSION: &str = "/sys/module/compression";

/// Answers to a compressed file that may mean no more than that the kernel's decoder could not take it: a dictionary that is too large,
/// a check that it does not know.
const DECODER_REFUSALS: [i32; 4] = [libc::EINVAL, libc::ENOEXEC, libc::ENOMEM, libc::EIO];

/// What the lines of its decoders have in them.
const DECODER_WORDS: [&str; 4] = ["compressed module", "decompression failed", "initialize decompressor", "ZSTD"];

/// Loads a file.
pub(super) fn insert(request: &Insert<'_>) -> Result<()> {
    let parameters = request.parameters.join(" ");
    let flags = flags(request.force);
    let file = File::open(request.path).map_err(|e| Error::io(IoAction::Open, request.path, e))?;
    let compression = compression_of(&file);
    let log = compression.map(|_| LogMark::now());
    let first = match compression {
        None => sys::finit_module(file.as_fd(), &parameters, flags),
        Some(compression) if kernel_undoes(compression) => sys::finit_module(file.as_fd(), &parameters, flags | COMPRESSED_FILE),
        Some(_) => return by_bytes(request, &parameters, flags),
    };
    let Err(error) = first else { return Ok(()) };
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EOPNOTSUPP) => by_bytes(request, &parameters, flags),
        Some(errno) if DECODER_REFUSALS.contains(&errno) && log.is_some_and(decoder_complained) => by_bytes(request, &parameters, flags),
        _ => Err(refused(request, &error)),
    }
}

/// Whether the kernel's decoder refused the file, rather than the module its start, which must not be made a second time. The decoder
/// says so in the log (`kernel/module/decompress.c`); who may not read that has to assume it.
fn decoder_complained(log: LogMark) -> bool {
    !log.is_readable() || log.lines().iter().any(|line| DECODER_WORDS.iter().any(|word| line.contains(word)))
}

fn flags(force: Force) -> libc::c_int {
    let modversion = if force.modversion { IGNORE_MODVERSIONS } else { 0 };
    let vermagic = if force.vermagic { IGNORE_VERMAGIC } else { 0 };
    modversion | vermagic
}

fn compression_of(file: &File) -> Option<Compression> {
    let mut bytes = [0; 6];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Compression::of(&bytes)
}

fn kernel_undoes(compression: Compression) -> bool {
    std::fs::read_to_string(KERNEL_COMPRESSION).is_ok_and(|name| name.trim() == compression.name())
}

/// Decompresses here. `init_module(2)` has no flags, so a forced load goes through a file in memory.
fn by_bytes(request: &Insert<'_>, parameters: &str, flags: libc::c_int) -> Result<()> {
    let bytes = ModuleFile::open(request.path)?.bytes()?;
    let done = if flags == 0 {
        sys::init_module(&bytes, parameters)
    } else {
        in_memory(&bytes).and_then(|file| sys::finit_module(file.as_fd(), parameters, flags))
    };
    done.map_err(|e| refused(request, &e))
}

fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let name = rustix::fs::memfd_create("module", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(name);
    file.write_all(bytes)?;
    // The kernel refuses a descriptor that is open for writing (ETXTBSY).
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let readable = File::open(path)?;
    drop(file);
    Ok(readable.into())
}

fn refused(request: &Insert<'_>, error: &io::Error) -> Error {
    Error::Refused { module: name::from_file(request.path), errno: error.raw_os_error().unwrap_or(libc::EIO) }
}
