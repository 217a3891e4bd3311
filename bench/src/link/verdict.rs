//! From times to rows: what each subject took, and the ratios that have goals.

use crate::report::{Goal, Report};

use super::run::{Measured, Results, object_size};
use super::subject::SUBJECTS;

/// Subjects that open a file by themselves; they are measured with the first call of everything too.
pub(super) const STARTS_FROM_FILE: [&str; 3] = ["modlink-file", "dlopen-lld", "dlopen-mold"];
/// The size at which the ratios are judged, and the size to which growth must be linear.
const JUDGED: u32 = 10_000;
const LARGEST: u32 = 100_000;

const NEAR: &str = "modlink-near";
const FAR: &str = "modlink-far";
const FILE: &str = "modlink-file";
const DLOPEN: [&str; 2] = ["dlopen-lld", "dlopen-mold"];
const LINKERS: [&str; 4] = ["wild", "mold", "ld.lld", "ld.bfd"];

/// Looks up results at one size.
struct At<'a>(&'a Results, u32);

impl At<'_> {
    fn get(&self, key: &str) -> Option<&Measured> {
        self.0.get(&(key.to_owned(), self.1))
    }

    /// The smallest time, nanoseconds.
    fn time(&self, key: &str) -> Option<f64> {
        self.get(key)?.load.minimum()
    }

    /// The best of several rivals, and its name.
    fn best<'k>(&self, keys: &[&'k str]) -> Option<(&'k str, f64)> {
        let times = keys.iter().filter_map(|key| Some((*key, self.time(key)?)));
        times.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// modlink's core link where the hosted kernel loads modules: near.
    fn core(&self) -> Option<f64> {
        self.time(NEAR)
    }
}

/// Adds all rows.
pub(super) fn rows(results: &Results, sizes: &[u32], report: &mut Report) {
    for &size in sizes {
        times(results, size, report);
    }
    against_rivals(&At(results, JUDGED), report);
    growth(results, report);
    memory(&At(results, LARGEST), report);
}

fn times(results: &Results, size: u32, report: &mut Report) {
    let title = |key: &str| SUBJECTS.iter().find(|spec| spec.key == key).map_or(key.to_owned(), |s| s.title.to_owned());
    for ((key, _), measured) in results.iter().filter(|((_, at), _)| *at == size) {
        let phases = [("", &measured.load), (", and the first call of all", &measured.with_call)];
        for (phase, samples) in phases {
            if let (Some(minimum), Some(median)) = (samples.minimum(), samples.median()) {
                let name = format!("{}{phase}, {size} functions", title(key));
                report.tell(format!("{name}, minimum"), minimum / 1e3, "us");
                report.tell(format!("{name}, median"), median / 1e3, "us");
            }
        }
    }
}

fn against_rivals(at: &At<'_>, report: &mut Report) {
    let size = at.1;
    if let (Some(near), Some(floor)) = (at.time(NEAR), at.time("floor")) {
        report.judge(format!("{NEAR} / floor, {size} functions"), near / floor, "x", Goal::AtMost(1.6));
    }
    if let (Some(far), Some(floor)) = (at.time(FAR), at.time("floor")) {
        report.tell(format!("{FAR} / floor, {size} functions"), far / floor, "x");
    }
    if let (Some(file), Some((name, dlopen))) = (at.time(FILE), at.best(&DLOPEN)) {
        report.judge(format!("{FILE} / {name}, {size} functions"), file / dlopen, "x", Goal::AtMost(0.9));
        let called = |key| at.get(key)?.with_call.minimum();
        if let (Some(ours), Some(theirs)) = (called(FILE), called(name)) {
            report.tell(format!("{FILE} / {name}, with the first call of all, {size} functions"), ours / theirs, "x");
        }
    }
    let rivals: [(&[&str], f64); 3] =
        [(&["kmod-loader-pie", "kmod-loader-large"], 3.0), (&["elf_loader-large"], 8.0), (&["llvm-jitlink-22"], 70.0)];
    for (keys, goal) in rivals {
        if let (Some((name, rival)), Some(core)) = (at.best(keys), at.core()) {
            report.judge(format!("{name} / modlink core, {size} functions"), rival / core, "x", Goal::AtLeast(goal));
        }
    }
    for ((key, _), measured) in
        at.0.iter().filter(|((key, at_size), _)| *at_size == size && key.starts_with("llvm-jitlink-") && key != "llvm-jitlink-22")
    {
        if let (Some(rival), Some(core)) = (measured.load.minimum(), at.core()) {
            report.tell(format!("{key} / modlink core, {size} functions"), rival / core, "x");
        }
    }
    if let (Some((linker, link)), Some((_, dlopen)), Some(file)) = (at.best(&LINKERS), at.best(&DLOPEN), at.time(FILE)) {
        let name = format!("link by {linker} and dlopen / {FILE}, {size} functions");
        report.judge(name, (link + dlopen) / file, "x", Goal::AtLeast(20.0));
    }
}

fn growth(results: &Results, report: &mut Report) {
    for key in [NEAR, FAR, FILE, "floor", "dlopen-lld"] {
        let each = |size: u32| Some(At(results, size).time(key)? / f64::from(size));
        let (Some(small), Some(large)) = (each(JUDGED), each(LARGEST)) else { continue };
        let name = format!("{key}: time per function, {LARGEST} / {JUDGED}");
        if key.starts_with("modlink") {
            report.judge(name, large / small, "x", Goal::AtMost(1.25));
        } else {
            report.tell(name, large / small, "x");
        }
    }
}

fn memory(at: &At<'_>, report: &mut Report) {
    let Some(file) = object_size(at.1).filter(|_| at.get("floor").or(at.get(FILE)).is_some()) else { return };
    for ((key, _), measured) in at.0.iter().filter(|((_, size), _)| *size == at.1) {
        let (Some(added), Some(peak)) = (measured.added, measured.peak) else { continue };
        report.tell(format!("{key}: peak memory with the input, {} functions", at.1), peak as f64 / 1e6, "MB");
        // The input is in memory before the others start; this one maps it as part of its work.
        let added = if key == FILE { added as f64 - file } else { added as f64 };
        let name = format!("{key}: memory beside the input / object file, {} functions", at.1);
        if key.starts_with("modlink") {
            report.judge(name, added / file, "x", Goal::AtMost(1.2));
        } else {
            report.tell(name, added / file, "x");
        }
    }
}
