//! `bench demand`: a mount whose file system is not there yet, beside the same mount with its modules loaded.

mod trace;

use std::time::{Duration, Instant};

use testkit::World;

use crate::error::{Error, Result};
use crate::measure::Samples;
use crate::report::{Goal, Plot, Report, Series};

use trace::Trace;

/// The whole cycle, mount with two modules absent, may take this many milliseconds on an idle machine.
const GOAL_MS: f64 = 10.0;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How often the file system is mounted, with and without its modules.
    #[arg(long, default_value_t = 100)]
    pub rounds: usize,
}

/// Measures and reports.
///
/// # Errors
/// A program that fails.
pub fn run(options: &Options) -> Result<Report> {
    let world = prepare()?;
    let mut whole = Vec::new();
    let mut loaded = Vec::new();
    let mut phases: Vec<Vec<u64>> = vec![Vec::new(); Trace::PHASES.len()];
    for _ in 0..options.rounds {
        whole.push(mount(&world)?);
        let log = call(&world, "khost", &["dmesg"])?;
        for (times, time) in phases.iter_mut().zip(Trace::of(&log)?.phases()) {
            times.push(nanoseconds(time));
        }
        call(&world, "khost", &["umount", "/mnt"])?;
        loaded.push(mount(&world)?);
        call(&world, "khost", &["umount", "/mnt"])?;
        call(&world, "rmmod", &["vfat", "fat"])?;
    }
    let mut alone = Vec::new();
    for _ in 0..options.rounds {
        let start = Instant::now();
        call(&world, "modprobe", &["-n", "vfat"])?;
        alone.push(nanoseconds(start.elapsed()));
    }
    report(Samples::new(whole), Samples::new(loaded), phases.into_iter().map(Samples::new).collect(), &Samples::new(alone))
}

fn report(whole: Samples, loaded: Samples, phases: Vec<Samples>, alone: &Samples) -> Result<Report> {
    let mut report = Report::new("demand");
    let ms = |samples: &Samples| samples.median().map_or(f64::NAN, |time| time / 1e6);
    let least = |samples: &Samples| samples.minimum().map_or(f64::NAN, |time| time / 1e6);
    report.judge("mount, modules absent: whole cycle, median", ms(&whole), "ms", Goal::AtMost(GOAL_MS));
    report.tell("mount, modules absent: whole cycle, minimum", least(&whole), "ms");
    report.tell("mount, modules loaded, median", ms(&loaded), "ms");
    report.tell("absent / loaded", ms(&whole) / ms(&loaded), "x");
    for (name, samples) in Trace::PHASES.iter().zip(&phases) {
        report.tell(format!("of the cycle: {name}, median"), ms(samples), "ms");
    }
    report.tell("modprobe -n vfat as a process, alone, median", ms(alone), "ms");
    report.note("the mount is a process (khost mount); request, link and init are read from the kernel's log");
    let points = |samples: &Samples| vec![(1.0, ms(samples)), (10.0, ms(samples))];
    let mut series = vec![Series { name: "modules absent".to_owned(), points: points(&whole) }];
    series.push(Series { name: "modules loaded".to_owned(), points: points(&loaded) });
    series.extend(Trace::PHASES.iter().zip(&phases).map(|(name, samples)| Series { name: (*name).to_owned(), points: points(samples) }));
    Plot { title: "Mount on demand".to_owned(), across: "median of all rounds, a line for each phase".to_owned(), up: "milliseconds".to_owned(), series }.write("demand")?;
    Ok(report)
}

/// A world with the file systems in its tree, an image, a kernel and a daemon.
fn prepare() -> Result<World> {
    let mut world = World::new();
    testkit::modules::install(&world);
    world.boot(&[]);
    let root = world.path("").to_string_lossy().into_owned();
    call(&world, "depmod", &["-b", &root, testkit::RELEASE])?;
    let image = world.path("disk");
    std::fs::write(&image, vec![0; 1 << 20]).map_err(|source| Error::File { path: image.clone(), source })?;
    call(&world, "sh", &["-c", "PATH=$PATH:/usr/sbin:/sbin mkfs.vfat disk"])?;
    world.kerneld(&["keep"]);
    Ok(world)
}

/// The wall time of a mount.
fn mount(world: &World) -> Result<u64> {
    let start = Instant::now();
    call(world, "khost", &["mount", "-t", "vfat", "disk", "/mnt"])?;
    Ok(nanoseconds(start.elapsed()))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Runs a program of the world to its end; answers its output.
fn call(world: &World, program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = world.command(program);
    if program == "sh" {
        command = std::process::Command::new("sh");
        command.current_dir(world.path(""));
    }
    let done = crate::command::run(command.args(arguments))?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
