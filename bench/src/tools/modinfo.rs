//! `bench modinfo`: what one module says, and what all of them say in one call.

use std::path::Path;

use super::programs::{self, Tools};
use super::trees::{self, Package};
use super::work::Work;
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
    let mut report = Report::new("modinfo");
    let mut series: Vec<Series> = Vec::new();
    let many = format!("all {} modules in one call", all.len());
    let works = [
        ("one module by name".to_owned(), by_name.to_vec(), 101, Some(Goal::AtMost(ONE))),
        ("one module by path".to_owned(), vec![trees::text(&one)], 101, None),
        (many, all, 11, Some(Goal::AtMost(ALL))),
    ];
    for (name, arguments, rounds, goal) in works {
        let work = Work { name, applet: "modinfo", arguments, rounds, goal };
        series.extend(work.measure(&tools, options, &mut report)?);
    }
    note_circumstances(&mut report, &tools.kmod);
    let (across, up) = ("round".to_owned(), "milliseconds, wall".to_owned());
    Plot { title: "modinfo".to_owned(), across, up, series }.write("modinfo")?;
    Ok(report)
}
