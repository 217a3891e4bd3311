//! The words of every error. Lower case, without the file's name: callers put it in front.

use core::fmt;

use super::{Error, FileTable, Remedy, Site, WrongVersion};

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`+{:#x}", self.section, self.offset)
    }
}

impl fmt::Display for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileHeader => "the file header",
            Self::SectionHeaders => "the section headers",
            Self::SectionData => "the bytes of a section",
            Self::SectionNames => "the section names",
            Self::Symbols => "the symbols",
            Self::SymbolSections => "the section indices of symbols",
            Self::SymbolNames => "the symbol names",
            Self::Relocations => "the relocations",
            Self::Group => "a section group",
        })
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CompilePic => "; the target must be within 2 GiB: recompile with -fPIC",
            Self::CompilePicOrLow => "; the address must be below 2 GiB: recompile with -fPIC",
            Self::NotKernelModel => {
                "; only code that runs below 2 GiB or in the top 2 GiB can use it: recompile with -fPIC and without -mcmodel=kernel"
            }
            Self::LowMemory => "; an a.out object and what it refers to must be below 2 GiB",
            Self::None => "",
        })
    }
}

impl fmt::Display for WrongVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (", self.symbol)?;
        match self.wanted {
            Some(crc) => write!(f, "compiled with {crc:08x}, ")?,
            None => f.write_str("compiled without a checksum, ")?,
        }
        match self.provider.as_str() {
            "" => f.write_str("the kernel has ")?,
            name => write!(f, "module `{name}` has ")?,
        }
        match self.found {
            Some(crc) => write!(f, "{crc:08x})"),
            None => f.write_str("none)"),
        }
    }
}

/// `items` with commas between.
fn list(f: &mut fmt::Formatter<'_>, items: impl IntoIterator<Item = impl fmt::Display>) -> fmt::Result {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One chapter after the other; each answers for its own errors.
        [file, relocation, placement, module, parameter].iter().find_map(|chapter| chapter(self, f)).unwrap_or(Ok(()))
    }
}

/// Errors of the file's structure.
fn file(error: &Error, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
    Some(match error {
        Error::NotAnObject => f.write_str("not an object file"),
        Error::WrongMachine { class, byte_order, machine } => {
            write!(f, "object file not for this architecture (class {class}, byte order {byte_order}, machine {machine})")
        }
        Error::NotRelocatable { file_type } => {
            write!(f, "not an object file: ELF file of type {file_type}, not a relocatable one")
        }
        Error::Truncated { table, section, offset, size, file } => {
            write!(f, "truncated: {table} (section {section}) at {offset:#x}, {size} bytes long, ends after the file's {file} bytes")
        }
        Error::BadTable { table, section } => write!(f, "malformed: {table} (section {section})"),
        Error::OverlappingSections { claimed, file } => {
            write!(f, "sections overlap: they claim {claimed} bytes of a file of {file}")
        }
        Error::TwoSymbolTables { section } => write!(f, "second symbol table in section {section}"),
        Error::BadSectionIndex { table, entry, section } => {
            write!(f, "entry {entry} of {table} names section {section}, which does not exist")
        }
        Error::UnsupportedSection { section, kind } => {
            write!(f, "can't handle section `{section}` of type {kind:#x}")
        }
        Error::CompressedSection { section } => write!(f, "can't load compressed section `{section}`"),
        Error::BadAlignment { name, align } => {
            write!(f, "alignment {align} of `{name}` is no power of two")
        }
        Error::ThreadLocal { name } => {
            write!(f, "`{name}` is thread-local, which a module cannot have: keep it per thread in the host or make it global")
        }
        Error::IndirectFunction { symbol } => {
            write!(f, "`{symbol}` is an indirect function (ifunc), which a module cannot have")
        }
        _ => return None,
    })
}

/// Errors of relocations.
fn relocation(error: &Error, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
    Some(match error {
        Error::RelocationOutsideSection { site, size } => {
            write!(f, "bad relocation at {site}: outside of the section's {size} bytes")
        }
        Error::RelocatedBss { section } => {
            write!(f, "bad relocation: section `{section}` has no bytes to relocate")
        }
        Error::BadSymbolIndex { site, symbol, count } => {
            write!(f, "bad relocation at {site}: symbol {symbol} of {count}")
        }
        Error::UnknownRelocation { site, number, machine } => {
            write!(f, "unhandled relocation of type {number} ({machine}) at {site}")
        }
        Error::DynamicRelocation { site, relocation } => {
            write!(f, "unhandled relocation {relocation} at {site}: it belongs into linked files")
        }
        Error::ThreadLocalRelocation { site, relocation, symbol } => write!(
            f,
            "`{symbol}` is thread-local ({relocation} at {site}), which a module cannot use: keep it per thread in the host or make it global"
        ),
        Error::UnimplementedRelocation { site, length } => {
            write!(f, "unimplemented relocation at {site}: r_length = {length}")
        }
        Error::NotInAout { site, number } => {
            write!(f, "a.out has no form for relocation type {number} at {site}: compile with -fno-pic, or with -mcmodel=large")
        }
        Error::BadRelocation { site, symbol } => write!(f, "bad relocation at {site}: symbol {symbol}"),
        Error::SymbolNotLoaded { site, relocation, symbol, section } => {
            write!(f, "{relocation} at {site} refers to `{symbol}` in section `{section}`, which is not loaded")
        }
        Error::OutOfRange { site, relocation, symbol, value, limits, remedy } => write!(
            f,
            "reference to `{symbol}` at {site} does not fit: {relocation} would store {value:#x}, but holds {:#x} to {:#x}{remedy}",
            limits.min, limits.max
        ),
        _ => return None,
    })
}

/// Errors of sizes, bases and undefined symbols.
fn placement(error: &Error, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
    Some(match error {
        Error::AlignmentAbovePage { name, align, page } => {
            write!(f, "alignment {align} of `{name}` is above the page size {page}")
        }
        Error::TooLarge { size, limit } => {
            write!(f, "the image needs {size} bytes or more, above the limit of {limit}")
        }
        Error::UnalignedBase { base, page } => write!(f, "base {base} is no multiple of the page size {page}"),
        Error::PastAddressSpace { base, size, machine } => {
            write!(f, "{size} bytes at {base} end past the address space of {machine}")
        }
        Error::BadPageSize { page } => write!(f, "page size {page} is no power of two up to 1 GiB"),
        Error::WrongBuffer { expected, found } => {
            write!(f, "the image has {expected} bytes, its buffer {found}")
        }
        Error::Undefined { symbols } => list(f, symbols.iter().map(|name| Quoted(name))).and_then(|()| f.write_str(" undefined")),
        _ => return None,
    })
}

/// Errors of what makes an object a module.
fn module(error: &Error, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
    Some(match error {
        Error::MissingRoutine { name } => write!(f, "`{name}` needed, but can't be found"),
        Error::RoutineNotCode { name } => write!(f, "`{name}` is not in the module's text"),
        Error::VersionMismatch { module, kernel } => write!(
            f,
            "kernel-module version mismatch: the module was compiled for kernel version `{module}`, this kernel is version `{kernel}`"
        ),
        Error::WrongVersions { kernel, symbols } => f
            .write_str("wrong version: ")
            .and_then(|()| list(f, symbols))
            .and_then(|()| write!(f, "; the symbols from kernel `{kernel}` don't match")),
        Error::BadVersions { size } => {
            write!(f, "`__versions` of {size} bytes is no table of 64-byte records")
        }
        Error::ExportNotDefined { symbol } => write!(f, "`{symbol}` is exported but not defined"),
        _ => return None,
    })
}

/// Errors of parameters.
fn parameter(error: &Error, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
    Some(match error {
        Error::UnknownParameter { name } => write!(f, "invalid parameter `{name}`"),
        Error::ParameterWithoutSymbol { name } => write!(f, "symbol for parameter `{name}` not found"),
        Error::UnknownParameterType { name, declared } => {
            write!(f, "unknown parameter type `{declared}` for `{name}`")
        }
        Error::TooManyValues { name, max } => write!(f, "too many values for `{name}` (max {max})"),
        Error::TooFewValues { name, min } => write!(f, "too few values for `{name}` (min {min})"),
        Error::StringTooLong { name, max } => write!(f, "string too long for `{name}` (max {max})"),
        Error::BadArgument { name, value } => write!(f, "invalid argument syntax for `{name}`: `{value}`"),
        Error::UnterminatedString { name } => {
            write!(f, "improperly terminated string argument for `{name}`")
        }
        Error::ParameterOutsideData { name } => {
            write!(f, "the values of `{name}` reach past the module's data")
        }
        _ => return None,
    })
}

/// A name in backticks.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}
