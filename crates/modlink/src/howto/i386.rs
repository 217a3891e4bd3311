//! System V psABI for Intel386, fourth edition, and the i386 psABI 1.1 supplement (8 and 16 bits, `GOT32X`).

use super::{Fit, Formula, Howto, Table, by_number};

const fn row(number: usize, name: &'static str, formula: Formula, size: u8, fit: Fit) -> (usize, Howto) {
    (number, Howto::new(name, formula, size, fit))
}

const fn refused(number: usize, name: &'static str, formula: Formula) -> (usize, Howto) {
    (number, Howto::new(name, formula, 0, Fit::Wrap))
}

/// The types by number. Fields of 4 bytes wrap, as all arithmetic of the machine does.
pub(super) static TABLE: Table = by_number(&[
    row(0, "R_386_NONE", Formula::Nothing, 0, Fit::Wrap),
    row(1, "R_386_32", Formula::Absolute, 4, Fit::Wrap),
    row(2, "R_386_PC32", Formula::Relative, 4, Fit::Wrap),
    row(3, "R_386_GOT32", Formula::SlotByInstruction, 4, Fit::Wrap),
    row(4, "R_386_PLT32", Formula::Relative, 4, Fit::Wrap),
    refused(5, "R_386_COPY", Formula::Dynamic),
    refused(6, "R_386_GLOB_DAT", Formula::Dynamic),
    refused(7, "R_386_JUMP_SLOT", Formula::Dynamic),
    refused(8, "R_386_RELATIVE", Formula::Dynamic),
    row(9, "R_386_GOTOFF", Formula::FromTable, 4, Fit::Wrap),
    row(10, "R_386_GOTPC", Formula::Table, 4, Fit::Wrap),
    row(11, "R_386_32PLT", Formula::Absolute, 4, Fit::Wrap),
    refused(14, "R_386_TLS_TPOFF", Formula::ThreadLocal),
    refused(15, "R_386_TLS_IE", Formula::ThreadLocal),
    refused(16, "R_386_TLS_GOTIE", Formula::ThreadLocal),
    refused(17, "R_386_TLS_LE", Formula::ThreadLocal),
    refused(18, "R_386_TLS_GD", Formula::ThreadLocal),
    refused(19, "R_386_TLS_LDM", Formula::ThreadLocal),
    row(20, "R_386_16", Formula::Absolute, 2, Fit::Either),
    row(21, "R_386_PC16", Formula::Relative, 2, Fit::Signed),
    row(22, "R_386_8", Formula::Absolute, 1, Fit::Either),
    row(23, "R_386_PC8", Formula::Relative, 1, Fit::Signed),
    refused(32, "R_386_TLS_LDO_32", Formula::ThreadLocal),
    refused(33, "R_386_TLS_IE_32", Formula::ThreadLocal),
    refused(34, "R_386_TLS_LE_32", Formula::ThreadLocal),
    refused(35, "R_386_TLS_DTPMOD32", Formula::ThreadLocal),
    refused(36, "R_386_TLS_DTPOFF32", Formula::ThreadLocal),
    refused(37, "R_386_TLS_TPOFF32", Formula::ThreadLocal),
    row(38, "R_386_SIZE32", Formula::Size, 4, Fit::Wrap),
    refused(39, "R_386_TLS_GOTDESC", Formula::ThreadLocal),
    refused(40, "R_386_TLS_DESC_CALL", Formula::ThreadLocal),
    refused(41, "R_386_TLS_DESC", Formula::ThreadLocal),
    refused(42, "R_386_IRELATIVE", Formula::Dynamic),
    row(43, "R_386_GOT32X", Formula::SlotByInstruction, 4, Fit::Wrap),
]);
