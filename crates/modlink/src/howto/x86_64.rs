//! System V psABI for x86-64, version 1.0, table 4.9 "Relocation Types", and APX's additions.

use super::{Fit, Formula, Howto, Table, by_number};

const fn row(number: usize, name: &'static str, formula: Formula, size: u8, fit: Fit) -> (usize, Howto) {
    (number, Howto::new(name, formula, size, fit))
}

const fn refused(number: usize, name: &'static str, formula: Formula) -> (usize, Howto) {
    (number, Howto::new(name, formula, 0, Fit::Wrap))
}

/// The types by number.
pub(super) static TABLE: Table = by_number(&[
    row(0, "R_X86_64_NONE", Formula::Nothing, 0, Fit::Wrap),
    row(1, "R_X86_64_64", Formula::Absolute, 8, Fit::Wrap),
    row(2, "R_X86_64_PC32", Formula::Relative, 4, Fit::Signed),
    row(3, "R_X86_64_GOT32", Formula::SlotInTable, 4, Fit::Signed),
    row(4, "R_X86_64_PLT32", Formula::Branch, 4, Fit::Signed),
    refused(5, "R_X86_64_COPY", Formula::Dynamic),
    refused(6, "R_X86_64_GLOB_DAT", Formula::Dynamic),
    refused(7, "R_X86_64_JUMP_SLOT", Formula::Dynamic),
    refused(8, "R_X86_64_RELATIVE", Formula::Dynamic),
    row(9, "R_X86_64_GOTPCREL", Formula::Slot, 4, Fit::Signed),
    row(10, "R_X86_64_32", Formula::Absolute, 4, Fit::Unsigned),
    row(11, "R_X86_64_32S", Formula::Absolute, 4, Fit::Signed),
    row(12, "R_X86_64_16", Formula::Absolute, 2, Fit::Either),
    row(13, "R_X86_64_PC16", Formula::Relative, 2, Fit::Signed),
    row(14, "R_X86_64_8", Formula::Absolute, 1, Fit::Either),
    row(15, "R_X86_64_PC8", Formula::Relative, 1, Fit::Signed),
    refused(16, "R_X86_64_DTPMOD64", Formula::ThreadLocal),
    refused(17, "R_X86_64_DTPOFF64", Formula::ThreadLocal),
    refused(18, "R_X86_64_TPOFF64", Formula::ThreadLocal),
    refused(19, "R_X86_64_TLSGD", Formula::ThreadLocal),
    refused(20, "R_X86_64_TLSLD", Formula::ThreadLocal),
    refused(21, "R_X86_64_DTPOFF32", Formula::ThreadLocal),
    refused(22, "R_X86_64_GOTTPOFF", Formula::ThreadLocal),
    refused(23, "R_X86_64_TPOFF32", Formula::ThreadLocal),
    row(24, "R_X86_64_PC64", Formula::Relative, 8, Fit::Wrap),
    row(25, "R_X86_64_GOTOFF64", Formula::FromTable, 8, Fit::Wrap),
    row(26, "R_X86_64_GOTPC32", Formula::Table, 4, Fit::Signed),
    row(27, "R_X86_64_GOT64", Formula::SlotInTable, 8, Fit::Wrap),
    row(28, "R_X86_64_GOTPCREL64", Formula::Slot, 8, Fit::Wrap),
    row(29, "R_X86_64_GOTPC64", Formula::Table, 8, Fit::Wrap),
    row(30, "R_X86_64_GOTPLT64", Formula::SlotInTable, 8, Fit::Wrap),
    row(31, "R_X86_64_PLTOFF64", Formula::FromTable, 8, Fit::Wrap),
    row(32, "R_X86_64_SIZE32", Formula::Size, 4, Fit::Unsigned),
    row(33, "R_X86_64_SIZE64", Formula::Size, 8, Fit::Wrap),
    refused(34, "R_X86_64_GOTPC32_TLSDESC", Formula::ThreadLocal),
    refused(35, "R_X86_64_TLSDESC_CALL", Formula::ThreadLocal),
    refused(36, "R_X86_64_TLSDESC", Formula::ThreadLocal),
    refused(37, "R_X86_64_IRELATIVE", Formula::Dynamic),
    refused(38, "R_X86_64_RELATIVE64", Formula::Dynamic),
    row(39, "R_X86_64_PC32_BND", Formula::Relative, 4, Fit::Signed),
    row(40, "R_X86_64_PLT32_BND", Formula::Branch, 4, Fit::Signed),
    row(41, "R_X86_64_GOTPCRELX", Formula::SlotRelaxable, 4, Fit::Signed),
    row(42, "R_X86_64_REX_GOTPCRELX", Formula::SlotRelaxable, 4, Fit::Signed),
    row(43, "R_X86_64_CODE_4_GOTPCRELX", Formula::Slot, 4, Fit::Signed),
    refused(44, "R_X86_64_CODE_4_GOTTPOFF", Formula::ThreadLocal),
    refused(45, "R_X86_64_CODE_4_GOTPC32_TLSDESC", Formula::ThreadLocal),
    row(46, "R_X86_64_CODE_5_GOTPCRELX", Formula::Slot, 4, Fit::Signed),
    refused(47, "R_X86_64_CODE_5_GOTTPOFF", Formula::ThreadLocal),
    refused(48, "R_X86_64_CODE_5_GOTPC32_TLSDESC", Formula::ThreadLocal),
    row(49, "R_X86_64_CODE_6_GOTPCRELX", Formula::Slot, 4, Fit::Signed),
    refused(50, "R_X86_64_CODE_6_GOTTPOFF", Formula::ThreadLocal),
    refused(51, "R_X86_64_CODE_6_GOTPC32_TLSDESC", Formula::ThreadLocal),
]);
