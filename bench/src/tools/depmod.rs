//! `bench depmod`: the indexes of 4,023 modules, plain and packed, in full and after one new module.

use std::path::Path;

use super::programs::{self, Tools};
use super::race::{Racer, Times, race};
use super::trees::{self, GZ, Package, Packer, XZ, ZST};
use super::{Options, note_circumstances};
use crate::error::{Error, Result};
use crate::report::{Goal, Plot, Report, Series};

/// kmod's processor time on the plain tree, as a multiple of ours.
const PLAIN_CPU: f64 = 6.0;
/// A rival's wall time on a packed tree, as a multiple of ours.
const ZST_WALL: f64 = 3.0;
const XZ_WALL: f64 = 2.0;
const GZ_WALL: f64 = 5.0;
/// After one new module, in milliseconds.
const INCREMENTAL_MS: f64 = 50.0;

/// Measures and reports.
///
/// # Errors
/// A tree that cannot be made, a program that fails.
pub fn run(options: &Options) -> Result<Report> {
    let mut bench =
        Bench { package: Package::fetched()?, tools: Tools::built(), options, report: Report::new("depmod"), series: Vec::new() };
    bench.plain()?;
    bench.incremental()?;
    bench.packed(ZST, 1, ZST_WALL)?;
    bench.packed(XZ, options.xz_step, XZ_WALL)?;
    bench.gzip()?;
    let Bench { mut report, series, tools, .. } = bench;
    note_circumstances(&mut report, &tools.kmod);
    report.note("no index files are there when a turn begins, except for the incremental runs");
    report.note("ours flushes each file to the disk before the first is replaced; kmod and busybox do not");
    let (across, up) = ("round".to_owned(), "milliseconds, wall".to_owned());
    Plot { title: "depmod on Debian's kernel".to_owned(), across, up, series }.write("depmod")?;
    Ok(report)
}

struct Bench<'a> {
    package: Package,
    tools: Tools,
    options: &'a Options,
    report: Report,
    series: Vec<Series>,
}

impl Bench<'_> {
    fn plain(&mut self) -> Result<()> {
        let [theirs, ours, shared] = [self.package.root("kmod")?, self.package.root("ours")?, self.package.root("shared")?];
        let all = self.package.modules.len();
        let [kmod, release, libraries] = race(
            self.options.rounds.unwrap_or(9),
            [
                self.racer("kmod", &self.tools.kmod, &theirs),
                self.racer("ours", &self.tools.ours, &ours),
                self.racer("ours, shared libraries", &self.tools.shared, &shared),
            ],
        )?;
        [&theirs, &ours, &shared].into_iter().try_for_each(|root| self.package.check(root, all))?;
        let work = format!("plain, {all} modules");
        self.tell(&work, &kmod, &release);
        self.report.tell(format!("{work}: ours, shared libraries, user+sys"), libraries.cpu(), "ms");
        self.report.judge(format!("{work}: kmod / ours, user+sys"), kmod.cpu() / release.cpu(), "x", Goal::AtLeast(PLAIN_CPU));
        self.report.tell(format!("{work}: kmod / ours, wall"), kmod.wall() / release.wall(), "x");
        self.report.tell(format!("{work}: processors that ours keeps busy"), release.cpu() / release.wall(), "cpus");
        self.report.tell(format!("{work}: peak memory, kmod"), kmod.peak(), "MB");
        self.report.tell(format!("{work}: peak memory, ours"), release.peak(), "MB");
        self.report.judge(format!("{work}: peak memory, ours / kmod"), release.peak() / kmod.peak(), "x", Goal::AtMost(1.0));
        self.series.push(libraries.series("plain"));
        Ok(())
    }

    fn incremental(&mut self) -> Result<()> {
        let root = self.package.root("incremental")?;
        let new = self.package.below(&root).join("updates/new.ko");
        let known = self.package.modules.first().map(|module| self.package.path(module)).unwrap_or_default();
        let folder = new.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })?;
        let arguments = ["--incremental", "-b", trees::text(&root), &self.package.release];
        let add = || trees::copy(&known, &new).map(|()| programs::applet(&self.tools.ours, "depmod", &arguments));
        let remove = || {
            std::fs::remove_file(&new).map_err(|source| Error::File { path: new.clone(), source })?;
            Ok(programs::applet(&self.tools.ours, "depmod", &arguments))
        };
        let racers = [Racer::prepared("ours, one module more", add), Racer::prepared("ours, one module less", remove)];
        let [more, less] = race(self.options.rounds.unwrap_or(15), racers)?;
        self.report.judge("incremental, after one new module: wall", more.wall(), "ms", Goal::AtMost(INCREMENTAL_MS));
        self.report.tell("incremental, after one new module: user+sys", more.cpu(), "ms");
        self.report.tell("incremental, after one module less: wall", less.wall(), "ms");
        self.series.push(more.series("incremental"));
        Ok(())
    }

    fn packed(&mut self, packer: Packer, step: usize, goal: f64) -> Result<()> {
        let theirs = self.package.packed_root(packer, step, "kmod")?;
        let ours = self.package.packed_root(packer, step, "ours")?;
        let racers = [self.racer("kmod", &self.tools.kmod, &theirs), self.racer("ours", &self.tools.ours, &ours)];
        let [kmod, release] = race(self.options.rounds.unwrap_or(3), racers)?;
        let count = self.package.modules.iter().step_by(step.max(1)).count();
        [&theirs, &ours].into_iter().try_for_each(|root| self.package.check(root, count))?;
        let work = self.named(packer, step);
        self.tell(&work, &kmod, &release);
        self.report.judge(format!("{work}: kmod / ours, wall"), kmod.wall() / release.wall(), "x", Goal::AtLeast(goal));
        self.report.tell(format!("{work}: kmod / ours, user+sys"), kmod.cpu() / release.cpu(), "x");
        self.report.judge(format!("{work}: peak memory, ours / kmod"), release.peak() / kmod.peak(), "x", Goal::AtMost(1.0));
        Ok(())
    }

    /// Debian's kmod is built without gzip, so busybox is the rival.
    fn gzip(&mut self) -> Result<()> {
        let program = programs::busybox()?;
        let theirs = self.package.packed_root(GZ, 1, "busybox")?;
        let ours = self.package.packed_root(GZ, 1, "ours")?;
        let racers = [self.racer("busybox", &program, &theirs), self.racer("ours", &self.tools.ours, &ours)];
        let [busybox, release] = race(self.options.rounds.unwrap_or(3), racers)?;
        [&theirs, &ours].into_iter().try_for_each(|root| self.package.check(root, self.package.modules.len()))?;
        let work = self.named(GZ, 1);
        self.tell(&work, &busybox, &release);
        let ratio = busybox.wall() / release.wall();
        self.report.judge(format!("{work}: busybox / ours, wall"), ratio, "x", Goal::AtLeast(GZ_WALL));
        self.report.tell(format!("{work}: busybox / ours, user+sys"), busybox.cpu() / release.cpu(), "x");
        Ok(())
    }

    /// One that finds no index files, so that each of its turns has all of them to write.
    fn racer<'a>(&'a self, name: &'static str, program: &'a Path, root: &'a Path) -> Racer<'a> {
        Racer::prepared(name, move || {
            self.package.remove_indexes(root)?;
            Ok(programs::applet(program, "depmod", &["-b", trees::text(root), &self.package.release]))
        })
    }

    fn named(&self, packer: Packer, step: usize) -> String {
        let count = self.package.modules.iter().step_by(step.max(1)).count();
        let all = self.package.modules.len();
        if step > 1 { format!("{}, {count} of {all} modules", packer.ending) } else { format!("{}, {all} modules", packer.ending) }
    }

    fn tell(&mut self, work: &str, theirs: &Times, ours: &Times) {
        for times in [theirs, ours] {
            self.report.tell(format!("{work}: {}, wall", times.name), times.wall(), "ms");
            self.report.tell(format!("{work}: {}, user+sys", times.name), times.cpu(), "ms");
            self.series.push(times.series(work));
        }
    }
}
