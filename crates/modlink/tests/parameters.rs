//! Parameters of modules: old ones, which set any variable, and declared ones.

mod support;

use std::fs;

use modlink::{
    Addr, Error, Object,
    module::{Options, prepare},
};
use support::Work;

const VARIABLES: &str = "
    int io = 5, irq[4] = { 1, 2, 3, 4 }; static int hidden = 6; char *name = \"before\"; char *names[3];
    short small[2]; unsigned char bytes[3]; long big; char array[8] = \"old\"; char rows[2][4]; _Bool on; int zero;
    const int constant = 1; unsigned long limits;
    int use(void) { return hidden++; }
    int init_module(void) { return io + zero; } void cleanup_module(void) {}";

/// A module with these declarations.
fn module(declarations: &[&str]) -> Vec<u8> {
    let mut text = String::from("__attribute__((section(\".modinfo\"), used)) static const char version[] = \"kernel_version=1\";");
    for (number, declaration) in declarations.iter().enumerate() {
        text += &format!("__attribute__((section(\".modinfo\"), used)) static const char d{number}[] = \"{declaration}\";");
    }
    let work = Work::new();
    fs::read(work.source("gcc", "-O1 -fPIC", "module.c", &(text + VARIABLES))).expect("object")
}

/// The image with its parameters, and how to look at a variable.
struct Set {
    out: Vec<u8>,
    symbols: Vec<(String, u64)>,
}

const BASE: u64 = 0x7f00_0000_0000;

fn set(module: &[u8], parameters: &[&str]) -> Result<Set, Error> {
    let object = Object::parse(module)?;
    let options = Options { release: "1", parameters, ..Options::default() };
    let prepared = prepare(&object, &options, &[][..])?;
    let mut out = vec![0xaa; usize::try_from(prepared.layout().size()).expect("size")];
    let linked = prepared.link(Addr(BASE), &mut out)?;
    let symbols = linked.image.symbols().map(|symbol| (symbol.name.to_owned(), symbol.addr.0 - BASE)).collect();
    Ok(Set { out, symbols })
}

impl Set {
    fn bytes(&self, name: &str, size: usize) -> &[u8] {
        let at = self.symbols.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}")).1;
        &self.out[usize::try_from(at).expect("small")..][..size]
    }

    fn ints(&self, name: &str, count: usize) -> Vec<i32> {
        self.bytes(name, count * 4).as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word)).collect()
    }

    fn text(&self, name: &str, slot: usize) -> String {
        let pointer = u64::from_le_bytes(*self.bytes(name, slot * 8 + 8)[slot * 8..].first_chunk().expect("pointer"));
        let text = &self.out[usize::try_from(pointer - BASE).expect("inside")..];
        String::from_utf8(text.split(|&byte| byte == 0).next().expect("text").to_vec()).expect("text")
    }
}

#[test]
fn old_modules_take_any_variable() {
    let module = module(&[]);
    let set =
        set(&module, &["io=0x300", "irq=7,,010", "hidden=42", "name=after", "names=a,\"b, \\\"c\\\"\\t\\101\",", "ignored"]).expect("set");
    assert_eq!(set.ints("io", 1), [0x300]);
    assert_eq!(set.ints("irq", 4), [7, 2, 8, 4]);
    assert_eq!(set.ints("hidden", 1), [42]);
    assert_eq!(set.text("name", 0), "after");
    assert_eq!((set.text("names", 0), set.text("names", 1)), ("a".into(), "b, \"c\"\tA".into()));
}

#[test]
fn without_parameters_everything_stays() {
    let module = module(&[]);
    let set = set(&module, &[]).expect("set");
    assert_eq!((set.ints("io", 1), set.ints("irq", 4), set.text("name", 0)), (vec![5], vec![1, 2, 3, 4], "before".into()));
}

#[test]
fn old_modules_refuse_what_is_not_there() {
    let module = module(&[]);
    for (parameter, error) in [
        ("gone=1", "symbol for parameter `gone` not found"),
        ("irq=1,2,3,4,5", "the values of `irq` reach past the module's data"),
        ("io=text", "the values of `io` reach past the module's data"),
        ("constant=2", "the values of `constant` reach past the module's data"),
        ("init_module=2", "the values of `init_module` reach past the module's data"),
        ("io=12x", "invalid argument syntax for `io`: `12x`"),
        ("io=99999999999", "invalid argument syntax for `io`: `99999999999`"),
        ("name=\"open", "improperly terminated string argument for `name`"),
        ("name=\"a\"b", "invalid argument syntax for `name`: `\"a\"b`"),
    ] {
        let found = set(&module, &[parameter]).map(|_| ()).expect_err(parameter);
        assert_eq!(found.to_string(), error);
    }
    let long = format!("name={}", "x".repeat(1024));
    assert_eq!(set(&module, &[&long]).map(|_| ()).expect_err("long"), Error::StringTooLong { name: "name".into(), max: 1023 });
}

const MODUTILS: &[&str] = &[
    "parm_io=i",
    "parm_irq=1-4i",
    "parm_name=s",
    "parm_names=2-3s",
    "parm_small=2h",
    "parm_bytes=1-3b",
    "parm_big=l",
    "parm_array=c8",
    "parm_rows=1-2c4",
];

#[test]
fn declared_parameters_have_their_type_and_count() {
    let module = module(MODUTILS);
    let parameters =
        ["io=-1", "irq=1,0x10,3", "name=\"a b\"", "names=x,y", "small=-2,65535", "bytes=255,1", "big=-9", "array=new", "rows=ab,cde"];
    let set = set(&module, &parameters).expect("set");
    assert_eq!((set.ints("io", 1), set.ints("irq", 4)), (vec![-1], vec![1, 16, 3, 4]));
    assert_eq!((set.text("name", 0), set.text("names", 1)), ("a b".into(), "y".into()));
    assert_eq!(set.bytes("small", 4), [0xfe, 0xff, 0xff, 0xff]);
    assert_eq!(set.bytes("bytes", 3), [255, 1, 0]);
    assert_eq!(set.bytes("big", 8), (-9_i64).to_le_bytes());
    assert_eq!(set.bytes("array", 8), b"new\0\0\0\0\0");
    assert_eq!(set.bytes("rows", 8), b"ab\0\0cde\0");
}

#[test]
fn declared_parameters_refuse_the_rest() {
    let module = module(MODUTILS);
    for (parameter, error) in [
        ("other=1", "invalid parameter `other`"),
        ("hidden=1", "invalid parameter `hidden`"),
        ("io=1,2", "too many values for `io` (max 1)"),
        ("irq=1,2,3,4,5", "too many values for `irq` (max 4)"),
        ("small=1", "too few values for `small` (min 2)"),
        ("names=x", "too few values for `names` (min 2)"),
        ("io=x", "invalid argument syntax for `io`: `x`"),
        ("io=\"1\"", "invalid argument syntax for `io`: `1`"),
        ("io=", "invalid argument syntax for `io`: ``"),
        ("bytes=256", "invalid argument syntax for `bytes`: `256`"),
        ("array=12345678", "string too long for `array` (max 7)"),
    ] {
        let found = set(&module, &[parameter]).map(|_| ()).expect_err(parameter);
        assert_eq!(found.to_string(), error);
    }
    let odd = self::module(&["parm_io=q", "parm_gone=i", "parm_irq=9i"]);
    for (parameter, error) in [
        ("io=1", "unknown parameter type `q` for `io`"),
        ("gone=1", "symbol for parameter `gone` not found"),
        ("irq=1,2,3,4,5,6,7,8,9", "the values of `irq` reach past the module's data"),
    ] {
        assert_eq!(set(&odd, &[parameter]).map(|_| ()).expect_err(parameter).to_string(), error);
    }
}

#[test]
fn declarations_of_todays_modules_are_read_too() {
    let module = module(&[
        "parmtype=io:int",
        "parmtype=irq:array of int",
        "parmtype=name:charp",
        "parmtype=array:string",
        "parmtype=on:bool",
        "parmtype=small:array of ushort",
        "parmtype=limits:ulong",
        "parmtype=bytes:array of byte",
        "parm=io:not a type",
    ]);
    let parameters = ["io=-7", "irq=9,8", "name=x", "array=y", "on", "small=1,65535", "limits=0xffffffffffffffff", "bytes=1"];
    let set = set(&module, &parameters).expect("set");
    assert_eq!((set.ints("io", 1), set.ints("irq", 4), set.text("name", 0)), (vec![-7], vec![9, 8, 3, 4], "x".into()));
    assert_eq!((set.bytes("array", 8), set.bytes("on", 1)), (&b"y\0d\0\0\0\0\0"[..], &[1][..]));
    assert_eq!((set.bytes("small", 4), set.bytes("limits", 8)), (&[1, 0, 255, 255][..], &[255; 8][..]));
    for (parameter, error) in [
        ("io=2147483648", "invalid argument syntax for `io`: `2147483648`"),
        ("small=-1", "invalid argument syntax for `small`: `-1`"),
        ("on=maybe", "invalid argument syntax for `on`: `maybe`"),
        ("irq=1,2,3,4,5", "too many values for `irq` (max 4)"),
        ("io", "too few values for `io` (min 1)"),
        ("array=12345678", "string too long for `array` (max 7)"),
    ] {
        assert_eq!(self::set(&module, &[parameter]).map(|_| ()).expect_err(parameter).to_string(), error);
    }
    for (text, value) in [("on=y", 1), ("on=0", 0), ("on=off", 0), ("on=ON", 1)] {
        assert_eq!(self::set(&module, &[text]).expect("bool").bytes("on", 1), [value], "{text}");
    }
}
