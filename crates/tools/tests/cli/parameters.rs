//! Parameters: every kind, and every way to get one wrong.

use crate::world::{Outcome, World};

const MODULE: &str = r#"
int number = 7; int numbers[4] = { 1, 2, 3, 4 }; int few[3];
short small; unsigned char byte; long large; char *text = "default"; char array[6] = "abc"; char *texts[2];
int modern; unsigned int count; char *word; _Bool flag; unsigned short half;
static int old; static char *old_text;
MODINFO("parm_number=i"); MODINFO("parm_numbers=1-4i"); MODINFO("parm_few=2-3i");
MODINFO("parm_small=h"); MODINFO("parm_byte=b"); MODINFO("parm_large=l"); MODINFO("parm_text=s"); MODINFO("parm_array=c6");
MODINFO("parm_texts=1-2s");
MODINFO("parmtype=modern:int"); MODINFO("parmtype=count:uint"); MODINFO("parmtype=word:charp"); MODINFO("parmtype=flag:bool");
MODINFO("parmtype=half:ushort"); MODINFO("parm_ghost=i");
static void say(const char *s) { while (s && *s) note(KEY, *s++); note(KEY, 0); }
int init_module(void) {
    note(KEY, number); for (int i = 0; i < 4; i++) note(KEY, numbers[i]);
    for (int i = 0; i < 3; i++) note(KEY, few[i]);
    note(KEY, small); note(KEY, byte); note(KEY, large); say(text); say(array); say(texts[0]); say(texts[1]);
    note(KEY, modern); note(KEY, count); say(word); note(KEY, flag); note(KEY, half);
    return 0;
}
void cleanup_module(void) { }
"#;

const OLD: &str = r#"
int number = 7; int numbers[4] = { 1, 2, 3, 4 }; char *text = "default";
int init_module(void) {
    note(KEY, number); for (int i = 0; i < 4; i++) note(KEY, numbers[i]);
    for (const char *s = text; *s; s++) note(KEY, *s);
    return 0;
}
void cleanup_module(void) { }
"#;

/// The numbers and texts that a module noted; texts end with 0.
fn said(words: &[Result<i64, &str>]) -> Vec<i64> {
    let mut notes = Vec::new();
    for word in words {
        match word {
            Ok(number) => notes.push(*number),
            Err(text) => notes.extend(text.bytes().map(i64::from).chain([0])),
        }
    }
    notes
}

#[test]
fn declared_parameters_of_every_kind() {
    let world = World::new();
    world.compile("m", MODULE);
    let arguments = [
        "number=-5",
        "numbers=10,0x1f,3,010",
        "few=8,9",
        "small=-3",
        "byte=255",
        "large=-4000000000",
        "text=\"hello,world\"",
        "array=wide",
        "texts=one,two",
        "modern=-1",
        "count=0xffffffff",
        "word=w",
        "flag=y",
        "half=65535",
    ];
    let done = Outcome::of(world.command("insmod").arg("m.o").args(arguments));
    assert_eq!(done.status, Some(0), "{done:?}");
    let wanted = [
        Ok(-5),
        Ok(10),
        Ok(31),
        Ok(3),
        Ok(8),
        Ok(8),
        Ok(9),
        Ok(0),
        Ok(-3),
        Ok(255),
        Ok(-4_000_000_000),
        Err("hello,world"),
        Err("wide"),
        Err("one"),
        Err("two"),
        Ok(-1),
        Ok(0xffff_ffff),
        Err("w"),
        Ok(1),
        Ok(65_535),
    ];
    assert_eq!(world.notes(), said(&wanted));
}

#[test]
fn without_parameters_the_defaults_stand() {
    let world = World::new();
    world.compile("m", MODULE);
    world.run("insmod m.o").ok();
    let wanted = [
        Ok(7),
        Ok(1),
        Ok(2),
        Ok(3),
        Ok(4),
        Ok(0),
        Ok(0),
        Ok(0),
        Ok(0),
        Ok(0),
        Ok(0),
        Err("default"),
        Err("abc"),
        Err(""),
        Err(""),
        Ok(0),
        Ok(0),
        Err(""),
        Ok(0),
        Ok(0),
    ];
    assert_eq!(world.notes(), said(&wanted));
}

#[test]
fn undeclared_ones_are_slots_behind_any_symbol() {
    let world = World::new();
    world.compile("old", OLD);
    let done = world.run("insmod old.o number=0x10 numbers=5,,017 text=hey");
    assert_eq!(done.status, Some(0), "{done:?}");
    let mut wanted = vec![16, 5, 2, 15, 4];
    wanted.extend("hey".bytes().map(i64::from));
    assert_eq!(world.notes(), wanted);
}

#[test]
fn every_mistake_is_named_and_leaves_nothing() {
    let world = World::new();
    world.compile("m", MODULE);
    let cases = [
        ("nosuch=1", "invalid parameter `nosuch`"),
        ("ghost=1", "symbol for parameter `ghost` not found"),
        ("numbers=1,2,3,4,5", "too many values for `numbers` (max 4)"),
        ("few=1", "too few values for `few` (min 2)"),
        ("array=toolong", "string too long for `array`"),
        ("number=seven", "invalid argument syntax for `number`"),
        ("byte=256", "`byte`"),
        ("half=65536", "`half`"),
        ("flag=maybe", "`flag`"),
        ("text=\"open", "improperly terminated string argument for `text`"),
    ];
    for (argument, wanted) in cases {
        let complaint = Outcome::of(world.command("insmod").args(["m.o", argument])).fails();
        assert!(complaint.contains(wanted), "{argument}: {complaint}");
        assert!(world.loaded().is_empty() && world.notes().is_empty(), "{argument}");
    }
}
