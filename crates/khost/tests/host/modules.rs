//! printk, memory, locks and symbols.

use crate::{host, load, log};

/// How much a module holds, as the accounts have it.
fn held(name: &str) -> Option<(usize, usize)> {
    let use_count = host().kernel().use_count_of(name)?;
    let usage = host().services().memory.usage();
    usage.into_iter().find(|(owner, _)| owner.0 == use_count).map(|(_, usage)| (usage.blocks, usage.bytes))
}

#[test]
fn what_a_module_does_not_free_is_reported_and_freed() {
    load("memory", "tidy", &[]).unwrap();
    assert_eq!(held("tidy"), Some((4, 4006)));
    host().kernel().unload("tidy").unwrap();
    assert!(log("`tidy` leaked").is_empty());
    assert_eq!(log("kfree: no block at").len() % 2, 0, "twice for each of the two modules: freed already, and never allocated");
    load("memory", "leaky", &["leak=1"]).unwrap();
    host().kernel().unload("leaky").unwrap();
    assert_eq!(log("`leaky` leaked memory: 2001 bytes in 2 blocks").len(), 1);
    assert_eq!(host().services().memory.usage().iter().filter(|(_, usage)| usage.bytes == 2001).count(), 0);
}

#[test]
fn text_strings_and_symbols() {
    load("text", "text", &[]).unwrap_or_else(|error| panic!("{error}: {:?}", log("text")));
    assert_eq!(log("text: 3 items, (null), (nil)").len(), 1);
    assert_eq!(log("text: begun and ended").len(), 1);
    let kernel = host().kernel();
    assert!(kernel.get_module_symbol(Some("text"), "shown_later").is_some(), "the table of register_symtab replaced that of insmod");
    let count = kernel.get_module_symbol(Some("text"), "count").expect("an export");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| kernel.call(count, [5000, 0, 0, 0, 0, 0]).unwrap());
        }
    });
    assert_eq!(kernel.call(count, [0; 6]).unwrap(), 30_000, "the lock lets one in at a time");
    kernel.unload("text").unwrap();
    assert_eq!(log("text: bye").len(), 1);
    assert!(kernel.get_module_symbol(Some("text"), "count").is_none());
}

#[test]
fn the_module_of_the_documentation_works() {
    let text = include_str!("../../../../docs/modules.md");
    let source = text.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a C module in the text");
    let how = kernel::Load { name: "hello", parameters: &["answer=43"], force: kernel::Force::Yes, ..kernel::Load::default() };
    host().kernel().load(&crate::compile_source(source), &how).unwrap();
    assert_eq!(log("hello: the answer is 43").len(), 1);
    host().kernel().unload("hello").unwrap();
    assert_eq!(log("hello: bye").len(), 1);
}
