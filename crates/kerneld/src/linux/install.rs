//! `kerneld install`, `kerneld uninstall`: makes the kernel ask the helper, and undoes it.

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use demand::{Paths, file};

use super::cli::Failure;
use super::root::Root;

/// What the kernel runs where nobody said anything else.
const MODPROBE: &str = "/sbin/modprobe";

/// The helper and the daemon, as packages have them and the shipped files name them.
const HELPER: &str = "/usr/sbin/kerneld-request";
const DAEMON: &str = "/usr/sbin/kerneld";

/// The sysctl that names the helper.
const SYSCTL: &str = "/proc/sys/kernel/modprobe";

/// Longest path that the sysctl takes (`KMOD_PATH_LEN`, include/linux/kmod.h), with its end.
const LONGEST: usize = 256;

/// The first lines of an ELF program whose loader is another file: then it is not static.
const LOADER: &[u8] = b"/lib64/ld-linux";

/// A file that is installed.
struct File {
    path: &'static str,
    mode: u32,
    text: &'static str,
}

impl File {
    /// Whether initramfs images are made with it.
    fn is_of_image(&self) -> bool {
        INITRAMFS.iter().any(|of_image| of_image.path == self.path)
    }

    /// What it says where the programs are elsewhere than packages have them.
    fn text(&self, programs: &Programs) -> String {
        // The name of the one begins with that of the other.
        self.text.replace(HELPER, "\0").replace(DAEMON, &programs.daemon).replace('\0', &programs.helper)
    }
}

/// Where the programs are.
#[derive(Debug)]
struct Programs {
    daemon: String,
    helper: String,
}

impl Programs {
    /// Those that were installed here, as the installed files name them.
    fn installed(paths: &Paths) -> Self {
        let named = |file: &File, before: &str, behind: &str| {
            let text = std::fs::read_to_string(paths.file(file.path)).ok()?;
            text.lines().find_map(|line| line.strip_prefix(before)?.strip_suffix(behind).map(str::to_owned))
        };
        Self {
            daemon: named(&UNIT, "ExecStart=", " run").unwrap_or_else(|| DAEMON.to_owned()),
            helper: named(&AT_BOOT, "kernel.modprobe = ", "").unwrap_or_else(|| HELPER.to_owned()),
        }
    }
}

const AT_BOOT: File = File { path: "/etc/sysctl.d/60-kerneld.conf", mode: 0o644, text: include_str!("../../dist/sysctl.conf") };
const UNIT: File = File { path: "/etc/systemd/system/kerneld.service", mode: 0o644, text: include_str!("../../dist/kerneld.service") };

/// The files that belong to the system and not to its administrator.
const FILES: &[File] = &[
    AT_BOOT,
    UNIT,
    File { path: "/etc/sysusers.d/kerneld.conf", mode: 0o644, text: include_str!("../../dist/sysusers.conf") },
    File { path: "/etc/tmpfiles.d/kerneld.conf", mode: 0o644, text: include_str!("../../dist/tmpfiles.conf") },
    // Without effect while the daemon does not follow devices.
    File { path: "/etc/udev/rules.d/79-kerneld.rules", mode: 0o644, text: include_str!("../../dist/udev/79-kerneld.rules") },
    File { path: "/etc/udev/rules.d/81-kerneld.rules", mode: 0o644, text: include_str!("../../dist/udev/81-kerneld.rules") },
];

/// Only with `--initramfs`.
const INITRAMFS: &[File] = &[
    File { path: "/etc/initramfs-tools/hooks/kerneld", mode: 0o755, text: include_str!("../../dist/initramfs/hook") },
    File { path: "/etc/initramfs-tools/scripts/init-top/kerneld", mode: 0o755, text: include_str!("../../dist/initramfs/script") },
    File { path: "/etc/initramfs-tools/scripts/init-bottom/kerneld", mode: 0o755, text: include_str!("../../dist/initramfs/last") },
];

/// Said when these are written, and when they are removed: an image is made from them, and stays what it is until it is made again.
const IMAGE_LACKS: &str =
    "the initramfs has it after `update-initramfs -u`, once the daemon was started or `kerneld policy compile` was run";
const IMAGE_HAS: &str = "the initramfs has it still: `update-initramfs -u -k all` takes it out";

/// The folder of what changes the unit.
const DROP_INS: &str = "/etc/systemd/system/kerneld.service.d";

/// Only with `--leases`.
const LEASES: &[File] = &[File {
    path: "/etc/systemd/system/kerneld.service.d/leases.conf",
    mode: 0o644,
    text: include_str!("../../dist/kerneld-leases.conf"),
}];

/// What the administrator goes on with: never overwritten, never removed.
const POLICY: File = File { path: "/etc/kerneld/policy.toml", mode: 0o644, text: include_str!("../../dist/policy.toml") };

/// Make the running kernel, and those of later boots, ask kerneld for modules
#[derive(Debug, Args)]
#[command(
    after_help = "Writes kernel.modprobe now and for later boots (/etc/sysctl.d), the service, and a policy in mode audit if there is none.
What kernel.modprobe was is remembered for `kerneld uninstall`. The service is not started:

  kerneld install && systemd-sysusers && systemctl daemon-reload && systemctl enable --now kerneld

Packages ship the same files in their own places and run `kerneld install --sysctl-only`."
)]
pub(super) struct Install {
    #[command(flatten)]
    root: Root,
    /// The helper: a static program, see kerneld-request(8); by default the one beside this program, or else
    /// /usr/sbin/kerneld-request
    #[arg(long, value_name = "PROGRAM")]
    helper: Option<String>,
    /// What the service runs; by default this program, and for another root /usr/sbin/kerneld
    #[arg(long, value_name = "PROGRAM")]
    daemon: Option<String>,
    /// Write kernel.modprobe and remember what it was, but no files
    #[arg(long)]
    sysctl_only: bool,
    /// Also write the hook and the script for initramfs-tools
    #[arg(long)]
    initramfs: bool,
    /// Also give the service the rights that leases take
    #[arg(long)]
    leases: bool,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Make the kernel ask again what it asked before
#[derive(Debug, Args)]
#[command(after_help = "Policy, grants and journal stay. Files that were changed since they were installed stay, too, and are named.
The service is not stopped:

  systemctl disable --now kerneld && kerneld uninstall && systemctl daemon-reload")]
pub(super) struct Uninstall {
    #[command(flatten)]
    root: Root,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Whether something is done, or only told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Really,
    Pretending,
}

impl Doing {
    fn from(dry_run: bool) -> Self {
        if dry_run { Self::Pretending } else { Self::Really }
    }

    /// Tells, and does.
    fn step(self, text: &str, action: impl FnOnce() -> io::Result<()>) -> Result<(), Failure> {
        writeln!(io::stdout().lock(), "{text}")?;
        match self {
            Self::Pretending => Ok(()),
            Self::Really => action().map_err(|error| format!("{text}: {error}").into()),
        }
    }
}

impl Install {
    /// Installs.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (paths, doing) = (self.root.paths(), Doing::from(self.dry_run));
        let programs = self.programs(&paths);
        check_helper(&paths, &programs.helper)?;
        check_place(&paths, &programs.daemon)?;
        if !self.sysctl_only {
            let mut image = false;
            let wanted = [(true, FILES), (self.initramfs, INITRAMFS), (self.leases, LEASES)];
            for file in wanted.into_iter().filter(|(wanted, _)| *wanted).flat_map(|(_, files)| files) {
                let text = file.text(&programs);
                let path = paths.file(file.path);
                if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
                    continue;
                }
                image |= file.is_of_image();
                doing.step(&format!("write {}", path.display()), || file::replace(&path, file.mode, text.as_bytes()))?;
            }
            if image {
                writeln!(io::stdout().lock(), "{IMAGE_LACKS}")?;
            }
            let policy = paths.policy();
            if !policy.exists() {
                doing.step(&format!("write {}", policy.display()), || file::replace(&policy, POLICY.mode, POLICY.text.as_bytes()))?;
            }
        }
        let former = read_sysctl(&paths)?;
        if former != programs.helper {
            let path = paths.former_modprobe();
            doing.step(&format!("remember that kernel.modprobe was `{former}`"), || {
                file::replace(&path, 0o644, format!("{former}\n").as_bytes())
            })?;
            let value = programs.helper.as_str();
            doing.step(&format!("set kernel.modprobe to `{value}`"), || write_sysctl(&paths, value))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn programs(&self, paths: &Paths) -> Programs {
        // What runs here says nothing about where programs are below another root.
        let own = std::env::current_exe().ok().filter(|_| paths.root() == Path::new("/"));
        let beside = own.as_deref().map(|own| own.with_file_name("kerneld-request")).filter(|path| path.exists());
        let text = |path: Option<PathBuf>, packaged: &str| path.map_or_else(|| packaged.to_owned(), |path| path.display().to_string());
        Programs {
            helper: self.helper.clone().unwrap_or_else(|| text(beside, HELPER)),
            daemon: self.daemon.clone().unwrap_or_else(|| text(own, DAEMON)),
        }
    }
}

impl Uninstall {
    /// Undoes it. The sysctl first: from then on nothing of kerneld is asked.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (paths, doing) = (self.root.paths(), Doing::from(self.dry_run));
        let remembered = std::fs::read_to_string(paths.former_modprobe()).ok().map(|text| text.trim_end_matches('\n').to_owned());
        let former = remembered.clone().unwrap_or_else(|| MODPROBE.to_owned());
        let now = read_sysctl(&paths)?;
        let programs = Programs::installed(&paths);
        if now.ends_with("/kerneld-request") || now == programs.helper {
            doing.step(&format!("set kernel.modprobe to `{former}`"), || write_sysctl(&paths, &former))?;
        } else {
            writeln!(io::stdout().lock(), "kernel.modprobe is `{now}`, which is not kerneld's: it stays")?;
        }
        let (mut changed, mut image) = (Vec::new(), false);
        for file in [FILES, INITRAMFS, LEASES].into_iter().flatten() {
            let path = paths.file(file.path);
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            // The sysctl has to go in any case, or the next boot would undo this.
            if text != file.text(&programs) && file.path != AT_BOOT.path {
                changed.push(path);
                continue;
            }
            image |= file.is_of_image();
            doing.step(&format!("remove {}", path.display()), || std::fs::remove_file(&path))?;
        }
        if image {
            writeln!(io::stdout().lock(), "{IMAGE_HAS}")?;
        }
        if doing == Doing::Really {
            // Made for one file; with somebody else's in it, it stays.
            let _ = std::fs::remove_dir(paths.file(DROP_INS));
        }
        let path = paths.former_modprobe();
        if path.exists() {
            doing.step(&format!("remove {}", path.display()), || std::fs::remove_file(&path))?;
        }
        for instance in [demand::who::INSTANCE, super::leases::uses::INSTANCE] {
            let removed = if doing == Doing::Really { demand::who::remove(&paths, instance) } else { Ok(()) };
            if let Err(fault) = removed {
                writeln!(io::stderr(), "kerneld: a trace instance stays until the daemon ends: {fault}")?;
            }
        }
        for path in changed {
            writeln!(io::stderr(), "kerneld: {} was changed since it was installed, and stays", path.display())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A helper that does not work would make every request fail: it is looked at before the kernel is told.
fn check_helper(paths: &Paths, helper: &str) -> Result<(), Failure> {
    if !helper.starts_with('/') || helper.len() >= LONGEST || helper.contains(char::is_whitespace) {
        return Err(format!("`{helper}` is no absolute path of less than {LONGEST} bytes without blanks").into());
    }
    check_place(paths, helper)?;
    let path = paths.file(helper);
    let about = std::fs::metadata(&path).map_err(|error| format!("the helper `{}` cannot be used: {error}", path.display()))?;
    if !about.is_file() || about.permissions().mode() & 0o111 == 0 {
        return Err(format!("the helper `{}` is no program", path.display()).into());
    }
    let foreign = about.uid() != 0 && about.uid() != rustix::process::geteuid().as_raw();
    if foreign || about.permissions().mode() & 0o022 != 0 {
        return Err(format!("the helper `{}` can be changed by others than root; the kernel would run it as root", path.display()).into());
    }
    let device = |path: &str| std::fs::metadata(paths.file(path)).map(|about| about.dev()).ok();
    if ["/", "/usr"].into_iter().all(|early| device(early) != Some(about.dev())) {
        let text = "lies on a file system that is mounted after the root: until then the kernel gets no module at all on demand";
        writeln!(io::stderr(), "kerneld: the helper `{}` {text}", path.display())?;
    }
    let content = std::fs::read(&path).map_err(|error| format!("the helper `{}` cannot be read: {error}", path.display()))?;
    let begin = content.get(..4096).unwrap_or(&content);
    if begin.windows(LOADER.len()).any(|window| window == LOADER) {
        let text = "is not static: it cannot work before the root file system is there, and loads libraries for every request";
        writeln!(io::stderr(), "kerneld: the helper `{}` {text}", path.display())?;
    }
    Ok(())
}

/// Nobody but root can put another program in the place of one that root runs: not into its folder, nor into that of what a link leads
/// to. A folder in which everybody may write only what is his own (`/tmp`) is none.
fn check_place(paths: &Paths, program: &str) -> Result<(), Failure> {
    let path = paths.file(program);
    let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    for folder in path.ancestors().chain(real.ancestors()).filter(|folder| folder.is_dir()) {
        let Ok(about) = std::fs::metadata(folder) else { continue };
        let foreign = about.uid() != 0 && about.uid() != rustix::process::geteuid().as_raw();
        let (mode, sticky) = (about.permissions().mode(), 0o1000);
        if foreign || (mode & 0o022 != 0 && mode & sticky == 0) {
            let (path, folder) = (path.display(), folder.display());
            return Err(format!("`{path}` can be replaced by others than root, who can write to `{folder}`; it would run as root").into());
        }
    }
    Ok(())
}

fn read_sysctl(paths: &Paths) -> Result<String, Failure> {
    let path = paths.file(SYSCTL);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

fn write_sysctl(paths: &Paths, value: &str) -> io::Result<()> {
    std::fs::write(paths.file(SYSCTL), format!("{value}\n"))?;
    let now = std::fs::read_to_string(paths.file(SYSCTL))?;
    if now.trim_end_matches('\n') == value { Ok(()) } else { Err(io::Error::other("the kernel did not take it")) }
}
