//! The same object linked by another linker at the same addresses, and what has to be equal.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use modlink::{Addr, Layout, LayoutOptions, Object, Relax};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget};

use super::{Work, addresses, find, run};

/// Who else links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linker {
    /// GNU ld, which rewrites in ways of its own, so without rewriting.
    Gnu,
    /// LLVM's lld, which rewrites the way the psABI proposes.
    Lld,
}

impl Linker {
    fn program(self) -> &'static str {
        match self {
            Self::Gnu => "ld.bfd",
            Self::Lld => "ld.lld",
        }
    }

    fn relax(self) -> Relax {
        match self {
            Self::Gnu => Relax::Never,
            Self::Lld => Relax::WherePossible,
        }
    }
}

/// Links `path` here and there and compares every loaded section.
pub(crate) fn compare(work: &Work, path: &Path, linker: Linker, base: u64, imports: u64) {
    keep_strings_apart(path);
    let bytes = fs::read(path).expect("object");
    let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let layout = object.layout(&LayoutOptions { relax: linker.relax(), ..LayoutOptions::default() }).expect("layout");
    let addresses = addresses(&layout, imports);
    let mut out = vec![0xaa; usize::try_from(layout.size()).expect("size")];
    let image = layout.link(Addr(base), |name| find(&addresses, name), &mut out).unwrap_or_else(|error| panic!("{error}"));
    // A slot per symbol, not per type or use: never more than 64 here.
    let table = image.layout().parts().rodata.end;
    assert!(table < layout.size());

    let other = link(work, path, linker, &layout, base, &addresses);
    let other = object::File::parse(&*other).expect("linked file");
    let ours = Ours { layout: &layout, base, out: &out };
    let input = object::File::parse(&*bytes).expect("object");
    let mut compared = 0;
    for section in layout.sections() {
        let skipped = section.size == 0 || (linker == Linker::Lld && section.name == ".eh_frame");
        let Some(theirs) = other.section_by_name(&format!(".s{}", section.index)).filter(|_| !skipped) else { continue };
        let theirs = theirs.data().expect("bytes");
        if theirs.is_empty() {
            continue;
        }
        compared += same(&ours, &other, &input, &section, theirs, linker);
    }
    assert!(compared > 0, "nothing was compared");
}

/// Linkers merge equal strings; that is an optimization, which moves what follows.
fn keep_strings_apart(path: &Path) {
    run(Command::new("objcopy").arg("--set-section-flags").arg(".rodata.*=alloc,readonly,data,contents").arg(path));
}

fn link(work: &Work, path: &Path, linker: Linker, layout: &Layout<'_>, base: u64, addresses: &[(String, Addr)]) -> Vec<u8> {
    let mut script = String::from("SECTIONS {\n");
    let mut sections: Vec<_> = layout.sections().collect();
    sections.sort_by_key(|section| section.offset);
    for section in sections {
        let addr = base + section.offset;
        writeln!(script, " .s{} {addr:#x} : {{ *({}) }}", section.index, section.name).expect("script");
    }
    let end = base + layout.size() + 0x1_0000;
    writeln!(script, " .got {end:#x} : {{ *(.got) }}\n .got.plt : {{ *(.got.plt) }}").expect("script");
    for symbol in layout.object().symbols().filter(|symbol| symbol.place == modlink::SymbolPlace::Common) {
        let addr = base + layout.offset_of(symbol.index).expect("common symbol");
        writeln!(script, " {} = {addr:#x};", symbol.name).expect("script");
    }
    // In a section, since lld rewrites nothing that refers to a plain number.
    if let Some((_, first)) = addresses.first() {
        writeln!(script, " .host {first} : {{ BYTE(0)").expect("script");
        for (name, addr) in addresses {
            writeln!(script, "  {name} = . + {:#x};", (addr.0 - first.0).wrapping_sub(1)).expect("script");
        }
        writeln!(script, " }}").expect("script");
    }
    writeln!(script, " /DISCARD/ : {{ *(.note*) *(.comment) *(.debug*) *(.group) *(.llvm*) }}\n}}").expect("script");
    let (file, output) = (work.path("script"), work.path("linked"));
    fs::write(&file, script).expect("script");
    let mut command = Command::new(linker.program());
    command.args(["-static", "-nostdlib", "-e", "0", "--no-relax", "--no-check-sections", "-z", "noexecstack"]);
    match linker {
        Linker::Gnu => command.args(["--traditional-format", "-m", emulation(layout)]),
        // lld calls the rewriting by the opposite name.
        Linker::Lld => command.args(["--relax", "-O0"]),
    };
    run(command.arg("-T").arg(&file).arg("-o").arg(&output).arg(path));
    fs::read(output).expect("linked file")
}

fn emulation(layout: &Layout<'_>) -> &'static str {
    match layout.object().machine() {
        modlink::Machine::X86_64 => "elf_x86_64",
        modlink::Machine::I386 => "elf_i386",
    }
}

struct Ours<'a> {
    layout: &'a Layout<'a>,
    base: u64,
    out: &'a [u8],
}

impl Ours<'_> {
    fn word(&self, addr: u64) -> Option<u64> {
        let at = usize::try_from(addr.checked_sub(self.base)?).ok()?;
        word(self.out.get(at..)?, self.layout.object().machine())
    }
}

fn word(bytes: &[u8], machine: modlink::Machine) -> Option<u64> {
    Some(match machine {
        modlink::Machine::X86_64 => u64::from_le_bytes(*bytes.first_chunk()?),
        modlink::Machine::I386 => u32::from_le_bytes(*bytes.first_chunk()?).into(),
    })
}

fn their_word(file: &object::File<'_>, addr: u64, machine: modlink::Machine) -> Option<u64> {
    file.sections().find_map(|section| {
        let at = usize::try_from(addr.checked_sub(section.address())?).ok()?;
        word(section.data().ok()?.get(at..)?, machine)
    })
}

/// Compares a section. Fields that depend on where the global offset table is are compared by what they lead to.
fn same(
    ours: &Ours<'_>,
    other: &object::File<'_>,
    input: &object::File<'_>,
    section: &modlink::PlacedSection<'_>,
    theirs: &[u8],
    linker: Linker,
) -> usize {
    let machine = ours.layout.object().machine();
    let start = usize::try_from(section.offset).expect("offset");
    let (mut mine, mut theirs) = (ours.out[start..start + usize::try_from(section.size).expect("size")].to_vec(), theirs.to_vec());
    assert_eq!(mine.len(), theirs.len(), "size of {}", section.name);
    let original = input.section_by_index(object::SectionIndex(section.index as usize)).expect("section");
    let table = |file: &object::File<'_>| file.symbols().find(|s| s.name() == Ok("_GLOBAL_OFFSET_TABLE_")).map(|s| s.address());
    let their_table = table(other).unwrap_or(0);
    let my_table = my_table(ours);
    for (offset, relocation) in original.relocations() {
        let object::RelocationFlags::Elf { r_type } = relocation.flags() else { panic!("flags") };
        let at = usize::try_from(offset).expect("offset");
        let RelocationTarget::Symbol(_) = relocation.target() else { continue };
        let Some(meaning) = Meaning::of(machine, r_type.0) else { continue };
        // The opcode and ModRM of an instruction; a field of data may have less in front of it.
        let before = at.saturating_sub(2)..at;
        let is_rewritten = mine[before.clone()] != original.data().expect("data")[before.clone()];
        if linker == Linker::Lld && meaning == Meaning::SlotAtPlace && is_rewritten {
            // Rewritten: the bytes themselves have to be the same.
            continue;
        }
        let addend = if relocation.has_implicit_addend() {
            i64::from(i32::from_le_bytes(*original.data().expect("data")[at..].first_chunk().expect("field")))
        } else {
            relocation.addend()
        };
        let place = ours.base + section.offset + offset;
        let size = if machine == modlink::Machine::X86_64 && matches!(r_type.0, 25 | 27..=31) { 8 } else { 4 };
        // GNU ld rewrites loads from slots of i386 even when asked not to; then the field leads to the address itself.
        let their_meaning = match (machine, meaning, at.checked_sub(2).map_or(0, |opcode| theirs[opcode])) {
            (modlink::Machine::I386, Meaning::SlotInTable, 0x8d) => Meaning::FromTable,
            (modlink::Machine::I386, Meaning::SlotInTable, 0xc7) => Meaning::Itself,
            _ => meaning,
        };
        if their_meaning != meaning {
            theirs[before.clone()].copy_from_slice(&mine[before.clone()]);
        }
        let bare = machine == modlink::Machine::I386
            && meaning == Meaning::SlotInTable
            && mine[before].last().is_some_and(|modrm| modrm & 0xc7 == 5);
        let lead = |bytes: &[u8], meaning: Meaning, table: u64, word: &dyn Fn(u64) -> Option<u64>| {
            let field = if size == 8 {
                i64::from_le_bytes(*bytes[at..].first_chunk().expect("field"))
            } else {
                i64::from(i32::from_le_bytes(*bytes[at..].first_chunk().expect("field")))
            };
            let mask = if machine == modlink::Machine::I386 { 0xffff_ffff } else { u64::MAX };
            let less = |from: u64| from.wrapping_add_signed(field).wrapping_add_signed(-addend) & mask;
            match meaning {
                Meaning::SlotAtPlace => word(less(place)),
                Meaning::SlotInTable => word(less(if bare { 0 } else { table })),
                Meaning::FromTable => Some(less(table)),
                Meaning::Itself => Some(less(0)),
                Meaning::Table => Some(less(place).wrapping_sub(table) & mask),
            }
        };
        let my_lead = lead(&mine, meaning, my_table, &|addr| ours.word(addr));
        let their_lead = lead(&theirs, their_meaning, their_table, &|addr| their_word(other, addr, machine));
        assert!(my_lead.is_some(), "{}+{offset:#x} leads nowhere", section.name);
        assert_eq!(my_lead, their_lead, "type {r_type:?} at {}+{offset:#x}", section.name);
        mine[at..at + size].fill(0);
        theirs[at..at + size].fill(0);
    }
    for (at, (mine, theirs)) in mine.iter().zip(&theirs).enumerate() {
        assert_eq!(mine, theirs, "byte {at:#x} of {} ({linker:?})", section.name);
    }
    mine.len()
}

/// The table is the last thing of the constants before unwind tables; its symbol tells, if it is used.
fn my_table(ours: &Ours<'_>) -> u64 {
    let image = ours.layout.link(Addr(ours.base), |_| Some(Addr(ours.base)), &mut vec![0; ours.out.len()]);
    let index = ours.layout.object().symbols().find(|symbol| symbol.name == "_GLOBAL_OFFSET_TABLE_");
    match (image, index) {
        (Ok(image), Some(symbol)) => image.addr(symbol.index).map_or(0, |addr| addr.0),
        _ => 0,
    }
}

/// What a field that depends on the table leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// A slot, relative to the place.
    SlotAtPlace,
    /// A slot, relative to the table.
    SlotInTable,
    /// An address, relative to the table.
    FromTable,
    /// An address.
    Itself,
    /// The table, relative to the place.
    Table,
}

impl Meaning {
    fn of(machine: modlink::Machine, number: u32) -> Option<Self> {
        match (machine, number) {
            (modlink::Machine::X86_64, 9 | 28 | 41 | 42) => Some(Self::SlotAtPlace),
            (modlink::Machine::X86_64, 3 | 27 | 30) => Some(Self::SlotInTable),
            (modlink::Machine::X86_64, 25 | 31) => Some(Self::FromTable),
            (modlink::Machine::X86_64, 26 | 29) => Some(Self::Table),
            (modlink::Machine::I386, 3 | 43) => Some(Self::SlotInTable),
            (modlink::Machine::I386, 9) => Some(Self::FromTable),
            (modlink::Machine::I386, 10) => Some(Self::Table),
            _ => None,
        }
    }
}
