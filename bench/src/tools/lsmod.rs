//! `bench lsmod`: the list of a hosted kernel, Linux's own list where there is one, and what it costs to start at all.

use std::path::Path;
use std::process::Command;

use testkit::World;

use super::programs::{self, Tools};
use super::race::{Racer, race};
use super::{Options, note_circumstances};
use crate::error::Result;
use crate::report::{Goal, Plot, Report};

/// The static program may take this many milliseconds longer to start and end than an empty static C program.
const START_MS: f64 = 0.2;
/// Linux's list of modules; a kernel without loadable modules has none.
const LINUX_LIST: &str = "/proc/modules";

/// Measures and reports.
///
/// # Errors
/// A program that does not build, a program that fails.
pub fn run(options: &Options) -> Result<Report> {
    let tools = Tools::built();
    let rounds = options.rounds.unwrap_or(301);
    let mut report = Report::new("lsmod");
    let empty = programs::empty()?;
    let racers = [
        Racer::new("empty static C program", || Command::new(&empty)),
        Racer::applet("ours", &tools.ours, "lsmod", &["--version"]),
        Racer::applet("ours, shared libraries", &tools.shared, "lsmod", &["--version"]),
        Racer::applet("kmod", &tools.kmod, "kmod", &["--version"]),
    ];
    let starts = race(rounds, racers)?;
    for subject in &starts {
        report.tell(format!("start-up: {}, wall", subject.name), subject.wall(), "ms");
        report.tell(format!("start-up: {}, user+sys", subject.name), subject.cpu(), "ms");
    }
    let [floor, ours, ..] = &starts;
    report.judge("start-up: ours - empty static C program, wall", ours.wall() - floor.wall(), "ms", Goal::AtMost(START_MS));
    let mut series: Vec<_> = starts.iter().map(|times| times.series("start-up")).collect();

    let world = hosted()?;
    let socket = world.socket();
    let arguments = ["--kernel", super::trees::text(&socket)];
    let hosted = |name, program| Racer::applet(name, program, "lsmod", &arguments);
    let lists = race(rounds, [hosted("ours", &tools.ours), hosted("ours, shared libraries", &tools.shared)])?;
    for subject in &lists {
        report.tell(format!("lsmod of a hosted kernel: {}, wall", subject.name), subject.wall(), "ms");
        series.push(subject.series("hosted"));
    }
    linux(&tools, rounds, &mut report)?;
    note_circumstances(&mut report, &tools.kmod);
    report.note("start-up is `lsmod --version` (ours) and `kmod --version`: start, parse the arguments, print, end");
    let (across, up) = ("round".to_owned(), "milliseconds, wall".to_owned());
    Plot { title: "Start-up and lsmod".to_owned(), across, up, series }.write("lsmod")?;
    Ok(report)
}

/// A kernel with the file systems loaded.
fn hosted() -> Result<World> {
    let mut world = World::new();
    testkit::modules::install(&world);
    world.boot(&[]);
    let root = world.path("").to_string_lossy().into_owned();
    crate::command::run(world.command("depmod").args(["-b", &root, testkit::RELEASE]))?;
    crate::command::run(world.command("modprobe").arg("vfat"))?;
    Ok(world)
}

/// Beside kmod, where this machine's kernel has a list.
fn linux(tools: &Tools, rounds: usize, report: &mut Report) -> Result<()> {
    if !Path::new(LINUX_LIST).exists() {
        report
            .note(format!("no `{LINUX_LIST}` on this machine, so no lsmod of Linux beside kmod's: neither program can read another file"));
        return Ok(());
    }
    let racers = [Racer::applet("kmod", &tools.kmod, "lsmod", &[]), Racer::applet("ours", &tools.ours, "lsmod", &[])];
    let [kmod, ours] = race(rounds, racers)?;
    report.tell("lsmod of Linux: kmod, wall", kmod.wall(), "ms");
    report.tell("lsmod of Linux: ours, wall", ours.wall(), "ms");
    report.tell("lsmod of Linux: ours / kmod, wall", ours.wall() / kmod.wall(), "x");
    Ok(())
}
