//! LLVM's `llvm-jitlink`, the tool over JITLink: a process of its own, timed by its own `-show-times`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::error::{Error, Result};
use crate::measure::Samples;
use crate::work::{self, Flavour};

use super::native;

/// Seconds after which a run is given up; versions before 20 are quadratic in the symbols of an object.
const TIME_LIMIT: &str = "120";
/// Address space of a run, bytes; the same versions ask for more than 22 GB.
const MEMORY_LIMIT: &str = "--as=12884901888";
/// The version that the goal is about, beside the newest one.
pub(super) const REFERENCE: u32 = 22;
/// The suite of Debian with the newest versions.
const SUITE: &str = "sid";

/// An `llvm-jitlink` that is here.
#[derive(Debug, Clone)]
pub(super) struct Jitlink {
    pub(super) version: u32,
    program: Vec<String>,
}

/// Where fetched packages are unpacked.
fn root() -> PathBuf {
    crate::report::folder().join("llvm")
}

impl Jitlink {
    /// Those that are installed or were fetched, oldest first.
    pub(super) fn all() -> Vec<Self> {
        let fetched = root().join("root");
        let mut found: Vec<Self> = (REFERENCE..100)
            .filter_map(|version| {
                let inside = format!("usr/lib/llvm-{version}/bin/llvm-jitlink");
                let (installed, unpacked) = (Path::new("/").join(&inside), fetched.join(&inside));
                let program = if installed.exists() {
                    vec![installed.to_string_lossy().into_owned()]
                } else if unpacked.exists() {
                    // Packages of another suite bring their own C library, and its dynamic linker runs them.
                    let libraries = fetched.join("usr/lib/x86_64-linux-gnu");
                    vec![
                        libraries.join("ld-linux-x86-64.so.2").to_string_lossy().into_owned(),
                        "--library-path".to_owned(),
                        libraries.to_string_lossy().into_owned(),
                        unpacked.to_string_lossy().into_owned(),
                    ]
                } else {
                    return None;
                };
                Some(Self { version, program })
            })
            .collect();
        found.sort_by_key(|jitlink| jitlink.version);
        found
    }

    /// Runs once: load and link time of `-show-times`, in nanoseconds; and the code's checksum.
    fn once(&self, functions: u32) -> Result<(u64, u32)> {
        let mut run = Command::new("timeout");
        run.args([TIME_LIMIT, "prlimit", MEMORY_LIMIT]).args(&self.program).arg("-show-times");
        run.arg(work::object(Flavour::Pic, functions)?).arg(native::host_object()?);
        let output = command::run(&mut run)?;
        let times = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let checksum = native::printed(&String::from_utf8_lossy(&output.stdout))?;
        let phases = ["time to link object files", "time to load/add object files"];
        let seconds = phases.map(|phase| times.lines().find(|line| line.ends_with(phase)).and_then(seconds));
        match seconds {
            [Some(link), Some(load)] => Ok((((link + load) * 1e9) as u64, checksum)),
            _ => Err(Error::Format { what: times, reason: "no times of loading and linking".to_owned() }),
        }
    }

    /// Runs `times` times and holds the code to `checksum`.
    pub(super) fn measure(&self, functions: u32, times: usize, checksum: u32) -> Result<Samples> {
        let mut samples = Vec::new();
        for _ in 0..times {
            let (time, found) = self.once(functions)?;
            if found != checksum {
                let loader = format!("llvm-jitlink {}", self.version);
                return Err(Error::Checksum { loader, expected: checksum, found });
            }
            samples.push(time);
        }
        Ok(Samples::new(samples))
    }
}

/// The time of a phase in a line `USER (x%) SYSTEM (x%) SUM (x%) WALL (x%) NAME`, some of whose columns may be missing:
/// the smaller one of the processor's time and the wall clock, so that other work on the machine does not count.
fn seconds(line: &str) -> Option<f64> {
    let columns = line.split('(').filter_map(|part| part.rsplit(&[')', ' '][..]).find(|word| !word.is_empty())?.parse::<f64>().ok());
    let columns: Vec<f64> = columns.collect();
    match columns.as_slice() {
        [.., sum, wall] => Some(sum.min(*wall)),
        _ => None,
    }
}

/// Fetches the reference version and the newest one from Debian, without touching what is installed.
///
/// # Errors
/// No network, no apt, or packages that do not unpack.
pub fn fetch() -> Result<()> {
    let root = root();
    let folders = ["lists/partial", "cache/archives/partial", "debs", "root"];
    for folder in folders.map(|folder| root.join(folder)) {
        fs::create_dir_all(&folder).map_err(|source| Error::File { path: folder, source })?;
    }
    let sources = root.join("sources.list");
    let archive = archive()?;
    let line = format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} {SUITE} main\n");
    fs::write(&sources, line).map_err(|source| Error::File { path: sources.clone(), source })?;
    let apt = |program: &str| {
        let mut apt = Command::new(program);
        apt.arg("-oDir::Etc::sourceparts=/dev/null");
        let places = [("Etc::sourcelist", "sources.list"), ("State::Lists", "lists"), ("Cache", "cache")];
        apt.args(places.map(|(key, place)| format!("-oDir::{key}={}", root.join(place).display())));
        apt
    };
    command::run(apt("apt-get").arg("update"))?;
    let names = command::run(apt("apt-cache").args(["search", "--names-only", "^libllvm[0-9]+$"]))?;
    let newest = String::from_utf8_lossy(&names.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next()?.strip_prefix("libllvm")?.parse::<u32>().ok())
        .max()
        .unwrap_or(REFERENCE);
    let packages = [REFERENCE, newest].into_iter().flat_map(|v| [format!("llvm-{v}"), format!("libllvm{v}")]);
    let mut download = apt("apt-get");
    download.args(["-qq", "download"]).args(packages).args(LIBRARIES).current_dir(root.join("debs"));
    command::run(&mut download)?;
    unpack(&root)
}

/// The archive that this machine's own apt uses: the first one that is not that of security updates.
fn archive() -> Result<String> {
    let listed = command::run(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let found = text.lines().find(|uri| !uri.contains("security"));
    found
        .map(str::to_owned)
        .ok_or_else(|| Error::Format { what: "apt's sources".to_owned(), reason: format!("they name no archive: {text}") })
}

/// What the two programs need beside libLLVM, so that they run on the C library that they were built for.
const LIBRARIES: [&str; 15] = [
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "libz3-4",
    "libzstd1",
    "zlib1g",
    "libedit2",
    "libffi8",
    "libxml2-16",
    "libpfm4",
    "libbsd0",
    "libtinfo6",
    "libmd0",
    "liblzma5",
    "libcurl4t64",
];

fn unpack(root: &Path) -> Result<()> {
    let folder = root.join("debs");
    let file = |source| Error::File { path: folder.clone(), source };
    for package in fs::read_dir(&folder).map_err(file)? {
        let package = package.map_err(file)?.path();
        command::run(Command::new("dpkg").arg("-x").arg(&package).arg(root.join("root")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_the_two_last_columns_counts() {
        let four = "   0.0017 ( 89.3%)   0.0008 ( 89.3%)   0.0025 ( 89.3%)   0.0068 ( 95.8%)  time to link object files";
        assert_eq!(seconds(four), Some(0.0025));
        let three = "   0.0022 ( 87.2%)   0.0022 ( 87.2%)   0.0017 ( 83.9%)  time to link object files";
        assert_eq!(seconds(three), Some(0.0017));
        assert_eq!(seconds("time to link object files"), None);
    }
}
