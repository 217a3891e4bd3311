//! Everything that can be wrong with an object, its placement or its symbols, as data.

mod text;

use alloc::{string::String, vec::Vec};

use crate::{Addr, Machine};

/// The result of every fallible operation of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// The place of a relocation: a byte of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The section's name.
    pub section: String,
    /// The byte of the section at which the relocated field starts.
    pub offset: u64,
}

/// A table or area of an object file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTable {
    /// The header at the start of the file.
    FileHeader,
    /// The table of section headers.
    SectionHeaders,
    /// The bytes of a section.
    SectionData,
    /// The names of sections.
    SectionNames,
    /// The symbols.
    Symbols,
    /// The section indices of symbols that do not fit in 16 bits (gABI `SHT_SYMTAB_SHNDX`).
    SymbolSections,
    /// The names of symbols.
    SymbolNames,
    /// The relocations.
    Relocations,
    /// The members of a section group (gABI `SHT_GROUP`).
    Group,
}

/// What a relocated field can hold: both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The smallest value.
    pub min: i64,
    /// The largest value.
    pub max: u64,
}

/// What the author of an object can do about a reference that does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The reference is relative and its target more than 2 GiB away.
    CompilePic,
    /// The object was compiled for addresses below 2 GiB.
    CompilePicOrLow,
    /// The object was compiled for the top 2 GiB of the address space (`-mcmodel=kernel`).
    NotKernelModel,
    /// a.out has only 4-byte fields for code, so the image and what it refers to must be low.
    LowMemory,
    /// Nothing general can be said.
    None,
}

/// A symbol whose checksum differs between a module and what provides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongVersion {
    /// The symbol's name without a checksum.
    pub symbol: String,
    /// The checksum that the module was compiled with.
    pub wanted: Option<u32>,
    /// The checksum that the provider carries.
    pub found: Option<u32>,
    /// The module that provides the symbol; empty for the kernel.
    pub provider: String,
}

/// Everything that can be wrong with an object, its placement, or the symbols that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Neither an ELF nor an a.out object.
    NotAnObject,
    /// An ELF file of a class, byte order, version or machine that is not linked here.
    WrongMachine {
        /// `EI_CLASS` of the gABI: 1 = 32 bits, 2 = 64 bits.
        class: u8,
        /// `EI_DATA` of the gABI: 1 = little endian, 2 = big endian.
        byte_order: u8,
        /// `e_machine` of the gABI; for a.out, the machine byte.
        machine: u16,
    },
    /// A file that is not relocatable: an executable, a shared object, a core dump.
    NotRelocatable {
        /// `e_type` of the gABI.
        file_type: u16,
    },
    /// A table reaches past the end of the file.
    Truncated {
        /// Which table.
        table: FileTable,
        /// Its section index, 0 when it has none.
        section: u32,
        /// Where it starts, in bytes of the file.
        offset: u64,
        /// Its size in bytes.
        size: u64,
        /// The size of the file in bytes.
        file: u64,
    },
    /// A table's size, entry size or format breaks its specification.
    BadTable {
        /// Which table.
        table: FileTable,
        /// Its section index, 0 when it has none.
        section: u32,
    },
    /// Sections that share bytes of the file, which no assembler makes.
    OverlappingSections {
        /// The bytes that all sections claim together.
        claimed: u64,
        /// The size of the file in bytes.
        file: u64,
    },
    /// A second symbol table, where the gABI allows one.
    TwoSymbolTables {
        /// The section index of the second one.
        section: u32,
    },
    /// A section index that names no section.
    BadSectionIndex {
        /// Who says so.
        table: FileTable,
        /// The entry of that table.
        entry: u64,
        /// The section index.
        section: u32,
    },
    /// A loaded section of a kind that cannot be loaded.
    UnsupportedSection {
        /// The section's name.
        section: String,
        /// `sh_type` of the gABI.
        kind: u32,
    },
    /// A loaded section that is compressed.
    CompressedSection {
        /// The section's name.
        section: String,
    },
    /// An alignment that is no power of two.
    BadAlignment {
        /// The section or the common symbol.
        name: String,
        /// The alignment in bytes.
        align: u64,
    },
    /// An alignment above the page size: the base could not promise it.
    AlignmentAbovePage {
        /// The section or the common symbol.
        name: String,
        /// The alignment in bytes.
        align: u64,
        /// The page size in bytes.
        page: u64,
    },
    /// Thread-local storage, which modules cannot have.
    ThreadLocal {
        /// The section or the symbol.
        name: String,
    },
    /// A symbol whose address is computed when it is first used (`STT_GNU_IFUNC`), which modules cannot have.
    IndirectFunction {
        /// The symbol.
        symbol: String,
    },
    /// The image would be larger than the limit.
    TooLarge {
        /// The size in bytes, as far as it was counted.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A relocation whose field is not inside its section.
    RelocationOutsideSection {
        /// Where.
        site: Site,
        /// The section's size in bytes.
        size: u64,
    },
    /// A relocation of a section without bytes (`SHT_NOBITS`).
    RelocatedBss {
        /// The section's name.
        section: String,
    },
    /// A relocation against a symbol that does not exist.
    BadSymbolIndex {
        /// Where.
        site: Site,
        /// The symbol index.
        symbol: u32,
        /// The number of symbols.
        count: u64,
    },
    /// A relocation type that no relocatable object of the machine contains.
    UnknownRelocation {
        /// Where.
        site: Site,
        /// The type's number in the machine's psABI.
        number: u32,
        /// The machine.
        machine: Machine,
    },
    /// A relocation type that belongs into linked files only.
    DynamicRelocation {
        /// Where.
        site: Site,
        /// The psABI's name of the type.
        relocation: &'static str,
    },
    /// A relocation against thread-local storage, which modules cannot have.
    ThreadLocalRelocation {
        /// Where.
        site: Site,
        /// The psABI's name of the type.
        relocation: &'static str,
        /// The symbol.
        symbol: String,
    },
    /// An a.out relocation of a length that is not linked here.
    UnimplementedRelocation {
        /// Where.
        site: Site,
        /// `r_length`: the logarithm of the field's size in bytes.
        length: u8,
    },
    /// A relocation that a.out has no form for.
    NotInAout {
        /// Where.
        site: Site,
        /// The type's number in the machine's psABI.
        number: u32,
    },
    /// An a.out relocation that names no symbol or segment.
    BadRelocation {
        /// Where.
        site: Site,
        /// `r_symbolnum`.
        symbol: u32,
    },
    /// A relocation against a symbol of a section that is not loaded.
    SymbolNotLoaded {
        /// Where.
        site: Site,
        /// The psABI's name of the relocation type.
        relocation: &'static str,
        /// The symbol.
        symbol: String,
        /// The section that defines it.
        section: String,
    },
    /// A reference that does not fit in its field.
    OutOfRange {
        /// Where.
        site: Site,
        /// The psABI's name of the relocation type.
        relocation: &'static str,
        /// The symbol, or the section that it stands for.
        symbol: String,
        /// The value that should be stored.
        value: i128,
        /// What the field can hold.
        limits: Limits,
        /// What helps.
        remedy: Remedy,
    },
    /// A base that is no multiple of the page size.
    UnalignedBase {
        /// The base.
        base: Addr,
        /// The page size in bytes.
        page: u64,
    },
    /// An image that would end past what the machine can address.
    PastAddressSpace {
        /// The base.
        base: Addr,
        /// The size of the image in bytes.
        size: u64,
        /// The machine.
        machine: Machine,
    },
    /// A page size that is no power of two, or above 1 GiB.
    BadPageSize {
        /// The page size in bytes.
        page: u64,
    },
    /// An output buffer whose size is not the layout's.
    WrongBuffer {
        /// The layout's size in bytes.
        expected: u64,
        /// The buffer's size in bytes.
        found: u64,
    },
    /// Symbols that nobody defines.
    Undefined {
        /// Their names, in the order of the symbol table.
        symbols: Vec<String>,
    },

    /// The module has no start or no end: `init_module` or `cleanup_module`.
    MissingRoutine {
        /// The routine's name.
        name: &'static str,
    },
    /// A start or end routine outside of the module's text.
    RoutineNotCode {
        /// The routine's name.
        name: &'static str,
    },
    /// The module was compiled for another kernel release.
    VersionMismatch {
        /// The release in the module.
        module: String,
        /// The release of the kernel.
        kernel: String,
    },
    /// Symbols whose checksums differ.
    WrongVersions {
        /// The kernel's release.
        kernel: String,
        /// Each symbol.
        symbols: Vec<WrongVersion>,
    },
    /// `__versions` is no table of 64-byte records with terminated names.
    BadVersions {
        /// The section's size in bytes.
        size: u64,
    },
    /// An exported name that the module does not define.
    ExportNotDefined {
        /// The name.
        symbol: String,
    },
    /// A parameter that the module does not declare.
    UnknownParameter {
        /// The parameter.
        name: String,
    },
    /// A declared parameter, or an old-style one, without its variable.
    ParameterWithoutSymbol {
        /// The parameter.
        name: String,
    },
    /// A parameter declared with a type that does not exist.
    UnknownParameterType {
        /// The parameter.
        name: String,
        /// The declared type.
        declared: String,
    },
    /// More values than the parameter holds.
    TooManyValues {
        /// The parameter.
        name: String,
        /// The most that it holds.
        max: u64,
    },
    /// Fewer values than the parameter needs.
    TooFewValues {
        /// The parameter.
        name: String,
        /// The fewest that it needs.
        min: u64,
    },
    /// A text longer than its array, or above the limit of 1,023 bytes.
    StringTooLong {
        /// The parameter.
        name: String,
        /// The most bytes that fit, without the terminator.
        max: u64,
    },
    /// A value that is no number of the parameter's type.
    BadArgument {
        /// The parameter.
        name: String,
        /// The value.
        value: String,
    },
    /// A quoted text without its closing quote.
    UnterminatedString {
        /// The parameter.
        name: String,
    },
    /// A value that would be written past the module's data.
    ParameterOutsideData {
        /// The parameter.
        name: String,
    },
}

impl core::error::Error for Error {}
