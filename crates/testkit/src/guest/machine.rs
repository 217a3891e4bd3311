//! The machines that boot guests: qemu without hardware help, and user-mode Linux.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::vmlinux;
use crate::debian::{self, FetchError};
use crate::workspace;

/// Which kernel boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Debian's 6.1 for 64-bit PCs: modules are plain files.
    Debian61,
    /// Debian's 6.12 for 64-bit PCs: modules are `.ko.xz`, and the kernel itself can decompress them.
    Debian612,
    /// User-mode Linux 6.1: no symbol versions, no signatures; boots fastest.
    Uml,
}

/// Packages that qemu is made of, where it is not installed: unpacked, not installed.
const QEMU: &[&str] = &[
    "qemu-system-x86",
    "qemu-system-common",
    "qemu-system-data",
    "seabios",
    "ipxe-qemu",
    "libcapstone4",
    "libfdt1",
    "libibverbs1",
    "libpmem1",
    "libndctl6",
    "libdaxctl1",
    "librdmacm1",
    "libslirp0",
    "libvdeplug2",
    "libexecs0",
    "libnl-3-200",
    "libnl-route-3-200",
    "liburing2",
    "libnuma1",
    "libpixman-1-0",
    "libglib2.0-0",
    "libgnutls30",
    "libpng16-16",
    "libaio1",
    "libbpf1",
    "libfuse3-3",
    "libseccomp2",
    "libjpeg62-turbo",
];

/// Arguments of every kernel: a panic ends the machine at once.
const ARGUMENTS: &str = "quiet panic=-1 random.trust_cpu=on audit=0";

/// A kernel that is ready to boot, with the tree of its modules.
#[derive(Clone, Debug)]
pub struct Machine {
    flavour: Flavour,
    kernel: PathBuf,
    modules: PathBuf,
}

impl Machine {
    /// Fetches what the flavour needs, once.
    ///
    /// # Errors
    /// [`FetchError`] with the package and the reason.
    pub fn new(flavour: Flavour) -> Result<Self, FetchError> {
        match flavour {
            Flavour::Uml => {
                let tree = debian::package("user-mode-linux")?;
                Ok(Self { flavour, kernel: tree.join("usr/bin/linux.uml"), modules: only_child(&tree.join("usr/lib/uml/modules"))? })
            }
            Flavour::Debian61 => Self::debian(flavour, "linux-image-amd64"),
            Flavour::Debian612 => Self::debian(flavour, "linux-image-6.12-amd64"),
        }
    }

    fn debian(flavour: Flavour, meta: &str) -> Result<Self, FetchError> {
        let package = debian::behind(meta, "linux-image-")?;
        let tree = debian::package(&package)?;
        let modules = only_child(&tree.join("lib/modules")).or_else(|_| only_child(&tree.join("usr/lib/modules")))?;
        let kernel = debian::cache().join(format!("{package}.vmlinux"));
        let failed = |error: std::io::Error| FetchError { package: package.clone(), reason: error.to_string() };
        if !kernel.exists() {
            let release = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let image = std::fs::read(tree.join(format!("boot/vmlinuz-{release}"))).map_err(failed)?;
            // Several threads and processes may do this at once: the last one's, which is the same, stays.
            let draft = tempfile::NamedTempFile::new_in(debian::cache()).map_err(failed)?;
            std::fs::write(draft.path(), vmlinux::extract(&image).map_err(failed)?).map_err(failed)?;
            draft.persist(&kernel).map_err(|error| failed(error.error))?;
        }
        Ok(Self { flavour, kernel, modules })
    }

    /// The folder of the release, with the modules in it (`…/lib/modules/RELEASE`).
    #[must_use]
    pub fn modules(&self) -> &Path {
        &self.modules
    }

    /// The kernel's release.
    #[must_use]
    pub fn release(&self) -> String {
        self.modules.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Which one it is.
    #[must_use]
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The command that boots this initramfs; `scratch` is a folder for the machine's own files.
    ///
    /// # Errors
    /// [`FetchError`] where qemu is neither installed nor to be had.
    pub(super) fn command(
        &self,
        initramfs: &Path,
        scratch: &Path,
        memory: u32,
        processors: u32,
        append: &str,
    ) -> Result<Command, FetchError> {
        if self.flavour == Flavour::Uml {
            let mut uml = Command::new(&self.kernel);
            uml.env("TMPDIR", "/dev/shm").env("LD_PRELOAD", xstate_shim(scratch)?);
            uml.arg(format!("mem={memory}M")).arg(format!("initrd={}", initramfs.display()));
            uml.arg(format!("uml_dir={}", scratch.display())).args(["con=null", "con0=null,fd:1", "noreboot"]);
            uml.args(ARGUMENTS.split(' ')).args(append.split_whitespace());
            return Ok(uml);
        }
        let mut qemu = qemu()?;
        // kvm is never asked for: where it exists but is nested in software, it hangs.
        qemu.args(["-M", "q35", "-accel", "tcg", "-cpu", "max", "-nodefaults", "-no-user-config", "-display", "none"]);
        qemu.args(["-serial", "stdio", "-no-reboot", "-m", &memory.to_string(), "-smp", &processors.to_string()]);
        qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(initramfs);
        qemu.arg("-append").arg(format!("console=ttyS0 reboot=t mitigations=off no_timer_check tsc=reliable {ARGUMENTS} {append}"));
        Ok(qemu)
    }
}

/// qemu as it is installed, else unpacked from its packages.
fn qemu() -> Result<Command, FetchError> {
    let installed = Path::new("/usr/bin/qemu-system-x86_64");
    if installed.exists() {
        return Ok(Command::new(installed));
    }
    let tree = debian::bundle("qemu", QEMU)?;
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|path| tree.join(path));
    let command = || {
        let mut qemu = Command::new(tree.join("usr/bin/qemu-system-x86_64"));
        qemu.env("LD_LIBRARY_PATH", std::env::join_paths(&libraries).unwrap_or_default());
        qemu
    };
    // The libraries that nearly every system has are not unpacked with it.
    let starts = command().arg("--version").output();
    if !starts.as_ref().is_ok_and(|output| output.status.success()) {
        let reason = format!("the unpacked program does not start here; install the package qemu-system-x86: {starts:?}");
        return Err(FetchError { package: "qemu-system-x86".to_owned(), reason });
    }
    let mut qemu = command();
    qemu.arg("-L").arg(tree.join("usr/share/qemu")).arg("-L").arg(tree.join("usr/share/seabios"));
    Ok(qemu)
}

/// Compiles what makes user-mode Linux run on processors with a larger register state than it was built for.
fn xstate_shim(scratch: &Path) -> Result<PathBuf, FetchError> {
    let source = workspace().join("crates/testkit/src/guest/uml_xstate.c");
    let shim = scratch.join("uml_xstate.so");
    let failed = |reason: String| FetchError { package: "gcc".to_owned(), reason };
    let done = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&shim)
        .arg(source)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if done.status.success() { Ok(shim) } else { Err(failed(String::from_utf8_lossy(&done.stderr).into_owned())) }
}

/// The one entry of a folder.
fn only_child(folder: &Path) -> Result<PathBuf, FetchError> {
    let failed = |reason: String| FetchError { package: folder.display().to_string(), reason };
    let mut entries = std::fs::read_dir(folder).map_err(|error| failed(error.to_string()))?;
    entries.next().and_then(Result::ok).map(|entry| entry.path()).ok_or_else(|| failed("the folder is empty".to_owned()))
}
