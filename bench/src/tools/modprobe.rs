//! `bench modprobe`: what a plan costs.

use std::fs;
use std::path::Path;

use super::programs::{self, Tools};
use super::trees::{self, Package};
use super::work::Work;
use super::{Options, note_circumstances};
use crate::error::{Error, Result};
use crate::report::{Goal, Plot, Report, Series};

/// Ours may take this much of kmod's time for the plan of the deepest module.
const PLAN: f64 = 0.5;

/// Measures and reports.
///
/// # Errors
/// A tree that cannot be made, a program that fails.
pub fn run(options: &Options) -> Result<Report> {
    let package = Package::fetched()?;
    let tools = Tools::built();
    let root = package.root("modprobe")?;
    let release = package.release.as_str();
    crate::command::run(&mut programs::applet(&tools.kmod, "depmod", &["-b", trees::text(&root), release]))?;
    let (deepest, depth) = deepest(&package.below(&root).join("modules.dep"))?;
    let alias = "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00";
    let mut report = Report::new("modprobe");
    let mut series: Vec<Series> = Vec::new();
    let works: [(String, &[&str], Option<Goal>); 3] = [
        (format!("-n -D {deepest} ({depth} dependencies)"), &["-n", "-D", &deepest], Some(Goal::AtMost(PLAN))),
        ("-n -R of a PCI alias".to_owned(), &["-n", "-R", alias], None),
        ("-n -c".to_owned(), &["-n", "-c"], None),
    ];
    for (name, words, goal) in works {
        let arguments = [words, &["-d", trees::text(&root), "-S", release]].concat();
        let work = Work { name, applet: "modprobe", arguments, rounds: 101, goal };
        series.extend(work.measure(&tools, options, &mut report)?);
    }
    note_circumstances(&mut report, &tools.kmod);
    let (across, up) = ("round".to_owned(), "milliseconds, wall".to_owned());
    Plot { title: "modprobe without loading".to_owned(), across, up, series }.write("modprobe")?;
    Ok(report)
}

/// The module with the most dependencies in a `modules.dep`, and how many it has.
fn deepest(dep: &Path) -> Result<(String, usize)> {
    let text = fs::read_to_string(dep).map_err(|source| Error::File { path: dep.to_owned(), source })?;
    deepest_of(&text).ok_or_else(|| Error::Format { what: dep.display().to_string(), reason: "no modules".to_owned() })
}

fn deepest_of(text: &str) -> Option<(String, usize)> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let counted = lines.map(|(path, needs)| (path, needs.split_whitespace().count()));
    let (path, count) = counted.max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?;
    let name = Path::new(path).file_name()?.to_str()?.split('.').next()?;
    Some((name.replace('-', "_"), count))
}

#[cfg(test)]
mod tests {
    use super::deepest_of;

    #[test]
    fn the_deepest_needs_most() {
        let text =
            "kernel/a.ko:\nkernel/b-c.ko.xz: kernel/a.ko kernel/d.ko\nkernel/z.ko: kernel/a.ko kernel/d.ko\nkernel/d.ko: kernel/a.ko\n";
        assert_eq!(deepest_of(text), Some(("b_c".to_owned(), 2)));
        assert_eq!(deepest_of(""), None);
    }
}
