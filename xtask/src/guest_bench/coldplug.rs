//! `cargo xtask bench coldplug`: a machine full of devices gets its drivers, by one process for each event and by one for all.
//!
//! Each rival has a boot of its own, of one machine with one tree. The time runs from the start of the rival (which has the devices
//! announced, or walks) to the last change of the set of loaded modules, and a watcher that is the same for all measures it. Guests are
//! emulations: the processor time that they take of this machine is measured as well, and depends less on what else it does.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use testkit::Programs;
use testkit::guest::{Flavour, Guest, WHOLE_TREE, WholeTree, many_devices, program};

use super::surprise;
use crate::step::Error;

/// Whose `modprobe` is in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tools {
    Kmod,
    Ours,
}

/// A rival: its name, whose tools it needs, and the command.
type Rival = (&'static str, Tools, &'static str);

/// The one that is measured beside the rivals.
const OURS: Rival = ("kerneld coldplug", Tools::Ours, "/usr/sbin/kerneld coldplug --calm 3s --json 2>/dev/null");

/// Not a rival but what none can do without: the kernel's own work for the modules that the first rival has loaded.
const KERNEL_ALONE: Rival = ("finit_module in the order of the first", Tools::Ours, "/inorder /order");

/// One round of what small systems do at boot: one process, all names that there are now.
const ONE_PROCESS: &str = "find /sys/devices -name modalias | xargs sort -u | xargs /sbin/modprobe -a -b -q";

const RIVALS: &[Rival] = &[
    ("modprobe -b per event, kmod", Tools::Kmod, "/perevent 3 8 /sbin/modprobe -q -b"),
    OURS,
    ("modprobe -b per event, ours", Tools::Ours, "/perevent 3 8 /sbin/modprobe -q -b"),
    ("uevent, sh and modprobe -b, one at a time, kmod", Tools::Kmod, "sh /one-at-a-time.sh"),
    ("modprobe -a until nothing new, kmod", Tools::Kmod, "sh /rounds.sh"),
    ("modprobe -a until nothing new, ours", Tools::Ours, "sh /rounds.sh"),
];

/// How often each has its turn: what an emulated machine gets of this one's processors changes from minute to minute.
const ROUNDS: u32 = 3;

/// How many of the rivals, the first of them, run once more on a machine of two processors.
const ON_TWO: usize = 3;

/// A script that does something again and again, until so many seconds bring no new module.
fn until_calm(turn: &str, seconds: u32) -> String {
    format!(
        "before=x; calm=0
        while [ $calm -lt {seconds} ]; do
          {turn}
          now=$(wc -l </proc/modules)
          if [ \"$now\" = \"$before\" ]; then calm=$((calm + 1)); sleep 1; else calm=0; fi
          before=$now
        done"
    )
}

/// What a shell for each event runs.
const FOR_AN_EVENT: &str = "#!/bin/sh\n[ -z \"$MODALIAS\" ] || exec /sbin/modprobe -q -b \"$MODALIAS\"\n";

/// The device manager of a system that has busybox and nothing else: `uevent` starts a shell for each event, and waits for it. Most
/// devices have no name to load by, so that nothing new may come for long before all is done.
fn one_at_a_time() -> String {
    let announce = "find /sys/devices -name uevent | while read -r file; do echo add >\"$file\"; done";
    format!("uevent /event.sh &\n{announce}\n{}\nkill $!", until_calm(":", 25))
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
struct Row {
    rival: &'static str,
    /// Processors of the guest.
    processors: u32,
    /// Milliseconds from the start to the last module, by the guest's clock.
    last_module: u64,
    /// Milliseconds of this machine's processor that the guest took from the start to the last module.
    processor: u64,
    /// Modules that were loaded.
    modules: u64,
    /// What the rival says of itself.
    remark: String,
}

impl Row {
    /// The medians of what a rival took in all rounds, on a machine of so many processors.
    fn median(rows: &[Self], rival: &str, processors: u32) -> Option<Self> {
        let of = || rows.iter().filter(|row| row.rival == rival && row.processors == processors);
        let middle = |value: fn(&Self) -> u64| {
            let mut values: Vec<u64> = of().map(value).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        let (last_module, processor) = (middle(|row| row.last_module)?, middle(|row| row.processor)?);
        of().next().map(|row| Self { last_module, processor, ..row.clone() })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (clock, processor) = (self.last_module as f64 / 1e3, self.processor as f64 / 1e3);
        let Self { rival, processors, modules, remark, .. } = self;
        write!(f, "{rival:<47} on {processors} {clock:>7.2} s  {processor:>7.2} s of processor  {modules:>3} modules  {remark}")
    }
}

/// Runs all rivals, in turn, `ROUNDS` times.
pub(super) fn run(json: bool) -> Result<(), Error> {
    let mut rows: Vec<Row> = Vec::new();
    let mut order = Vec::new();
    let on_one = RIVALS.iter().chain([&KERNEL_ALONE]).map(|rival| (rival, 1));
    let all: Vec<(&Rival, u32)> = on_one.chain(RIVALS.iter().take(ON_TWO).map(|rival| (rival, 2))).collect();
    for round in 1..=ROUNDS {
        for &(rival, processors) in &all {
            let (row, loaded) = measure(rival, processors, &order)?;
            if order.is_empty() {
                order = loaded;
            }
            eprintln!("round {round} of {ROUNDS}: {row}");
            rows.push(row);
        }
    }
    let rows: Vec<Row> = all.iter().filter_map(|(rival, processors)| Row::median(&rows, rival.0, *processors)).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows).map_err(surprise)?);
        return Ok(());
    }
    println!("medians of {ROUNDS} rounds:");
    rows.iter().for_each(|row| println!("{row}"));
    for processors in [1, 2] {
        let of = || rows.iter().filter(|row| row.processors == processors);
        let Some(ours) = of().find(|row| row.rival == OURS.0) else { continue };
        let times = |other: u64, ours: u64| other as f64 / ours.max(1) as f64;
        for row in of().filter(|row| row.rival != OURS.0) {
            let (clock, processor) = (times(row.last_module, ours.last_module), times(row.processor, ours.processor));
            println!("{} / kerneld, on {processors}: {clock:.1}x the time, {processor:.1}x the processor", row.rival);
        }
    }
    Ok(())
}

/// Boots one rival; also answers the modules that are loaded then, the first first. `order` are those that `/order` lists.
fn measure(&(rival, tools, command): &Rival, processors: u32, order: &[String]) -> Result<(Row, Vec<String>), Error> {
    let mut guest = Guest::new(Flavour::Debian61).map_err(surprise)?;
    let modutils = Programs::static_modutils();
    let tree = match tools {
        Tools::Ours => {
            guest.tools(&modutils).and_then(|guest| guest.daemon(&Programs::static_kerneld())).map_err(surprise)?;
            WholeTree::new(guest.machine(), Some(&modutils))
        }
        Tools::Kmod => {
            guest.oracle().map_err(surprise)?;
            WholeTree::new(guest.machine(), None)
        }
    };
    let tree = tree.map_err(surprise)?;
    guest.tree(tree.path()).map_err(surprise)?;
    let folder = format!("/lib/modules/{}", guest.machine().release());
    let files = files(tree.path(), &folder, order)?;
    guest.archive().file("order", 0o644, files.as_bytes());
    for name in ["watch", "perevent", "inorder"] {
        guest.archive().copy(&program(name), name).map_err(surprise)?;
    }
    let scripts = [
        ("rounds.sh", 0o644, until_calm(ONE_PROCESS, 3)),
        ("one-at-a-time.sh", 0o644, one_at_a_time()),
        ("event.sh", 0o755, FOR_AN_EVENT.to_owned()),
    ];
    for (name, permissions, text) in scripts {
        guest.archive().file(name, permissions, text.as_bytes());
    }
    guest.memory(WHOLE_TREE).processors(processors).devices(&many_devices());
    let script = format!(
        "sleep 3\n/watch 4 {command} >/tmp/out\ncat /tmp/out\nwhile read name rest; do echo \"MODULE $name\"; done </proc/modules\n"
    );
    let run = guest.boot(&script).map_err(surprise)?;
    let first = run.marks.iter().find(|(word, _)| word == "start").map(|(_, time)| *time).unwrap_or_default();
    let last = run.marks.last().map(|(_, time)| *time).unwrap_or_default();
    let processor = u64::try_from(last.saturating_sub(first).as_millis()).unwrap_or(u64::MAX);
    let console = run.ok();
    let number = |words: &[&str], name: &str| words.windows(2).find(|pair| pair[0] == name).and_then(|pair| pair[1].parse().ok());
    let line = console.lines().find(|line| line.starts_with("WATCH ")).ok_or_else(|| surprise(&console))?;
    let words: Vec<&str> = line.split(' ').collect();
    let (Some(last_module), Some(modules)) = (number(&words, "last"), number(&words, "modules")) else { return Err(surprise(console)) };
    let remark =
        console.lines().find(|line| line.starts_with("PROCESSES ") || line.starts_with("FAILED ")).unwrap_or_default().to_lowercase();
    let mut loaded: Vec<String> = console.lines().filter_map(|line| line.strip_prefix("MODULE ")).map(str::to_owned).collect();
    // The newest stands first in /proc/modules.
    loaded.reverse();
    Ok((Row { rival, processors, last_module, processor, modules, remark }, loaded))
}

/// The files of modules, one in a line, as the guest sees them.
fn files(tree: &Path, folder: &str, modules: &[String]) -> Result<String, Error> {
    let list = std::fs::read_to_string(tree.join("modules.dep")).map_err(surprise)?;
    let paths: Vec<&str> = list.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let name = |path: &&str| path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default().replace('-', "_");
    let known: HashMap<String, &str> = paths.iter().map(|path| (name(path), *path)).collect();
    let path = |module: &String| known.get(module).map(|path| format!("{folder}/{path}\n")).ok_or_else(|| surprise(module));
    modules.iter().map(path).collect()
}
