//! `cargo xtask demo`: the whole classic system at work, by its real programs, each a process of its own.

use std::time::{Duration, Instant};

use testkit::{Outcome, World};

use crate::step::Error;
use crate::{image, packages};

/// Seconds of kerneld's idle timer in the demo.
const DELAY: u64 = 2;

/// Longest that the idle ticks may take, until both modules are gone.
const PATIENCE: Duration = Duration::from_secs(5 * DELAY + 5);

/// Runs the demo; an outcome that differs from what it promises is an error.
pub(crate) fn run() -> Result<(), Error> {
    packages::ensure(packages::DEMO)?;
    say("Building khost, kerneld, the tools, and the modules fat and vfat (from C, by the system's compiler)");
    let mut world = World::new();
    testkit::modules::install(&world);
    let content: Vec<u8> = (0..50_000_u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let maker = image::make(&world.path("disk.img"), &content)?;
    say(&format!("A FAT16 image of 16 MiB, made by {maker}"));
    let root = world.path("").to_string_lossy().into_owned();
    show(&world, "depmod", &["-b", &root, testkit::RELEASE])?;

    say(&format!("Booting a hosted kernel, and kerneld with an idle timer of {DELAY} seconds"));
    world.boot(&[]);
    let delay = format!("delay={DELAY}");
    world.kerneld(&["debug", &delay]);
    println!("$ khost run --socket khost.sock --release {} &\n$ kerneld {delay} &", testkit::RELEASE);
    let empty = show(&world, "lsmod", &[])?;
    expect(empty.stdout.lines().count() == 1, "no module is loaded yet", &empty)?;

    say("Mounting the image: the kernel has no vfat, asks kerneld over its channel, and kerneld runs modprobe");
    show(&world, "khost", &["mount", "-t", "vfat", "disk.img", "/mnt"])?;
    let log: String =
        world.kerneld_log(0).lines().filter(|line| line.contains("vfat")).map(|line| format!("  kerneld: {line}\n")).collect();
    print!("{log}");
    if log.is_empty() {
        return Err(Error::Surprise { what: "kerneld's log does not show the request".into() });
    }
    let loaded = show(&world, "lsmod", &[])?;
    let fat = loaded.stdout.lines().find(|line| line.starts_with("fat ")).unwrap_or_default();
    expect(fat.ends_with(" vfat"), "fat is used by vfat", &loaded)?;
    show(&world, "lsmod", &["--classic"])?;
    let symbols = show(&world, "ksyms", &[])?;
    expect(symbols.stdout.contains("[fat]"), "ksyms shows what fat exports", &symbols)?;

    say("Reading a file with a long name back, byte for byte");
    show(&world, "khost", &["ls", "-l", "/mnt"])?;
    let name = format!("/mnt/{}", image::LONG_NAME);
    let read = world.run("khost", &["cat", &name]);
    println!("$ khost cat '{name}' | cmp - original && echo same");
    if read.code != Some(0) || read.stdout.as_bytes() != content {
        return Err(Error::Surprise {
            what: format!("the file reads back differently: {} bytes, {} expected; {}", read.stdout.len(), content.len(), read.stderr),
        });
    }
    println!("same ({} bytes)", content.len());
    refused(&world, "rmmod", &["vfat"])?;
    refused(&world, "rmmod", &["fat"])?;

    say("Unmounting: nobody uses the modules now, and the idle ticks take them out, vfat first");
    show(&world, "khost", &["umount", "/mnt"])?;
    watch(&world)?;
    show(&world, "lsmod", &[])?;
    show(&world, "khost", &["dmesg"])?;
    say("Done: requested, loaded, used, protected, released, removed.");
    Ok(())
}

fn say(what: &str) {
    println!("\n== {what}");
}

/// Runs a tool and shows it as a person at a terminal would see it.
fn show(world: &World, program: &str, arguments: &[&str]) -> Result<Outcome, Error> {
    let done = attempt(world, program, arguments);
    if done.code == Some(0) { Ok(done) } else { Err(Error::Surprise { what: done.to_string() }) }
}

/// Runs a tool that has to fail.
fn refused(world: &World, program: &str, arguments: &[&str]) -> Result<(), Error> {
    let done = attempt(world, program, arguments);
    expect(done.code == Some(1), "the kernel refuses", &done)
}

fn attempt(world: &World, program: &str, arguments: &[&str]) -> Outcome {
    let root = world.path("").to_string_lossy().into_owned();
    let words: Vec<String> =
        arguments.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { word.replace(&root, "./") }).collect();
    println!("$ {program} {}", words.join(" "));
    let done = world.run(program, arguments);
    print!("{}{}", done.stdout, done.stderr);
    done
}

fn expect(holds: bool, what: &str, seen: &Outcome) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Surprise { what: format!("{what}, but: {seen}") }) }
}

/// Watches the module list until it is empty.
fn watch(world: &World) -> Result<(), Error> {
    let start = Instant::now();
    let mut before = world.loaded();
    while !before.is_empty() {
        if start.elapsed() > PATIENCE {
            return Err(Error::Surprise { what: format!("{before:?} are still loaded after {PATIENCE:?}") });
        }
        std::thread::sleep(Duration::from_millis(50));
        let now = world.loaded();
        for gone in before.iter().filter(|name| !now.contains(name)) {
            println!("  {:4.1} s: {gone} is gone", start.elapsed().as_secs_f64());
        }
        before = now;
    }
    Ok(())
}
