//! The reasons that a refusal can have.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::errno_text;
use crate::file::{Class, Machine, Order};
use crate::text;

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The caller may not load modules.
    NotPrivileged,
    /// The kernel was built without modules (`CONFIG_MODULES`).
    NoModules {
        /// Its release.
        release: String,
    },
    /// `kernel.modules_disabled` is 1.
    ModulesDisabled,
    /// The kernel command line names the module in `module_blacklist=`.
    CommandLineBlacklist,
    /// The module is already there.
    AlreadyLoaded,
    /// Somebody has the file open for writing.
    OpenForWriting,
    /// The file has no bytes.
    EmptyFile,
    /// The path leads to a directory.
    Directory,
    /// The path leads to a device, a pipe or a socket.
    SpecialFile,
    /// The module has no function for its end, so it cannot be removed.
    Permanent,
    /// The file is not an ELF object.
    NotAnObject {
        /// Its size in bytes.
        size: u64,
    },
    /// The module was made for another machine.
    OtherMachine {
        /// The module's.
        found: Machine,
        /// The kernel's.
        wanted: Machine,
    },
    /// The module was made for a kernel of another version or configuration.
    Vermagic {
        /// The module's.
        found: String,
        /// The kernel's.
        wanted: String,
    },
    /// The module was compiled against another version of a symbol.
    SymbolVersion {
        /// The symbol.
        symbol: String,
        /// The checksum that the module carries.
        wanted: Option<u64>,
        /// The checksum that the provider carries.
        provided: Option<u64>,
        /// The module that provides the symbol; `None` for the kernel itself.
        provider: Option<String>,
    },
    /// Nobody provides a symbol.
    UnknownSymbol {
        /// The symbol.
        symbol: String,
        /// Modules of the tree that would provide it.
        providers: Vec<String>,
    },
    /// A relocation cannot be applied.
    Relocation {
        /// What the kernel logged.
        line: String,
    },
    /// A parameter has a value that it cannot take.
    BadParameter {
        /// The parameter.
        parameter: String,
        /// The value as the kernel shows it.
        value: String,
        /// All parameters of the module.
        known: Vec<String>,
    },
    /// The module has no such parameter.
    UnknownParameter {
        /// The word.
        parameter: String,
        /// All parameters of the module.
        known: Vec<String>,
    },
    /// The signature is missing or not accepted.
    Signature {
        /// What is wrong with it.
        fault: SignatureFault,
        /// Who insists on signatures.
        enforced: Enforcement,
    },
    /// The module's own start failed.
    InitFailed {
        /// Its answer.
        errno: i32,
    },
    /// Nothing else explains the answer, so that the module's own start may have given it.
    InitSuspected {
        /// The answer.
        errno: i32,
    },
    /// The module's own start answered neither success nor an error, which the kernel takes for success.
    OddStart {
        /// The answer.
        answer: i64,
    },
    /// The module's own start has not come to its end.
    Starting,
    /// The module is being removed.
    Leaving,
    /// The tree of the running kernel is not there.
    TreeGone {
        /// The release.
        release: String,
    },
    /// A tree is not there.
    NoTree {
        /// Its directory.
        directory: PathBuf,
    },
    /// A tree has no index of its modules.
    NoIndex {
        /// Its directory.
        directory: PathBuf,
        /// Its release.
        release: String,
    },
    /// Something else that the kernel logged.
    Log {
        /// The line.
        line: String,
    },
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureFault {
    /// There is none.
    Missing,
    /// Its block cannot be read.
    Unreadable,
    /// The kernel does not have the key.
    UnknownKey,
    /// The kernel does not have the digest or the algorithm.
    UnknownDigest,
    /// The file was changed after it was signed.
    Damaged,
    /// A check was to be overridden, and then the signature does not count.
    Forced,
}

/// Who insists on signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Lockdown.
    Lockdown {
        /// `integrity` or `confidentiality`.
        level: String,
    },
    /// `module.sig_enforce`.
    Enforced,
    /// Nobody: unsigned modules are taken, but not ones with a broken signature.
    Off,
    /// Not known.
    Unknown,
}

impl Reason {
    /// Whether the reason says what this line of the log says.
    pub(super) fn tells(&self, line: &str) -> bool {
        match self {
            Self::Vermagic { .. } => line.contains("version magic"),
            // The second line follows the first one from the same place.
            Self::SymbolVersion { symbol, .. } => {
                (line.contains("disagrees about version") || line.contains("(err -22)")) && line.contains(symbol.as_str())
            }
            Self::BadParameter { parameter, .. } => {
                (line.contains("invalid for parameter") || line.contains("too large for parameter")) && line.contains(parameter.as_str())
            }
            Self::UnknownParameter { parameter, .. } => line.contains("unknown parameter") && line.contains(parameter.as_str()),
            Self::Signature { .. } => line.contains("unsigned module") || line.contains("unavailable key"),
            Self::UnknownSymbol { symbol, .. } => line.contains("Unknown symbol") && line.contains(symbol.as_str()),
            Self::Relocation { line: own } | Self::Log { line: own } => own == line,
            Self::CommandLineBlacklist => line.contains("is blacklisted"),
            _ => false,
        }
    }
}

/// The words of two `vermagic` texts that differ, as `-kernel's +module's`.
fn difference(found: &str, wanted: &str) -> String {
    let (have, need): (Vec<&str>, Vec<&str>) = (found.split_whitespace().collect(), wanted.split_whitespace().collect());
    let missing = need.iter().filter(|w| !have.contains(w)).map(|w| format!("it lacks `{w}`"));
    let extra = have.iter().filter(|w| !need.contains(w)).map(|w| format!("it has `{w}`"));
    missing.chain(extra).collect::<Vec<_>>().join(", ")
}

fn machine(f: &mut fmt::Formatter<'_>, machine: Machine) -> fmt::Result {
    let bits = if machine.class == Class::Elf32 { 32 } else { 64 };
    let order = if machine.order == Order::Little { "little" } else { "big" };
    match MACHINES.iter().find(|(number, _)| *number == machine.number) {
        Some((_, name)) => write!(f, "{name} ({bits}-bit, {order} endian)"),
        None => write!(f, "machine {} ({bits}-bit, {order} endian)", machine.number),
    }
}

/// `e_machine` of architectures that Linux runs on (ELF registry).
const MACHINES: [(u16, &str); 14] = [
    (2, "SPARC"),
    (3, "Intel 386"),
    (4, "Motorola 68000"),
    (8, "MIPS"),
    (15, "PA-RISC"),
    (20, "PowerPC"),
    (21, "64-bit PowerPC"),
    (22, "S/390"),
    (40, "ARM"),
    (43, "SPARC V9"),
    (62, "x86-64"),
    (183, "AArch64"),
    (243, "RISC-V"),
    (258, "LoongArch"),
];

fn crc(value: Option<u64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |crc| format!("{crc:#010x}"))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPrivileged => f.write_str("only root may load modules (CAP_SYS_MODULE), and in a container not even root"),
            Self::NoModules { release } => {
                write!(f, "the running kernel {release} was built without loadable modules; `--kernel SOCKET` names a hosted one")
            }
            Self::ModulesDisabled => {
                f.write_str("loading and unloading are switched off until the next boot: kernel.modules_disabled is 1")
            }
            Self::CommandLineBlacklist => f.write_str("the kernel command line forbids the module: module_blacklist="),
            Self::AlreadyLoaded => f.write_str("the module is already loaded"),
            Self::OpenForWriting => f.write_str("somebody has the file open for writing"),
            Self::EmptyFile => f.write_str("the file is empty"),
            Self::Directory => f.write_str("it is a directory, not a file"),
            Self::SpecialFile => f.write_str("it is not a regular file"),
            Self::Permanent => f.write_str("the module has no exit function: it stays until the next boot"),
            Self::NotAnObject { size } => write!(f, "the file is not an ELF object, or was cut off at {size} bytes"),
            Self::OtherMachine { found, wanted } => {
                f.write_str("the module was made for ")?;
                machine(f, *found)?;
                f.write_str(", the kernel runs on ")?;
                machine(f, *wanted)
            }
            Self::Vermagic { found, wanted } => {
                write!(
                    f,
                    "the module was made for another kernel: {} (module `{}`, kernel `{}`)",
                    difference(found, wanted),
                    found.trim(),
                    wanted.trim()
                )
            }
            Self::SymbolVersion { symbol, wanted, provided, provider } => {
                let provider = provider.as_deref().unwrap_or("the kernel");
                let (wanted, provided) = (crc(*wanted), crc(*provided));
                write!(
                    f,
                    "the module was compiled against another version of `{symbol}`: it wants {wanted}, {provider} provides {provided}"
                )
            }
            Self::UnknownSymbol { symbol, providers } if providers.is_empty() => {
                write!(f, "unknown symbol `{symbol}`: no module of the tree provides it")
            }
            Self::UnknownSymbol { symbol, providers } => write!(f, "unknown symbol `{symbol}`: load {} first", providers.join(" or ")),
            Self::Relocation { line } => write!(f, "a relocation cannot be applied: {line}"),
            Self::BadParameter { parameter, value, known } => write!(f, "bad value `{value}` for `{parameter}`{}", list(known)),
            Self::UnknownParameter { parameter, known } => write!(f, "there is no parameter `{parameter}`{}", list(known)),
            Self::Signature { fault, enforced } => write!(f, "{fault}{enforced}"),
            Self::InitFailed { errno } => write!(f, "the module's own start answered: {}", errno_text(*errno)),
            Self::InitSuspected { errno } => {
                write!(f, "no fault is found in the file: it seems that the module's own start answered: {}", errno_text(*errno))
            }
            Self::OddStart { answer } => {
                write!(f, "its own start answered {answer}, neither success nor an error; the kernel takes it for success")
            }
            Self::Starting => f.write_str("the module's own start has not come to its end"),
            Self::Leaving => f.write_str("the module is being removed already"),
            Self::TreeGone { release } => {
                write!(f, "the modules of the running kernel {release} are gone, as after an upgrade: reboot into the new kernel")
            }
            Self::NoTree { directory } => {
                write!(f, "there is no `{}`: no modules of this release are installed", text::of_path(directory))
            }
            Self::NoIndex { directory, release } => {
                write!(f, "`{}` has no modules.dep, in which modules are found: `depmod {release}` makes it", text::of_path(directory))
            }
            Self::Log { line } => write!(f, "kernel: {line}"),
        }
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "; the module has no parameters".to_owned() } else { format!("; the module has: {}", known.join(" ")) }
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the module is not signed",
            Self::Unreadable => "the signature of the module cannot be read",
            Self::UnknownKey => "the module is signed with a key that the kernel does not have",
            Self::UnknownDigest => "the module is signed with an algorithm that the kernel does not have",
            Self::Forced => "a forced load counts as unsigned",
            Self::Damaged => "the module was changed after it was signed, or its key is not accepted",
        })
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lockdown { level } => write!(f, ", and lockdown ({level}) insists on signatures"),
            Self::Enforced => f.write_str(", and module.sig_enforce insists on signatures"),
            Self::Off => f.write_str("; the kernel takes unsigned modules, but none with a broken signature"),
            Self::Unknown => Ok(()),
        }
    }
}
