//! Objects made by hand, one field at a time.

/// `STB_*` and `STT_*` in one byte.
pub(crate) const GLOBAL: u8 = 1 << 4;
pub(crate) const WEAK: u8 = 2 << 4;
pub(crate) const SECTION: u8 = 3;
pub(crate) const IFUNC: u8 = 10;

/// `SHN_ABS`, `SHN_COMMON` and no section.
pub(crate) const ABS: u16 = 0xfff1;
pub(crate) const COMMON: u16 = 0xfff2;
pub(crate) const UNDEF: u16 = 0;

/// `SHF_*`.
pub(crate) const WRITE: u64 = 1;
pub(crate) const ALLOC: u64 = 2;
pub(crate) const EXEC: u64 = 4;
pub(crate) const TLS: u64 = 0x400;

/// `SHT_*`.
pub(crate) const PROGBITS: u32 = 1;
pub(crate) const NOBITS: u32 = 8;
pub(crate) const GROUP: u32 = 17;

/// A section.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) align: u64,
    pub(crate) data: Vec<u8>,
    /// The size of one without bytes.
    pub(crate) size: u64,
    /// `sh_info` of a group: the symbol that names it.
    pub(crate) info: u32,
    /// Offset, symbol, type, addend.
    pub(crate) relocations: Vec<(u64, u32, u32, i64)>,
}

/// Name, binding and type, section, value, size.
type Symbol = (&'static str, u8, u16, u64, u64);

/// An ELF64 object for x86-64.
#[derive(Default)]
pub(crate) struct Builder {
    sections: Vec<Section>,
    symbols: Vec<Symbol>,
}

impl Builder {
    /// Adds a section with bytes and answers its index.
    pub(crate) fn section(&mut self, name: &'static str, flags: u64, data: &[u8]) -> u16 {
        self.add(Section { name, kind: PROGBITS, flags, align: 1, data: data.to_vec(), size: 0, info: 0, relocations: Vec::new() })
    }

    /// Adds any section and answers its index.
    pub(crate) fn add(&mut self, section: Section) -> u16 {
        self.sections.push(section);
        u16::try_from(self.sections.len()).expect("few sections")
    }

    /// Adds a symbol and answers its index. Local ones have to come first.
    pub(crate) fn symbol(&mut self, name: &'static str, info: u8, section: u16, value: u64, size: u64) -> u32 {
        self.symbols.push((name, info, section, value, size));
        u32::try_from(self.symbols.len()).expect("few symbols")
    }

    /// Adds a relocation to a section.
    pub(crate) fn relocation(&mut self, section: u16, offset: u64, symbol: u32, kind: u32, addend: i64) {
        self.sections[usize::from(section) - 1].relocations.push((offset, symbol, kind, addend));
    }

    /// The file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut file = vec![0; 64];
        let mut names = vec![0];
        let mut headers = vec![[0_u64; 10]];
        let name = |names: &mut Vec<u8>, text: &str| {
            let at = names.len() as u64;
            names.extend_from_slice(text.as_bytes());
            names.push(0);
            at
        };
        for section in &self.sections {
            let size = if section.kind == NOBITS { section.size } else { section.data.len() as u64 };
            let at = name(&mut names, section.name);
            let link = if section.kind == GROUP { self.sections.len() as u64 + 1 } else { 0 };
            headers.push([at, section.kind.into(), section.flags, 0, file.len() as u64, size, link, section.info.into(), section.align, 0]);
            file.extend_from_slice(&section.data);
        }
        let symtab = headers.len() as u64;
        let locals = self.symbols.iter().take_while(|(_, info, ..)| info >> 4 == 0).count() as u64 + 1;
        let start = file.len() as u64;
        file.extend_from_slice(&[0; 24]);
        for &(text, info, section, value, size) in &self.symbols {
            let at = u32::try_from(name(&mut names, text)).expect("names");
            file.extend_from_slice(&at.to_le_bytes());
            file.extend_from_slice(&[info, 0]);
            file.extend_from_slice(&section.to_le_bytes());
            file.extend_from_slice(&value.to_le_bytes());
            file.extend_from_slice(&size.to_le_bytes());
        }
        let symbols = (self.symbols.len() as u64 + 1) * 24;
        let at = name(&mut names, ".symtab");
        headers.push([at, 2, 0, 0, start, symbols, symtab + 1, locals, 8, 24]);
        let strings = headers.len();
        headers.push([0; 10]);
        for (number, section) in (1_u64..).zip(&self.sections) {
            if section.relocations.is_empty() {
                continue;
            }
            let start = file.len() as u64;
            for &(offset, symbol, kind, addend) in &section.relocations {
                file.extend_from_slice(&offset.to_le_bytes());
                file.extend_from_slice(&(u64::from(symbol) << 32 | u64::from(kind)).to_le_bytes());
                file.extend_from_slice(&addend.to_le_bytes());
            }
            let at = name(&mut names, ".rela");
            headers.push([at, 4, 0, 0, start, file.len() as u64 - start, symtab, number, 8, 24]);
        }
        let at = name(&mut names, ".strtab");
        headers[strings] = [at, 3, 0, 0, file.len() as u64, names.len() as u64, 0, 0, 1, 0];
        file.extend_from_slice(&names);
        let table = file.len() as u64;
        for header in &headers {
            for (field, &value) in header.iter().enumerate() {
                // gABI `Elf64_Shdr`: words of 4 bytes at 0, 1, 6 and 7.
                match field {
                    0 | 1 | 6 | 7 => file.extend_from_slice(&u32::try_from(value).expect("word").to_le_bytes()),
                    _ => file.extend_from_slice(&value.to_le_bytes()),
                }
            }
        }
        file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        file[16..24].copy_from_slice(&[1, 0, 62, 0, 1, 0, 0, 0]);
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[52..54].copy_from_slice(&64_u16.to_le_bytes());
        file[58..60].copy_from_slice(&64_u16.to_le_bytes());
        file[60..62].copy_from_slice(&u16::try_from(headers.len()).expect("few").to_le_bytes());
        file[62..64].copy_from_slice(&u16::try_from(strings).expect("few").to_le_bytes());
        file
    }
}
