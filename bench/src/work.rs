//! The work that every loader gets: N functions as the compiler makes them, seven relocations each.

mod template;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::error::{Error, Result};
use template::{Partners, Template};

const TEMPLATE_C: &str = include_str!("work/template.c");
const ENTRY_C: &str = include_str!("work/entry.c");
/// How many host functions there are; `host.c` names them by two hexadecimal digits.
const HOST_FUNCTIONS: u64 = 256;
/// How many host variables there are.
const HOST_VARIABLES: u64 = 64;

/// How the work is compiled; each loader gets the flavour that it can load, and the fastest if there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `-fPIC`: three `REX_GOTPCRELX`, two `PLT32`, a `PC32` and a `64` for each function.
    Pic,
    /// `-fPIE`: no GOT; loads only within reach of the host.
    Pie,
    /// `-mcmodel=large`: every access by a 64-bit address; loads anywhere.
    Large,
}

impl Flavour {
    /// The compiler's options.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Pic => &["-fPIC"],
            Self::Pie => &["-fPIE"],
            Self::Large => &["-fno-pic", "-mcmodel=large"],
        }
    }

    /// The name in file names and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pic => "pic",
            Self::Pie => "pie",
            Self::Large => "large",
        }
    }
}

/// Where generated work lies: the folder of the reports, one below.
#[must_use]
pub fn folder() -> PathBuf {
    crate::report::folder().join("work")
}

/// The path of the object with `functions` functions, made first if it is not there.
///
/// # Errors
/// A compiler or an assembler that is missing or complains, and unwritable files.
pub fn object(flavour: Flavour, functions: u32) -> Result<PathBuf> {
    let folder = folder();
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::File { path, source }
    };
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let source = folder.join(format!("{}-{functions}.s", flavour.name()));
    let object = source.with_extension("o");
    let text = assembly(flavour, functions)?;
    let known = fs::read(&source).is_ok_and(|old| old == text.as_bytes());
    if !known || !object.exists() {
        fs::write(&source, &text).map_err(at(&source))?;
        let made = source.with_extension("new");
        command::run(Command::new("as").arg("-o").arg(&made).arg(&source))?;
        fs::rename(&made, &object).map_err(at(&object))?;
    }
    Ok(object)
}

/// The whole assembly text.
fn assembly(flavour: Flavour, functions: u32) -> Result<String> {
    let one = compile(flavour, TEMPLATE_C)?;
    let function = between(&one, "\t.p2align 4\n\t.globl\tf_SELF\n", "\t.size\tf_SELF, .-f_SELF\n")?;
    let variable = between(&one, "\t.globl\tg_SELF\n", "\t.zero\t4\n")?.replace("\t.bss\n", "");
    let (function, variable) = (Template::cut(function), Template::cut(&variable));

    let mut text = compile(flavour, ENTRY_C)?;
    text.push_str("\t.text\n");
    for i in 0..functions {
        function.fill(partners(i, functions), &mut text);
    }
    text.push_str("\t.bss\n");
    for i in 0..functions {
        variable.fill(partners(i, functions), &mut text);
    }
    text.push_str("\t.section .data.rel.ro,\"aw\"\n\t.align 8\n\t.globl bench_table\nbench_table:\n");
    for i in 0..functions {
        text.push_str(&format!("\t.quad f_{i}\n"));
    }
    text.push_str(&format!("\t.section .rodata,\"a\"\n\t.align 4\n\t.globl bench_count\nbench_count:\n\t.long {functions}\n"));
    if flavour != Flavour::Pic {
        text.push_str(MODULE_FRAME);
    }
    Ok(text)
}

/// What kmod-loader asks of a module: a name, and `struct module` of its Linux 6.6 configuration, 1152 bytes with the
/// name at 24, `init` at 312 and `exit` at 1088.
const MODULE_FRAME: &str = "\t.section .modinfo,\"a\"\n\t.asciz \"name=work\"\n\
    \t.section .gnu.linkonce.this_module,\"aw\"\n\t.align 64\n\t.zero 24\n\t.asciz \"work\"\n\t.zero 283\n\
    \t.quad init_module\n\t.zero 768\n\t.quad cleanup_module\n\t.zero 56\n";

/// Who function `i` works with: fixed, and spread over the whole object as real references are.
fn partners(i: u32, functions: u32) -> Partners {
    let spread = |salt: u64, among: u64| {
        let mixed = (u64::from(i) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31) ^ salt;
        let value = (mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 33) % among;
        u32::try_from(value).unwrap_or_default()
    };
    Partners {
        own: i,
        peer: spread(1, functions.into()),
        next: spread(2, functions.into()),
        host_function: spread(3, HOST_FUNCTIONS),
        host_variable: spread(4, HOST_VARIABLES),
    }
}

/// The assembly text that the compiler makes of `source`.
fn compile(flavour: Flavour, source: &str) -> Result<String> {
    let path = folder().join(format!("source-{}.c", flavour.name()));
    fs::write(&path, source).map_err(|source| Error::File { path: path.clone(), source })?;
    let output = command::run(Command::new("gcc").args(["-O2", "-S", "-o", "-"]).args(flavour.options()).arg(&path))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // The name of the source file would differ between flavours and say nothing.
    Ok(text.lines().filter(|line| !line.starts_with("\t.file")).fold(String::new(), |text, line| text + line + "\n"))
}

/// The part of `text` from `start` to `end`, both included.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Result<&'a str> {
    let part = text.find(start).and_then(|from| {
        let tail = text.get(from..)?;
        tail.get(..tail.find(end)? + end.len())
    });
    part.ok_or_else(|| Error::Format {
        what: "the compiler's assembly text".to_owned(),
        reason: format!("no `{}` to `{}`: another compiler's form?", start.trim(), end.trim()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seven relocations for each function are what the numbers are about, so they are counted.
    #[test]
    fn a_pic_function_has_seven_relocations() {
        let small = relocations(&object(Flavour::Pic, 10).expect("10 functions"));
        let large = relocations(&object(Flavour::Pic, 110).expect("110 functions"));
        let growth = |kind| count(&large, kind) - count(&small, kind);
        assert_eq!(growth("R_X86_64_REX_GOTPCRELX"), 300);
        assert_eq!(growth("R_X86_64_PLT32"), 200);
        assert_eq!(growth("R_X86_64_PC32"), 100);
        assert_eq!(growth("R_X86_64_64 "), 100);
        assert_eq!(growth("R_X86_64_"), 700);
    }

    fn relocations(object: &Path) -> String {
        let output = command::run(Command::new("readelf").arg("-rW").arg(object)).expect("readelf");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn count(text: &str, kind: &str) -> usize {
        text.matches(kind).count()
    }
}
