//! Why Linux refused a module, in the user's terms.
//!
//! The kernel answers with an error number that stands for many things. What it means follows from facts about the module's file, facts
//! about the kernel, and the lines that the kernel logged meanwhile. [`explain`] puts these together and touches nothing, so that every
//! case can be tested without a kernel; [`facts`] collects them on a running system.

mod absence;
pub mod facts;
mod reason;

use crate::file::Import;
use crate::kernel::Force;

pub use absence::{TreeFacts, TreeState, explain_absence};
pub use reason::{Enforcement, Reason, SignatureFault};

/// What matters of the module's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleFacts {
    /// The module's name, by which the kernel knows it: the file may have another.
    pub name: String,
    /// `vermagic` of its `.modinfo`.
    pub vermagic: Option<String>,
    /// `e_machine` with class and byte order; `None` if the file is no ELF object.
    pub machine: Option<crate::file::Machine>,
    /// Size of the file in bytes.
    pub size: u64,
    /// Whether it is a file at all.
    pub kind: FileKind,
    /// Whether the file ends with a signature: `None` for none, `Some(false)` for one that cannot be read.
    pub signed: Option<bool>,
    /// The symbols that it needs.
    pub imports: Vec<Import>,
    /// The parameters that it has.
    pub parameters: Vec<String>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileKind {
    /// A file with bytes in it.
    #[default]
    Regular,
    /// A directory.
    Directory,
    /// A device, a pipe, a socket.
    Special,
}

/// What matters of the kernel. Unknown facts are `None`: nothing is then concluded from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelFacts {
    /// `uname -r`.
    pub release: String,
    /// The `vermagic` that its modules carry.
    pub vermagic: Option<String>,
    /// The machine of its modules.
    pub machine: Option<crate::file::Machine>,
    /// Exported symbols of the kernel and of the loaded modules.
    pub symbols: Option<std::collections::HashSet<String>>,
    /// Whether only signed modules are taken (`module.sig_enforce`).
    pub signatures_enforced: Option<bool>,
    /// The active lockdown level, such as `integrity`; `None` or `none` for none.
    pub lockdown: Option<String>,
    /// Whether loading has been switched off until the next boot (`kernel.modules_disabled`).
    pub modules_disabled: Option<bool>,
    /// The modules of `module_blacklist=` on the kernel command line.
    pub blacklist: Vec<String>,
    /// Whether it has modules at all (`CONFIG_MODULES`).
    pub modular: Option<bool>,
    /// Whether the tree of the running release is there.
    pub tree: Option<bool>,
    /// Whether the caller may load modules at all.
    pub privileged: Option<bool>,
    /// The modules that are loaded, or just being loaded.
    pub loaded: Option<std::collections::HashSet<String>>,
}

/// Who could provide a symbol, and with which checksum.
pub trait Providers {
    /// The modules of the tree that export the symbol, each with the checksum if known.
    fn of(&self, symbol: &str) -> Vec<(String, Option<u64>)>;

    /// The checksum with which the tree's modules, this one aside, were compiled against a symbol: the one that the kernel provides,
    /// which cannot be asked for it.
    fn agreed(&self, symbol: &str, except: &str) -> Option<u64>;
}

/// A refused load.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The error number.
    pub errno: i32,
    /// The parameters that were given.
    pub parameters: &'a str,
    /// The checks that were to be overridden.
    pub force: Force,
    /// What the kernel logged during the call, oldest line first.
    pub log: &'a [String],
}

/// The reasons for a refusal, the most certain first; empty if nothing more than the error number is known.
#[must_use]
pub fn explain(refusal: &Refusal<'_>, module: &ModuleFacts, kernel: &KernelFacts, providers: &dyn Providers) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match refusal.errno {
        libc::EPERM => permission(refusal, module, kernel, &mut reasons),
        libc::ENOEXEC => format(refusal, module, kernel, providers, &mut reasons),
        libc::ENOENT => symbols(refusal, module, kernel, providers, &mut reasons),
        libc::ENOSPC if refusal.log.iter().any(|line| line.contains(TOO_LARGE)) => parameters(refusal, module, &mut reasons),
        libc::EINVAL | libc::ERANGE => {
            versions(refusal, module, providers, &mut reasons);
            parameters(refusal, module, &mut reasons);
            match module.kind {
                FileKind::Directory => reasons.push(Reason::Directory),
                FileKind::Special => reasons.push(Reason::SpecialFile),
                FileKind::Regular if module.size == 0 => reasons.push(Reason::EmptyFile),
                FileKind::Regular => {}
            }
        }
        libc::EKEYREJECTED | libc::EBADMSG | libc::ENOKEY => reasons.push(signature(refusal, module, kernel)),
        // A start may answer this too: that of a driver that finds its place taken.
        libc::EEXIST if kernel.loaded.as_ref().is_none_or(|loaded| loaded.contains(&module.name)) => reasons.push(Reason::AlreadyLoaded),
        libc::ETXTBSY => reasons.push(Reason::OpenForWriting),
        libc::ENOSYS if kernel.modular == Some(false) => return vec![Reason::NoModules { release: kernel.release.clone() }],
        errno => reasons.push(Reason::InitFailed { errno }),
    }
    // Numbers that the kernel itself answers, too: but it says why then, or the file shows it.
    if reasons.is_empty() && module.kind == FileKind::Regular {
        reasons.push(Reason::InitSuspected { errno: refusal.errno });
    }
    if kernel.tree == Some(false) {
        reasons.push(Reason::TreeGone { release: kernel.release.clone() });
    }
    let told = |line: &&String| !reasons.iter().any(|r| r.tells(line));
    let rest: Vec<Reason> = refusal.log.iter().filter(told).map(|line| Reason::Log { line: line.clone() }).collect();
    reasons.extend(rest);
    reasons
}

/// What is odd about a module that Linux took all the same: parameters that the module does not have, a start that answered a number
/// which is neither success nor an error. `parameters` are those that were given.
#[must_use]
pub fn passed_over(log: &[String], parameters: &str, module: &ModuleFacts) -> Vec<Reason> {
    let words = crate::config::words(parameters);
    let odd = |line: &String| {
        if let Some(logged) = quoted_after(line, "unknown parameter '") {
            // The kernel cuts what it takes for a word to some module's debugging off at its dot.
            let key = |word: &'_ String| word.split('=').next().unwrap_or_default().to_owned();
            let given =
                words.iter().map(key).find(|key| key == logged || key.strip_prefix(logged).is_some_and(|rest| rest.starts_with('.')));
            let parameter = given.unwrap_or_else(|| logged.to_owned());
            return Some(Reason::UnknownParameter { parameter, known: module.parameters.clone() });
        }
        let answer = word_after(line, "'->init suspiciously returned ")?.trim_end_matches(',').parse().ok()?;
        Some(Reason::OddStart { answer })
    };
    log.iter().filter(|line| is_about(line, &module.name)).filter_map(odd).collect()
}

/// Whether the kernel logged a line of a module: with its name in front, or after that of the function that logs.
#[must_use]
pub fn is_about(line: &str, module: &str) -> bool {
    line.strip_prefix(module).is_some_and(|rest| rest.starts_with(": ")) || line.contains(&format!("'{module}'->init "))
}

/// The reasons for a refused removal.
#[must_use]
pub fn explain_removal(errno: i32, standing: Standing, kernel: &KernelFacts) -> Vec<Reason> {
    match (errno, standing) {
        (libc::EPERM, _) if kernel.privileged == Some(false) => vec![Reason::NotPrivileged],
        (libc::EPERM, _) if kernel.modules_disabled == Some(true) => vec![Reason::ModulesDisabled],
        (libc::EBUSY, Standing::Permanent) => vec![Reason::Permanent],
        (libc::EBUSY | libc::EAGAIN, Standing::Starting) => vec![Reason::Starting],
        (libc::EBUSY | libc::EAGAIN, Standing::Leaving) => vec![Reason::Leaving],
        _ => Vec::new(),
    }
}

/// Whether a loaded module can be removed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has a function for its end.
    Removable,
    /// It has none: `[permanent]` in `/proc/modules`.
    Permanent,
    /// Its start has not come to its end.
    Starting,
    /// It is being removed.
    Leaving,
}

impl From<&crate::kernel::Loaded> for Standing {
    fn from(module: &crate::kernel::Loaded) -> Self {
        match module.state.as_str() {
            "Loading" => Self::Starting,
            "Unloading" => Self::Leaving,
            _ if module.flags.split(',').any(|flag| flag == "permanent") => Self::Permanent,
            _ => Self::Removable,
        }
    }
}

fn permission(refusal: &Refusal<'_>, module: &ModuleFacts, kernel: &KernelFacts, reasons: &mut Vec<Reason>) {
    if kernel.privileged == Some(false) {
        reasons.push(Reason::NotPrivileged);
    }
    if kernel.modules_disabled == Some(true) {
        reasons.push(Reason::ModulesDisabled);
    }
    let blacklisted = refusal.log.iter().any(|l| l.contains("is blacklisted"));
    if blacklisted || kernel.blacklist.contains(&module.name) {
        reasons.push(Reason::CommandLineBlacklist);
    }
    let locked = kernel.lockdown.as_deref().is_some_and(|l| l != "none");
    if locked || refusal.log.iter().any(|l| l.contains("Lockdown:")) {
        reasons.push(signature(refusal, module, kernel));
    }
}

fn signature(refusal: &Refusal<'_>, module: &ModuleFacts, kernel: &KernelFacts) -> Reason {
    let logged = |text: &str| refusal.log.iter().any(|l| l.contains(text));
    let fault = match module.signed {
        None => SignatureFault::Missing,
        Some(false) => SignatureFault::Unreadable,
        Some(true) if refusal.errno == libc::EBADMSG => SignatureFault::Unreadable,
        // The kernel looks at no signature where a check is overridden (`module_sig_check`).
        Some(true) if refusal.force != Force::default() => SignatureFault::Forced,
        // Lockdown's refusal: a signature that is wrong by itself would have been refused before.
        Some(true) if refusal.errno == libc::EPERM => SignatureFault::UnknownKey,
        Some(true) if logged("unavailable key") || refusal.errno == libc::ENOKEY => SignatureFault::UnknownKey,
        Some(true) if logged("unsupported crypto") => SignatureFault::UnknownDigest,
        Some(true) => SignatureFault::Damaged,
    };
    let enforced = match (&kernel.lockdown, kernel.signatures_enforced) {
        // The parameter is asked before lockdown is.
        (_, Some(true)) => Enforcement::Enforced,
        (Some(level), _) if level != "none" => Enforcement::Lockdown { level: level.clone() },
        (_, Some(false)) => Enforcement::Off,
        (_, None) => Enforcement::Unknown,
    };
    Reason::Signature { fault, enforced }
}

fn format(refusal: &Refusal<'_>, module: &ModuleFacts, kernel: &KernelFacts, providers: &dyn Providers, reasons: &mut Vec<Reason>) {
    match (module.machine, kernel.machine) {
        (None, _) => reasons.push(Reason::NotAnObject { size: module.size }),
        (Some(found), Some(wanted)) if found != wanted => reasons.push(Reason::OtherMachine { found, wanted }),
        _ => {}
    }
    let logged = refusal.log.iter().find_map(|l| quoted_after(l, "should be '"));
    let wanted = logged.map(str::to_owned).or_else(|| kernel.vermagic.clone());
    if let (Some(found), Some(wanted)) = (&module.vermagic, wanted)
        && found.trim() != wanted.trim()
    {
        reasons.push(Reason::Vermagic { found: found.clone(), wanted });
    }
    versions(refusal, module, providers, reasons);
    for line in refusal.log.iter().filter(|l| l.contains("Unknown rela relocation") || l.contains("overflow in relocation")) {
        reasons.push(Reason::Relocation { line: line.clone() });
    }
}

fn symbols(refusal: &Refusal<'_>, module: &ModuleFacts, kernel: &KernelFacts, providers: &dyn Providers, reasons: &mut Vec<Reason>) {
    let logged = refusal.log.iter().filter_map(|l| word_after(l, "Unknown symbol "));
    let mut missing: Vec<String> = logged.map(str::to_owned).collect();
    if missing.is_empty()
        && let Some(known) = &kernel.symbols
    {
        let unknown = module.imports.iter().filter(|i| !i.weak && !known.contains(&i.name));
        missing = unknown.map(|i| i.name.clone()).collect();
    }
    missing.dedup();
    for symbol in missing {
        let providers = providers.of(&symbol).into_iter().map(|(module, _)| module).collect();
        reasons.push(Reason::UnknownSymbol { symbol, providers });
    }
}

fn versions(refusal: &Refusal<'_>, module: &ModuleFacts, providers: &dyn Providers, reasons: &mut Vec<Reason>) {
    for line in refusal.log {
        let Some(symbol) = word_after(line, "disagrees about version of symbol ") else { continue };
        let wanted = module.imports.iter().find(|i| i.name == symbol).and_then(|i| i.crc);
        let provider = providers.of(symbol).into_iter().next();
        let by_kernel = || (None, providers.agreed(symbol, &module.name));
        let (provider, provided) = provider.map_or_else(by_kernel, |(module, crc)| (Some(module), crc));
        reasons.push(Reason::SymbolVersion { symbol: symbol.to_owned(), wanted, provided, provider });
    }
}

fn parameters(refusal: &Refusal<'_>, module: &ModuleFacts, reasons: &mut Vec<Reason>) {
    let words = crate::config::words(refusal.parameters);
    for line in refusal.log {
        if let Some(parameter) = quoted_after(line, "invalid for parameter `").or_else(|| quoted_after(line, TOO_LARGE)) {
            let logged = quoted_after(line, ": `").unwrap_or_default();
            let value = given(&words, parameter, logged).unwrap_or(logged).to_owned();
            reasons.push(Reason::BadParameter { parameter: parameter.to_owned(), value, known: module.parameters.clone() });
        }
    }
    for word in words {
        let name = word.split('=').next().unwrap_or_default().replace('-', "_");
        // The kernel takes these for every module.
        let always = ["async_probe", "dyndbg"].contains(&name.as_str());
        let known = always || module.parameters.iter().any(|p| p.replace('-', "_") == name);
        if !known && !reasons.iter().any(|r| matches!(r, Reason::BadParameter { parameter, .. } if *parameter == name)) {
            reasons.push(Reason::UnknownParameter { parameter: name, known: module.parameters.clone() });
        }
    }
}

/// The value that was given for a parameter, of which the kernel logged the beginning: of a list, up to the first comma.
fn given<'a>(words: &'a [String], parameter: &str, logged: &str) -> Option<&'a str> {
    let values = words.iter().filter_map(|word| word.split_once('=')).filter(|(key, _)| key.replace('-', "_") == parameter);
    values.map(|(_, value)| value).find(|value| value.split(',').next() == Some(logged))
}

/// What Linux logs of a value that has no room (`parse_args`), before it answers `ENOSPC`.
const TOO_LARGE: &str = "too large for parameter `";

/// The text between a marker that ends with a quote and the next quote.
fn quoted_after<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(marker)?;
    rest.split(['\'', '`']).next()
}

/// The word behind a marker.
fn word_after<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(marker)?;
    rest.split_ascii_whitespace().next()
}
