//! Who uses whom, as an indented tree: under each module, the modules that it is used by.

use kmod::kernel::Loaded;
use std::collections::{HashMap, HashSet};

/// The tree. Modules that use nothing are the roots; one that uses several stands under each of them, but what stands on it is
/// shown only the first time.
pub(super) fn text(modules: &[Loaded]) -> String {
    let by_name: HashMap<&str, &Loaded> = modules.iter().map(|module| (module.name.as_str(), module)).collect();
    let holding: HashSet<&str> = modules.iter().flat_map(|module| &module.holders).map(String::as_str).collect();
    let mut tree = Tree { by_name, shown: HashSet::new(), text: String::new() };
    for module in modules.iter().filter(|module| !holding.contains(module.name.as_str())) {
        tree.branch(module);
    }
    // What is left hangs in a circle, which only a damaged list shows; it is listed all the same.
    for module in modules {
        if !tree.shown.contains(module.name.as_str()) {
            tree.branch(module);
        }
    }
    tree.text
}

/// The text so far, and which modules stand in it.
struct Tree<'a> {
    by_name: HashMap<&'a str, &'a Loaded>,
    shown: HashSet<&'a str>,
    text: String,
}

/// A line yet to be written: what stands before the name, and before the lines below it.
struct Line<'a> {
    name: &'a str,
    first: String,
    rest: String,
}

impl<'a> Tree<'a> {
    /// Adds a module's line, and below it those of its holders. Explicitly a walk over a stack: a tree may be as deep as the list is long.
    fn branch(&mut self, root: &'a Loaded) {
        let mut waiting = vec![Line { name: &root.name, first: String::new(), rest: String::new() }];
        while let Some(Line { name, first, rest }) = waiting.pop() {
            let holders = self.by_name.get(name).map_or(&[][..], |module| &module.holders);
            let again = !self.shown.insert(name) && !holders.is_empty();
            let note = if again { " (see above)" } else { "" };
            self.text.extend([first.as_str(), name, note, "\n"]);
            let holders = if again { &[][..] } else { holders };
            // Taken from the end: the first holder has to be last.
            for (index, holder) in holders.iter().enumerate().rev() {
                let last = index.saturating_add(1) == holders.len();
                let (tick, stem) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                waiting.push(Line { name: holder, first: format!("{rest}{tick}"), rest: format!("{rest}{stem}") });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn users_stand_under_what_they_use() {
        let list = "msdos 1 0 - Live 0\nvfat 1 0 - Live 0\nnls 1 1 vfat, Live 0\nfat 1 2 msdos,vfat, Live 0\n";
        let modules = kmod::proc_modules::parse(list).unwrap();
        assert_eq!(text(&modules), "nls\n└─ vfat\nfat\n├─ msdos\n└─ vfat\n");
    }

    #[test]
    fn a_circle_ends_and_shared_stacks_are_shown_once() {
        let circle = kmod::proc_modules::parse("a 1 1 b, Live 0\nb 1 1 a, Live 0\n").unwrap();
        assert_eq!(text(&circle), "a\n└─ b\n   └─ a (see above)\n");
        let list = "top 1 0 - Live 0\nmid 1 1 top, Live 0\nx 1 1 mid, Live 0\ny 1 1 mid, Live 0\n";
        let shared = kmod::proc_modules::parse(list).unwrap();
        assert_eq!(text(&shared), "x\n└─ mid\n   └─ top\ny\n└─ mid (see above)\n");
    }

    #[test]
    fn a_tree_may_be_as_deep_as_the_list_is_long() {
        const DEPTH: usize = 3000;
        let list: String = (0..DEPTH).rev().map(|n| format!("m{n} 1 1 m{}, Live 0\n", n + 1)).collect();
        let modules = kmod::proc_modules::parse(&list).unwrap();
        // A walk that called itself would need more than this stack.
        let drawn = std::thread::Builder::new().stack_size(128 << 10).spawn(move || text(&modules)).unwrap().join().unwrap();
        assert_eq!(drawn.lines().count(), DEPTH + 1);
        assert!(drawn.ends_with(&format!("└─ m{DEPTH}\n")));
    }
}
