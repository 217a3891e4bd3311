//! `cargo xtask bench surface`: what a program without rights can have loaded into a stock kernel, and what is left of it under what
//! administrators write against it.
//!
//! Blacklists and `install` lines are written for exactly the modules that came into the stock kernel: no list could be better.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use testkit::Programs;
use testkit::guest::{Flavour, Guest, ONLY_DUMMY, START_KERNELD, TRIGGER, Triggered, WHOLE_TREE, WholeTree};

use super::surprise;
use crate::step::Error;

/// What is written against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Against {
    Nothing,
    Blacklist,
    InstallFalse,
    Kerneld,
}

const ALL: [Against; 4] = [Against::Nothing, Against::Blacklist, Against::InstallFalse, Against::Kerneld];

const KERNELS: &[(Flavour, &str)] = &[(Flavour::Debian61, "6.1"), (Flavour::Debian612, "6.12")];

/// What the policy allows.
const ALLOWED: &str = "dummy";

/// Some thousand requests, on a processor that is an emulation.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One cell of the table.
#[derive(Debug, Serialize)]
struct Cell {
    kernel: &'static str,
    against: Against,
    class: String,
    asked: u32,
    modules: Vec<String>,
}

/// Runs all.
pub(super) fn run(json: bool) -> Result<(), Error> {
    let mut cells = Vec::new();
    for (flavour, kernel) in KERNELS {
        let stock = measure(*flavour, Against::Nothing, &[])?;
        let modules = stock.modules();
        let mut runs = vec![stock];
        for against in &ALL[1..] {
            runs.push(measure(*flavour, *against, &modules)?);
        }
        if !json {
            print(kernel, &runs);
        }
        let denied = runs.last().map(Triggered::modules).unwrap_or_default();
        if let Some(leak) = denied.iter().find(|module| *module != ALLOWED) {
            return Err(surprise(format!("{kernel}: `{leak}` was loaded against the policy")));
        }
        for (against, run) in ALL.iter().zip(runs) {
            let cell = |(class, asked, modules)| Cell { kernel, against: *against, class, asked, modules };
            cells.extend(run.classes.into_iter().map(cell));
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&cells).map_err(surprise)?);
    }
    Ok(())
}

/// The table, as it stands in the documents.
fn print(kernel: &str, runs: &[Triggered]) {
    println!("\n| {kernel}: class | names asked for | stock | `blacklist` | `install /bin/false` | kerneld |");
    println!("|---|---|---|---|---|---|");
    let classes = runs.first().map(|run| run.classes.clone()).unwrap_or_default();
    for (class, asked, _) in &classes {
        print!("| {class} | {asked} |");
        for run in runs {
            let came = run.classes.iter().find(|(other, ..)| other == class).map_or(0, |(_, _, modules)| modules.len());
            print!(" {came} |");
        }
        println!();
    }
    print!("| all | {} |", classes.iter().map(|(_, asked, _)| asked).sum::<u32>());
    for run in runs {
        print!(" {} |", run.modules().iter().collect::<BTreeSet<_>>().len());
    }
    println!();
}

fn measure(flavour: Flavour, against: Against, modules: &[String]) -> Result<Triggered, Error> {
    let mut guest = Guest::new(flavour).map_err(surprise)?;
    let tree = WholeTree::new(guest.machine(), None).map_err(surprise)?;
    guest.tree(tree.path()).map_err(surprise)?;
    guest.trigger(tree.path()).map_err(surprise)?;
    guest.memory(WHOLE_TREE).patience(PATIENCE);
    let lines = |before: &str, after: &str| modules.iter().map(|module| format!("{before} {module}{after}\n")).collect::<String>();
    let mut start = "";
    match against {
        Against::Nothing => {
            guest.oracle().map_err(surprise)?;
        }
        Against::Blacklist => {
            guest.oracle().map_err(surprise)?;
            guest.archive().file("etc/modprobe.d/deny.conf", 0o644, lines("blacklist", "").as_bytes());
        }
        Against::InstallFalse => {
            guest.oracle().map_err(surprise)?;
            guest.archive().file("etc/modprobe.d/deny.conf", 0o644, lines("install", " /bin/false").as_bytes());
        }
        Against::Kerneld => {
            guest.tools(&Programs::static_modutils()).and_then(|guest| guest.daemon(&Programs::static_kerneld())).map_err(surprise)?;
            guest.archive().file("etc/kerneld/policy.toml", 0o644, ONLY_DUMMY.as_bytes());
            start = START_KERNELD;
        }
    }
    let begin = std::time::Instant::now();
    let run = guest.boot(&format!("{start}{TRIGGER}")).map_err(surprise)?;
    let console = run.ok();
    let triggered = Triggered::read(&console);
    // Each run takes minutes.
    let (count, seconds) = (triggered.modules().len(), begin.elapsed().as_secs());
    eprintln!("{flavour:?}, against it {against:?}: {count} modules in {seconds} s");
    for (class, asked, modules) in &triggered.classes {
        eprintln!("  {class}: {asked} names, {} modules: {}", modules.len(), modules.join(" "));
    }
    if triggered.classes.len() < 10 { Err(surprise(console)) } else { Ok(triggered) }
}
