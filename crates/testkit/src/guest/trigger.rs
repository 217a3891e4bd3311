//! What a program without rights can have loaded: the names to ask for, and what came of asking.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Guest, program};

/// What the classes of requests brought in, in the order in which they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggered {
    /// For each class how many names were asked for, and the modules that came.
    pub classes: Vec<(String, u32, Vec<String>)>,
}

/// The commands that ask for everything, first as a user, then as one in a user namespace of its own.
pub const TRIGGER: &str = "
dmesg -n 1
mkdir -p /dev/pts /mnt; mount -t devpts devpts /dev/pts; chmod 1777 /tmp
for who in user namespace; do echo \"BEGIN $who\"; /trigger $who </names; done
";

/// A policy that denies everything but one kind of link, so that it shows that the rest was denied and not broken, and but what root
/// asks for.
pub const ONLY_DUMMY: &str = r#"
mode = "enforce"

[default]
verdict = "deny"
root = "allow"

[[rule]]
name = "dummies"
request = "rtnl-link-dummy"
verdict = "allow"
"#;

/// Starts the daemon, and has the kernel ask the helper.
pub const START_KERNELD: &str = "
/usr/sbin/kerneld run >/tmp/kerneld.log 2>&1 &
i=0; while [ ! -S /run/kerneld/request.sock ] && [ $i -lt 200 ]; do sleep 0.1; i=$((i+1)); done
echo /usr/sbin/kerneld-request >/proc/sys/kernel/modprobe
";

impl Guest {
    /// Puts the program that asks into the guest, and the names that it asks for: all aliases in this tree that are not of devices, and
    /// the names of all modules, since the kernel asks for some by name.
    ///
    /// # Errors
    /// Where the tree has no indexes.
    pub fn trigger(&mut self, tree: &Path) -> std::io::Result<&mut Self> {
        let aliases = std::fs::read_to_string(tree.join("modules.alias"))?;
        let aliases = aliases.lines().filter_map(|line| line.strip_prefix("alias ")?.split(' ').next());
        let modules = std::fs::read_to_string(tree.join("modules.dep"))?;
        let modules = modules.lines().filter_map(|line| line.split(':').next()?.rsplit('/').next()?.split('.').next());
        // Module names are written with underscores; what the kernel asks for by such names begins with these words.
        let mut names: Vec<String> = aliases.filter(|alias| !alias.contains(':')).map(str::to_owned).collect();
        names.extend(modules.map(|module| module.replace('-', "_")));
        names.sort();
        names.dedup();
        self.archive().file("names", 0o644, format!("{}\n", names.join("\n")).as_bytes());
        self.archive().copy(&program("trigger"), "trigger")?;
        Ok(self)
    }
}

impl Triggered {
    /// Reads what the program said on the console. Classes that both users can ask in stand there twice.
    #[must_use]
    pub fn read(console: &str) -> Self {
        let mut order = Vec::new();
        let mut classes: BTreeMap<String, (u32, Vec<String>)> = BTreeMap::new();
        for line in console.lines().filter_map(|line| line.strip_prefix("TRIGGER ")) {
            let mut words = line.split_whitespace();
            let (Some(class), Some(Ok(asked))) = (words.next(), words.next().map(str::parse::<u32>)) else { continue };
            if !order.iter().any(|known| known == class) {
                order.push(class.to_owned());
            }
            let entry = classes.entry(class.to_owned()).or_default();
            entry.0 += asked;
            entry.1.extend(words.map(str::to_owned));
        }
        let take = |class: String| classes.remove(&class).map(|(asked, modules)| (class, asked, modules));
        Self { classes: order.into_iter().filter_map(take).collect() }
    }

    /// All modules that came.
    #[must_use]
    pub fn modules(&self) -> Vec<String> {
        self.classes.iter().flat_map(|(_, _, modules)| modules.clone()).collect()
    }
}
