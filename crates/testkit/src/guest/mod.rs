//! Guests: real kernels that boot an initramfs with the tools under test, run a script, and answer its status.
//!
//! No root, no hardware virtualization, no network and no disk is needed while a guest runs.

mod cpio;
mod devices;
mod disk;
mod host;
mod installed;
mod machine;
mod oracle;
mod outside;
mod programs;
mod session;
mod slots;
mod subset;
mod systemd;
mod trigger;
mod vmlinux;
mod whole;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use installed::Installed;

pub use cpio::Archive;
pub use devices::{WHOLE_TREE, many_devices};
pub use disk::fat_disk;
pub use machine::{Flavour, Machine};
pub use outside::Headers;
pub use programs::program;
pub use session::Session;
pub use subset::subset;
pub use trigger::{ONLY_DUMMY, START_KERNELD, TRIGGER, Triggered};
pub use whole::WholeTree;

use crate::debian::{self, FetchError};

/// How long a guest may run, unless it is allowed more.
const LIMIT: Duration = Duration::from_secs(600);

/// The guest's `/init`: mounts, runs the script, says its status, ends the machine.
const INIT: &str = "#!/bin/busybox sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root
/bin/busybox mount -t proc proc /proc; /bin/busybox mount -t sysfs sysfs /sys; /bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir -p /dev/shm; /bin/busybox mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
rc=0; /bin/busybox sh /test.sh </dev/null; rc=$?
echo; echo \"GUEST-EXIT: $rc\"
/bin/busybox reboot -n -f
";

/// What a guest did.
#[derive(Clone, Debug)]
pub struct Run {
    /// The script's exit status; `None` where the guest ended without one (a panic) or took too long.
    pub status: Option<i32>,
    /// All that the console showed.
    pub console: String,
    /// How much processor time of this machine the guest had taken when its console showed a line `@@MARK WORD`: what it did up to
    /// there, however busy this machine was. Looked at every 20 ms.
    pub marks: Vec<(String, Duration)>,
}

impl Run {
    /// The console, where the script ended with 0.
    ///
    /// # Panics
    /// Where it did not.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "the guest's script failed; its console:\n{}", self.console);
        self.console
    }
}

/// A guest that is being prepared.
#[derive(Debug)]
pub struct Guest {
    machine: Machine,
    archive: Archive,
    memory: u32,
    processors: u32,
    append: String,
    devices: Vec<String>,
    limit: Duration,
    monitored: bool,
    place: Place,
}

/// Where a guest's root lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Memory,
    Disk,
}

impl Guest {
    /// A guest with busybox in `/bin` (its applets too, but for the module tools, which are what is tested), and nothing in `/lib/modules`.
    ///
    /// # Errors
    /// [`FetchError`] where a package cannot be had.
    pub fn new(flavour: Flavour) -> Result<Self, FetchError> {
        let machine = Machine::new(flavour)?;
        let busybox = debian::package("busybox-static")?.join("bin/busybox");
        let mut archive = Archive::default();
        for folder in
            ["bin", "sbin", "usr/bin", "usr/sbin", "etc/modprobe.d", "proc", "sys", "dev", "tmp", "mnt", "run", "root", "lib/modules"]
        {
            archive.folder(folder);
        }
        let failed = |error: std::io::Error| FetchError { package: "busybox-static".to_owned(), reason: error.to_string() };
        archive.copy(&busybox, "bin/busybox").map_err(failed)?;
        let listed = std::process::Command::new(&busybox).arg("--list").output().map_err(failed)?;
        let ours = ["busybox", "insmod", "rmmod", "lsmod", "modprobe", "depmod", "modinfo"];
        for applet in String::from_utf8_lossy(&listed.stdout).lines().filter(|applet| !ours.contains(applet)) {
            archive.link(&format!("bin/{applet}"), "busybox");
        }
        archive.file("init", 0o755, INIT.as_bytes());
        let memory = if flavour == Flavour::Uml { 256 } else { 512 };
        Ok(Self::with(machine, archive, memory))
    }

    /// A guest with nothing but this in its root.
    fn with(machine: Machine, archive: Archive, memory: u32) -> Self {
        Self {
            machine,
            archive,
            memory,
            processors: 1,
            append: String::new(),
            devices: Vec::new(),
            limit: LIMIT,
            monitored: false,
            place: Place::Memory,
        }
    }

    /// The kernel that it boots.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The archive, to add files to.
    pub fn archive(&mut self) -> &mut Archive {
        &mut self.archive
    }

    /// More memory, in MiB.
    pub fn memory(&mut self, mib: u32) -> &mut Self {
        self.memory = mib;
        self
    }

    /// More processors than one.
    pub fn processors(&mut self, number: u32) -> &mut Self {
        self.processors = number;
        self
    }

    /// More time than ten minutes.
    pub fn patience(&mut self, limit: Duration) -> &mut Self {
        self.limit = limit;
        self
    }

    /// Further words of the kernel's command line.
    pub fn append(&mut self, words: &str) -> &mut Self {
        self.append = words.to_owned();
        self
    }

    /// Further devices, as arguments of qemu; user-mode Linux has none.
    pub fn devices(&mut self, arguments: &[&str]) -> &mut Self {
        self.devices.extend(arguments.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Puts a program `host` into the guest, which gives its words to qemu's monitor: `host device_add usb-tablet`.
    pub fn monitored(&mut self) -> &mut Self {
        self.archive.file("bin/host", 0o755, host::PROGRAM.as_bytes());
        self.monitored = true;
        self
    }

    /// Puts the static multi-call program into `/sbin` under all its names.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn tools(&mut self, program: &Path) -> std::io::Result<&mut Self> {
        self.archive.copy(program, "sbin/modutils")?;
        for name in crate::programs::TOOLS.iter().filter(|name| **name != "modutils") {
            self.archive.link(&format!("sbin/{name}"), "modutils");
        }
        Ok(self)
    }

    /// Puts the static daemon into `/usr/sbin`, and beside it the helper that the kernel is to call: the multi-call program of
    /// [`tools`](Self::tools), which has to be there too, under the name `kerneld-request`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn daemon(&mut self, program: &Path) -> std::io::Result<&mut Self> {
        self.archive.copy(program, "usr/sbin/kerneld")?;
        self.archive.link("usr/sbin/kerneld-request", "/sbin/modutils");
        Ok(self)
    }

    /// Puts a folder of modules with its indexes into `/lib/modules/RELEASE`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn tree(&mut self, folder: &Path) -> std::io::Result<&mut Self> {
        let path = format!("lib/modules/{}", self.machine.release());
        self.archive.copy(folder, &path)?;
        Ok(self)
    }

    /// Boots, runs the commands of a session, and checks what comes of each.
    ///
    /// # Errors
    /// As [`boot`](Self::boot).
    ///
    /// # Panics
    /// Where something else comes of a command than the session promises.
    #[track_caller]
    pub fn play(mut self, session: &Session) -> Result<Run, FetchError> {
        let script = session.script(&mut self.archive);
        let run = self.boot(&script)?;
        session.check(&run);
        Ok(run)
    }

    /// Boots, runs the script with busybox's shell, and waits for the end.
    ///
    /// # Errors
    /// [`FetchError`] where the machine cannot be had or started.
    pub fn boot(mut self, script: &str) -> Result<Run, FetchError> {
        let failed = |error: std::io::Error| FetchError { package: "guest".to_owned(), reason: error.to_string() };
        self.archive.file("test.sh", 0o755, script.as_bytes());
        let scratch = tempfile::tempdir().map_err(failed)?;
        let mut initramfs = scratch.path().join("initramfs");
        let archive = self.archive.finish();
        match self.place {
            Place::Memory => std::fs::write(&initramfs, archive).map_err(failed)?,
            Place::Disk => {
                let installed =
                    Installed::make(&archive, &self.machine.release(), &systemd::program("bin/cpio")?, scratch.path()).map_err(failed)?;
                self.devices.extend(installed.device());
                self.append = format!("{} {}", installed::APPEND, self.append);
                initramfs = installed.initramfs;
            }
        }
        let mut command = self.machine.command(&initramfs, scratch.path(), self.memory, self.processors, &self.append)?;
        let mut monitor = None;
        if self.machine.flavour() != Flavour::Uml {
            command.args(&self.devices);
            let socket = scratch.path().join("monitor");
            let place = if self.monitored { format!("unix:{},server=on,wait=off", socket.display()) } else { "none".to_owned() };
            command.args(["-monitor", &place]);
            monitor = self.monitored.then_some(socket);
        }
        let _slot = slots::Slot::take().map_err(failed)?;
        let complaints = std::fs::File::create(scratch.path().join("stderr")).map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints).spawn().map_err(failed)?;
        let mut run = watch(child, host::Host::new(monitor), self.limit);
        run.console.push_str(&std::fs::read_to_string(scratch.path().join("stderr")).unwrap_or_default());
        Ok(run)
    }
}

/// Reads the console to its end, and ends a guest that takes too long.
fn watch(mut child: Child, mut host: host::Host, limit: Duration) -> Run {
    let mut output = child.stdout.take().expect("the console is piped");
    let console = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&console);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut bytes) {
            shown.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..length]);
        }
    });
    let start = Instant::now();
    let (mut seen, mut marks) = (0, Vec::new());
    while matches!(child.try_wait(), Ok(None)) {
        if start.elapsed() > limit && child.kill().is_ok() {
            let _status = child.wait();
            break;
        }
        host.serve(&console);
        mark(&console, child.id(), &mut seen, &mut marks);
        std::thread::sleep(Duration::from_millis(20));
    }
    let _joined = reader.join();
    let console = String::from_utf8_lossy(&console.lock().unwrap_or_else(PoisonError::into_inner)).replace('\r', "");
    let status = console.lines().rev().find_map(|line| line.split_once("GUEST-EXIT: ")?.1.trim().parse().ok());
    Run { status, console, marks }
}

/// What begins a line at which processor time is looked at.
const MARK: &str = "@@MARK ";

/// Notes the processor time for new lines with a mark.
fn mark(console: &Mutex<Vec<u8>>, process: u32, seen: &mut usize, marks: &mut Vec<(String, Duration)>) {
    let console = console.lock().unwrap_or_else(PoisonError::into_inner);
    let new = console.get(*seen..).unwrap_or_default();
    let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else { return };
    let lines = String::from_utf8_lossy(new.get(..end).unwrap_or_default()).into_owned();
    *seen += end + 1;
    let words = lines.lines().filter_map(|line| line.trim_end().strip_prefix(MARK)).map(str::to_owned);
    let now = processor_time(process);
    marks.extend(words.map(|word| (word, now)));
}

/// What a process has taken (`/proc/PID/stat`, fields 14 and 15, in hundredths of a second).
fn processor_time(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
