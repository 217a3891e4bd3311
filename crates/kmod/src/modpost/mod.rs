//! Makes a module of an object: adds what insmod and modprobe want to know of it.
//!
//! * `.modinfo`: `name=`, `kernel_version=` and `vermagic=` (the release that it is built for), `using_checksums=1`, `depends=`;
//! * `__versions`: for each symbol that it uses, the CRC that the symbol had when the module was built, in records of 64 bytes
//!   (8 bytes CRC, then the name; `struct modversion_info` of Linux);
//! * `__crc_NAME`: an absolute symbol for each export whose prototype stands in section `__kproto`, which then goes.

mod error;
mod exports;
mod rewrite;

use std::collections::BTreeSet;

pub use self::error::Error;
use self::exports::Export;
use self::rewrite::{Binding, Elf};
use crate::symvers::{EXPORT_SYMBOL, Entry, Symvers};

/// Bytes of a record in `__versions`.
const RECORD: usize = 64;

/// Bytes of a record's CRC; the rest is the name, ended by a NUL.
const CRC: usize = 8;

/// Symbols that the linker or the kernel makes for each module, and which so have no provider.
const OWN: [&str; 3] = ["mod_use_count_", "_GLOBAL_OFFSET_TABLE_", "__this_module"];

/// What to do about a used symbol of which no version is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unversioned {
    /// Say so; loading will tell whether the symbol exists.
    #[default]
    Warn,
    /// Make no module.
    Refuse,
}

/// What a module is made with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the module.
    pub name: String,
    /// Release of the kernel that it is built for; none: any kernel of its kind will be refused without `-f`.
    pub release: Option<String>,
    /// What to do about symbols without a version.
    pub unversioned: Unversioned,
}

/// Something that does not keep the module from being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A used symbol has no version: it stands in no symvers file.
    Unknown {
        /// The symbol.
        symbol: String,
    },
    /// A used symbol's name does not fit a record of `__versions`.
    LongName {
        /// The symbol.
        symbol: String,
    },
    /// A prototype is given for a symbol that the object does not export.
    NotExported {
        /// The symbol.
        symbol: String,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { symbol } => write!(f, "no version is known of `{symbol}`: no symvers file has it"),
            Self::LongName { symbol } => write!(f, "`{symbol}` gets no version: its name is longer than {} bytes", RECORD - CRC - 1),
            Self::NotExported { symbol } => write!(f, "`{symbol}` has a prototype but is not exported"),
        }
    }
}

/// A finished module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The object file.
    pub bytes: Vec<u8>,
    /// What it exports, for a symvers file.
    pub exports: Vec<Entry>,
    /// What its author should know.
    pub warnings: Vec<Warning>,
}

/// Makes a module of `object`, whose used symbols have the versions in `symvers`.
///
/// # Errors
/// [`Error`]; where versions are missing, [`Options::unversioned`] decides.
pub fn modpost(object: &[u8], symvers: &Symvers, options: &Options) -> Result<Module, Error> {
    let mut elf = Elf::parse(object)?;
    let modinfo = elf.section(".modinfo").unwrap_or_default().to_vec();
    if elf.section("__versions").is_some() {
        return Err(Error::AlreadyModule { sign: "__versions" });
    }
    if value(&modinfo, "depends").is_some() {
        return Err(Error::AlreadyModule { sign: "depends=" });
    }
    let imports = imports(&elf)?;
    let (exports, mut warnings) = exports::read(&elf)?;
    let used = Used::find(&imports, symvers, options, &mut warnings)?;
    let added = used.modinfo(&modinfo, symvers, options)?;
    elf.drop_section("__kproto")?;
    elf.append(".modinfo", &added, 1);
    if !used.versions.is_empty() {
        elf.append("__versions", &used.versions, 8);
    }
    let crc = |export: &Export| export.crc.map(|crc| (format!("__crc_{}", export.name), u64::from(crc)));
    elf.add_absolute(&exports.iter().filter_map(crc).collect::<Vec<_>>())?;
    let entry = |export: &Export| Entry {
        crc: export.crc.unwrap_or(0),
        symbol: export.name.clone(),
        module: options.name.clone(),
        export: EXPORT_SYMBOL.to_owned(),
        namespace: String::new(),
    };
    Ok(Module { bytes: elf.write()?, exports: exports.iter().map(entry).collect(), warnings })
}

/// A used symbol.
struct Import {
    name: String,
    binding: Binding,
}

/// The symbols that an object uses and does not define, each once.
fn imports(elf: &Elf<'_>) -> Result<Vec<Import>, Error> {
    let mut imports = Vec::new();
    for symbol in elf.symbols()? {
        let name = String::from_utf8_lossy(symbol.name).into_owned();
        if symbol.used && !symbol.defined && !name.is_empty() && !OWN.contains(&name.as_str()) {
            imports.push(Import { name, binding: symbol.binding });
        }
    }
    Ok(imports)
}

/// What symvers files say of the used symbols.
struct Used {
    /// Contents of `__versions`.
    versions: Vec<u8>,
    /// Modules that provide some of them.
    modules: BTreeSet<String>,
}

impl Used {
    /// Looks all of them up.
    fn find(imports: &[Import], symvers: &Symvers, options: &Options, warnings: &mut Vec<Warning>) -> Result<Self, Error> {
        let mut used = Self { versions: Vec::new(), modules: BTreeSet::new() };
        let mut unknown = Vec::new();
        for Import { name, binding } in imports {
            let entry = symvers.get(name);
            used.modules.extend(entry.and_then(Entry::module_name).map(str::to_owned));
            match entry.map(|entry| entry.crc).filter(|crc| *crc != 0) {
                Some(crc) if name.len() < RECORD - CRC => used.record(name, crc),
                Some(_) => warnings.push(Warning::LongName { symbol: name.clone() }),
                None if *binding == Binding::Weak || symvers.is_empty() => {}
                None => unknown.push(name.clone()),
            }
        }
        if options.unversioned == Unversioned::Refuse && !unknown.is_empty() {
            return Err(Error::Unversioned { symbols: unknown });
        }
        warnings.extend(unknown.into_iter().map(|symbol| Warning::Unknown { symbol }));
        Ok(used)
    }

    /// Adds a record of `__versions`.
    fn record(&mut self, name: &str, crc: u32) {
        let end = self.versions.len().saturating_add(RECORD);
        self.versions.extend_from_slice(&u64::from(crc).to_le_bytes());
        self.versions.extend_from_slice(name.as_bytes());
        self.versions.resize(end, 0);
    }

    /// What is added to `.modinfo`: the keys that its author has not given.
    fn modinfo(&self, present: &[u8], symvers: &Symvers, options: &Options) -> Result<Vec<u8>, Error> {
        let depends = self.modules.iter().filter(|module| **module != options.name).cloned().collect::<Vec<_>>().join(",");
        let entries = [
            ("name", Some(options.name.clone())),
            ("kernel_version", options.release.clone()),
            ("vermagic", options.release.clone()),
            ("using_checksums", (!symvers.is_empty()).then(|| "1".to_owned())),
            ("depends", Some(depends)),
        ];
        let mut added = Vec::new();
        if present.last().is_some_and(|byte| *byte != 0) {
            added.push(0);
        }
        for (key, text) in entries {
            let Some(text) = text.filter(|_| value(present, key).is_none()) else { continue };
            if text.contains('\0') {
                return Err(Error::BadValue { key });
            }
            added.extend_from_slice(format!("{key}={text}\0").as_bytes());
        }
        Ok(added)
    }
}

/// The value of a key in the contents of `.modinfo`.
fn value<'a>(modinfo: &'a [u8], key: &str) -> Option<&'a [u8]> {
    modinfo.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(key.as_bytes())?.strip_prefix(b"="))
}
