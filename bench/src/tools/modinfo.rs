//! `bench modinfo`: what one module says, and what all of them say in one call.

use std::path::Path;

use super::programs::{self, Tools};
use super::race::{Racer, race};
use super::trees::{self, Package};
use super::{Options, note_circumstances};
use crate::error::Result;
use crate::report::{Goal, Plot, Report, Series};

/// Ours may take this much of kmod's time for one module.
const ONE: f64 = 1.0 / 3.0;
/// And for all modules in one call.
const ALL: f64 = 0.5;
/// A module of middling size with parameters and many aliases.
const MODULE: &str = "kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko";

/// Measures and reports.
///
/// # Errors
/// A tree that cannot be made, a program that fails.
pub fn run(options: &Options) -> Result<Report> {
    let package = Package::fetched()?;
    let tools = Tools::built();
    let root = package.root("modinfo")?;
    crate::command::run(&mut programs::applet(&tools.kmod, "depmod", &["-b", trees::text(&root), &package.release]))?;
    let one = package.path(Path::new(MODULE));
    let paths: Vec<_> = package.modules.iter().map(|module| package.path(module)).collect();
    let all: Vec<&str> = paths.iter().map(|path| trees::text(path)).collect();
    let by_name = ["-b", trees::text(&root), "-k", &package.release, "e1000e"];
    let works: [(String, Vec<&str>, usize, Option<Goal>); 3] = [
        ("one module by name".to_owned(), by_name.to_vec(), 101, Some(Goal::AtMost(ONE))),
        ("one module by path".to_owned(), vec![trees::text(&one)], 101, None),
        (format!("all {} modules in one call", all.len()), all, 11, Some(Goal::AtMost(ALL))),
    ];
    let mut report = Report::new("modinfo");
    let mut series: Vec<Series> = Vec::new();
    for (work, arguments, rounds, goal) in works {
        let racer = |name, program| Racer::new(name, move || programs::applet(program, "modinfo", &arguments));
        let racers = [racer("kmod", &tools.kmod), racer("ours", &tools.ours), racer("ours, static", &tools.small)];
        let times = race(options.rounds.unwrap_or(rounds), racers)?;
        for subject in &times {
            report.tell(format!("{work}: {}, wall", subject.name), subject.wall(), "ms");
            report.tell(format!("{work}: {}, user+sys", subject.name), subject.cpu(), "ms");
            series.push(subject.series(&work));
        }
        let [kmod, ours, small] = &times;
        let (name, ratio) = (format!("{work}: ours / kmod, wall"), ours.wall() / kmod.wall());
        match goal {
            Some(goal) => report.judge(name, ratio, "x", goal),
            None => report.tell(name, ratio, "x"),
        }
        report.tell(format!("{work}: ours, static / kmod, wall"), small.wall() / kmod.wall(), "x");
    }
    note_circumstances(&mut report, &tools.kmod);
    let (across, up) = ("round".to_owned(), "milliseconds, wall".to_owned());
    Plot { title: "modinfo".to_owned(), across, up, series }.write("modinfo")?;
    Ok(report)
}
