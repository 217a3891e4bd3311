//! The exports as C code sees them.

use std::ffi::{CStr, c_char, c_int};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::{layout, print, table};

/// `snprintf` of the C library and ours.
type Snprintf = unsafe extern "C" fn(*mut c_char, usize, *const c_char, ...) -> c_int;

fn ours() -> Snprintf {
    let address = print::snprintf as *const ();
    // SAFETY: the trampoline is a C-variadic function of this type; only its Rust declaration has no arguments.
    unsafe { std::mem::transmute::<*const (), Snprintf>(address) }
}

/// One call of each, compared in text and result.
macro_rules! same {
    ($count:ident, $template:expr $(, $argument:expr)*) => {{
        let template: &CStr = &std::ffi::CString::new($template).unwrap();
        for size in [0, 1, 7, 64, 6000] {
            let (mut one, mut two): ([c_char; 6000], [c_char; 6000]) = ([b'#'.cast_signed(); 6000], [b'#'.cast_signed(); 6000]);
            // SAFETY: the buffer has `size` bytes, and the arguments fit the format.
            let theirs = unsafe { libc::snprintf(one.as_mut_ptr(), size, template.as_ptr() $(, $argument)*) };
            // SAFETY: as above.
            let mine = unsafe { ours()(two.as_mut_ptr(), size, template.as_ptr() $(, $argument)*) };
            assert_eq!((theirs, &one[..]), (mine, &two[..]), "{template:?} into {size}");
            $count += 1;
        }
    }};
}

#[test]
fn numbers_are_written_as_the_c_library_writes_them() {
    let mut count = 0;
    for flags in ["", "-", "0", "+", " ", "#", "-#", "0#", "+0", "-+", " 0"] {
        for width in ["", "1", "9", "25"] {
            for precision in ["", ".", ".0", ".3", ".12"] {
                for value in [0_i64, 1, -1, 42, 255, -128, i64::from(i32::MIN), i64::MAX, i64::MIN] {
                    let spec = format!("<%{flags}{width}{precision}");
                    let int = c_int::from_le_bytes(value.to_le_bytes()[..4].try_into().unwrap());
                    for letter in if flags.contains(['+', ' ']) { "di" } else { "dioxX" }
                        .chars()
                        .chain(if flags.contains(['+', ' ', '#']) { "" } else { "u" }.chars())
                    {
                        same!(count, format!("{spec}{letter}>"), int);
                        same!(count, format!("{spec}l{letter}>"), value);
                        same!(count, format!("{spec}hh{letter}>"), int);
                    }
                }
            }
        }
    }
    assert!(count > 20_000, "{count}");
}

#[test]
fn many_arguments_come_from_registers_and_from_the_stack() {
    let mut count = 0;
    let (text, other) = (c"text".as_ptr(), c"a longer one".as_ptr());
    same!(count, "%d %d %d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    same!(count, "%s|%10s|%-10s|%.2s|%.*s|%*d|%c", text, text, text, other, 5_i32, other, -6_i32, 42, i32::from(b'x'));
    same!(count, "%zu %hd %hhu %llx %p %p %%", usize::MAX, 70_000_i32, 257_i32, u64::MAX, text, std::ptr::null::<u8>());
    same!(count, "%lld%lld%lld%s", i64::MIN, i64::MAX, -1_i64, other);
    same!(count, "%2000d|%-3000s|", 1_i32, other);
    same!(count, "");
    assert_eq!(count, 30);
}

#[test]
fn every_export_has_a_name_and_a_place_of_its_own() {
    let table = table();
    for (at, export) in table.iter().enumerate() {
        assert!(export.address > 4096 && export.prototype.contains(export.name), "{export:?}");
        assert!(table[..at].iter().all(|other| other.name != export.name && other.address != export.address), "{export:?}");
    }
}

/// The header for module authors.
fn header_folder() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/include").to_string_lossy().into_owned()
}

/// Compiles C source; answers what the compiler says.
fn compile(compiler: &str, source: &str, arguments: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("test.c"), folder.path().join("test.o"));
    std::fs::write(&input, source).unwrap();
    let mut command = Command::new(compiler);
    command.args(["-std=gnu11", "-O2", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-I", &header_folder()]).args(arguments);
    let done = command.arg("-c").arg(input).arg("-o").arg(output).output().expect("the C compiler (package gcc) runs");
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}

#[test]
fn the_table_and_the_header_declare_the_same() {
    // `bcmp` is called by compilers alone; everything else is declared, and a declaration that differs is an error.
    let mut source = "#include \"module.h\"\n".to_owned();
    for export in table() {
        writeln!(source, "extern {};", export.prototype).unwrap();
        if export.name != "bcmp" {
            writeln!(source, "void *const use_{0} = (void *)&{0};", export.name).unwrap();
        }
    }
    for flags in [&["-fPIC", "-fvisibility=hidden"][..], &["-fno-pic"]] {
        compile("cc", &source, flags).unwrap();
    }
    let wrong = source.replace("int printk(const char *, ...)", "long printk(const char *, ...)");
    assert!(compile("cc", &wrong, &[]).unwrap_err().contains("printk"));
}

#[test]
fn structures_have_the_layout_of_the_header() {
    use crate::vfs::{Inode, Statistics};
    use std::mem::offset_of;
    let mut source = "#include \"module.h\"\n".to_owned();
    let mut check = |kind: &str, size: usize, fields: &[(&str, usize)]| {
        writeln!(source, "_Static_assert(sizeof({kind}) == {size}, \"size\");").unwrap();
        for (field, offset) in fields {
            writeln!(source, "_Static_assert(offsetof({kind}, {field}) == {offset}, \"{field}\");").unwrap();
        }
    };
    check(
        "struct inode",
        size_of::<Inode>(),
        &[
            ("i_sb", offset_of!(Inode, super_block)),
            ("i_mode", offset_of!(Inode, mode)),
            ("i_size", offset_of!(Inode, size)),
            ("i_mtime", offset_of!(Inode, mtime)),
            ("i_private", offset_of!(Inode, private)),
        ],
    );
    check(
        "struct super_block",
        size_of::<layout::SuperBlock>(),
        &[
            ("s_dev", offset_of!(layout::SuperBlock, device)),
            ("s_size", offset_of!(layout::SuperBlock, size)),
            ("s_type", offset_of!(layout::SuperBlock, kind)),
            ("s_op", offset_of!(layout::SuperBlock, operations)),
            ("s_root", offset_of!(layout::SuperBlock, root)),
            ("s_private", offset_of!(layout::SuperBlock, private)),
        ],
    );
    check(
        "struct super_operations",
        size_of::<layout::SuperOperations>(),
        &[("readdir", offset_of!(layout::SuperOperations, readdir)), ("put_super", offset_of!(layout::SuperOperations, put_super))],
    );
    check(
        "struct file_system_type",
        size_of::<layout::FileSystemType>(),
        &[("fs_flags", offset_of!(layout::FileSystemType, flags)), ("read_super", offset_of!(layout::FileSystemType, read_super))],
    );
    check(
        "struct buffer_head",
        size_of::<layout::BufferHead>(),
        &[
            ("b_size", offset_of!(layout::BufferHead, size)),
            ("b_data", offset_of!(layout::BufferHead, data)),
            ("b_dev", offset_of!(layout::BufferHead, device)),
        ],
    );
    check(
        "struct kstatfs",
        size_of::<Statistics>(),
        &[("f_bfree", offset_of!(Statistics, free)), ("f_namelen", offset_of!(Statistics, name_length))],
    );
    check(
        "struct symbol_table",
        32 * size_of::<layout::InternalSymbol>() + 16,
        &[("n_symbols", offset_of!(layout::SymbolTable, symbols)), ("symbol", 16)],
    );
    compile("cc", &source, &[]).unwrap();
}

#[test]
fn the_header_compiles_without_a_warning_for_gcc_and_clang() {
    let source = r#"
#include "module.h"
static int ports[4]; static int debug; static char *who = "me";
module_param(debug, int); module_param(who, charp); MODULE_PARM(ports, "1-4i"); MODULE_PARM_DESC(ports, "ports");
MODULE_AUTHOR("a"); MODULE_DESCRIPTION("d"); MODULE_LICENSE("MIT"); MODULE_ALIAS("x-*");
int twice(int); int twice(int x) { return 2 * x + ports[1] + debug; }
EXPORT_SYMBOL_PROTO(twice, int twice(int));
static struct symbol_table t = SYMBOL_TABLE(X(twice));
static struct mutex lock = MUTEX_INIT;
static int __init start(void)
{
	char *block = kmalloc(3, GFP_KERNEL);
	MOD_INC_USE_COUNT; register_symtab(&t); mutex_lock(&lock); mutex_unlock(&lock);
	printk(KERN_INFO "%s %lu %d\n", who, jiffies, MOD_IN_USE);
	kfree(block);
	return 0;
}
static void __exit stop(void) { MOD_DEC_USE_COUNT; }
module_init(start); module_exit(stop);
"#;
    let mut compilers = 0;
    for compiler in ["gcc", "clang"] {
        if Command::new(compiler).arg("--version").output().is_err() {
            continue;
        }
        compilers += 1;
        for flags in [&["-fPIC", "-fvisibility=hidden"][..], &["-fno-pic", "-fcommon"]] {
            compile(compiler, source, flags).unwrap();
            compile(compiler, "#include \"module.h\"\nEXPORT_NO_SYMBOLS;\n", flags).unwrap();
        }
    }
    assert!(compilers > 0, "there is no C compiler here: install gcc");
}
