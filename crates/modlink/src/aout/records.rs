//! The records of `<a.out.h>`; little endian.

/// `OMAGIC`: text, data and bss follow each other, and text is writable before it is loaded.
#[cfg(feature = "aout-write")]
pub(super) const OMAGIC: u32 = 0o407;

/// The numbers of machines in bits 16 to 23 of the first word.
pub(super) mod machine {
    /// Unknown: from before the number existed.
    pub(in crate::aout) const NONE: u8 = 0;
    /// `M_386`.
    pub(in crate::aout) const I386: u8 = 100;
    /// `MID_X86_64` of NetBSD.
    pub(in crate::aout) const X86_64: u8 = 157;
}

/// Symbol types, without their external bit.
pub(super) mod kind {
    /// Undefined, or common if it has a value.
    pub(in crate::aout) const UNDEFINED: u8 = 0;
    /// A number.
    pub(in crate::aout) const ABSOLUTE: u8 = 2;
    /// In the text.
    pub(in crate::aout) const TEXT: u8 = 4;
    /// In the data.
    pub(in crate::aout) const DATA: u8 = 6;
    /// In the bss.
    pub(in crate::aout) const BSS: u8 = 8;
    /// The bit of external symbols.
    pub(in crate::aout) const EXTERNAL: u8 = 1;
    /// The bits of the type.
    pub(in crate::aout) const MASK: u8 = 0x1e;
    /// Any of these bits: a debugger's record.
    pub(in crate::aout) const STAB: u8 = 0xe0;
    /// GNU: weak and undefined, absolute, text, data, bss; each external.
    pub(in crate::aout) const WEAK: [u8; 5] = [0x0d, 0x0e, 0x0f, 0x10, 0x11];
    /// The types whose weak forms [`WEAK`] lists.
    pub(in crate::aout) const STRONG: [u8; 5] = [UNDEFINED, ABSOLUTE, TEXT, DATA, BSS];
}

/// `struct exec`, its eight words in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    /// Magic in the low 16 bits, then the machine in 8.
    pub(super) info: u32,
    /// The size of the text in bytes, as of everything here.
    pub(super) text: u32,
    pub(super) data: u32,
    pub(super) bss: u32,
    pub(super) symbols: u32,
    pub(super) text_relocations: u32,
    pub(super) data_relocations: u32,
}

impl Header {
    /// The size of the record in bytes.
    pub(super) const SIZE: usize = 32;

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let [info, text, data, bss, symbols, _entry, text_relocations, data_relocations] = words(bytes);
        Self { info, text, data, bss, symbols, text_relocations, data_relocations }
    }

    /// The machine byte.
    pub(super) fn machine(&self) -> u8 {
        let [_, _, machine, _] = self.info.to_le_bytes();
        machine
    }

    #[cfg(feature = "aout-write")]
    pub(super) fn encode(&self) -> impl Iterator<Item = u8> + use<> {
        let Self { info, text, data, bss, symbols, text_relocations, data_relocations } = *self;
        // Objects have no entry address.
        bytes([info, text, data, bss, symbols, 0, text_relocations, data_relocations])
    }
}

/// `struct nlist`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nlist {
    /// The offset of the name in the strings, whose first 4 bytes are their size; 0 for no name.
    pub(super) name: u32,
    pub(super) kind: u8,
    pub(super) value: u32,
}

impl Nlist {
    /// The size of the record in bytes.
    pub(super) const SIZE: usize = 12;

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let [name, second, value] = words(bytes);
        let [kind, ..] = second.to_le_bytes();
        Self { name, kind, value }
    }

    #[cfg(feature = "aout-write")]
    pub(super) fn encode(&self) -> impl Iterator<Item = u8> + use<> {
        bytes([self.name, self.kind.into(), self.value])
    }
}

/// `struct relocation_info`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    pub(super) address: u32,
    /// A symbol's index if external, else the type of the segment that is meant.
    pub(super) symbol: u32,
    pub(super) relative: bool,
    /// The logarithm of the field's size in bytes.
    pub(super) length: u8,
    pub(super) external: bool,
}

impl Relocation {
    /// The size of the record in bytes.
    pub(super) const SIZE: usize = 8;

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let [address, fields] = words(bytes);
        let [_, _, _, bits] = fields.to_le_bytes();
        Self { address, symbol: fields & 0x00ff_ffff, relative: bits & 1 != 0, length: (bits >> 1) & 3, external: bits & 8 != 0 }
    }

    #[cfg(feature = "aout-write")]
    pub(super) fn encode(&self) -> impl Iterator<Item = u8> + use<> {
        let bits = u32::from(self.relative) | u32::from(self.length) << 1 | u32::from(self.external) << 3;
        bytes([self.address, self.symbol | bits << 24])
    }
}

/// The little-endian words of a record.
fn words<const BYTES: usize, const WORDS: usize>(record: &[u8; BYTES]) -> [u32; WORDS] {
    const { assert!(BYTES == WORDS * 4) };
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(record.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

#[cfg(feature = "aout-write")]
fn bytes<const WORDS: usize>(words: [u32; WORDS]) -> impl Iterator<Item = u8> {
    words.into_iter().flat_map(u32::to_le_bytes)
}
