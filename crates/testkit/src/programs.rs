//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The names that the multi-call program answers to.
pub(crate) const TOOLS: &[&str] =
    &["modutils", "insmod", "rmmod", "lsmod", "ksyms", "modprobe", "depmod", "modinfo", "kmod", "modpost", "kdstat"];

/// The target that static programs are built for: naming it keeps the flags away from build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How the program is built that is installed (README says so too): without libraries, and at a fixed address, which saves the start from
/// rewriting a hundred pages of its own.
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// The workspace that this crate was built from.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The built programs: `khost`, `kerneld`, `modutils`.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds the programs (cargo knows if there is nothing to do) in the profile of the running test, and says where they are.
    ///
    /// # Panics
    /// Where they do not build.
    #[must_use]
    pub fn built() -> Self {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let folder = BUILT.get_or_init(|| {
            let folder = target_folder();
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.current_dir(workspace()).args(["build", "--quiet", "-p", "khost", "-p", "kerneld", "-p", "tools", "--bins"]);
            if folder.file_name().is_some_and(|name| name == "release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().expect("cargo runs").success(), "the programs do not build");
            folder
        });
        Self { folder: folder.clone() }
    }

    /// The path of one of them.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The multi-call program as guests and initramfs images carry it: a static release build, without any library.
    ///
    /// # Panics
    /// Where it does not build.
    #[must_use]
    pub fn static_modutils() -> PathBuf {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        BUILT.get_or_init(|| static_program("tools", "modutils")).clone()
    }

    /// The daemon, built in the same way.
    ///
    /// # Panics
    /// Where it does not build.
    #[must_use]
    pub fn static_kerneld() -> PathBuf {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        BUILT.get_or_init(|| static_program("kerneld", "kerneld")).clone()
    }
}

/// Builds the programs of a package without any library, and says where one of them is.
fn static_program(package: &str, program: &str) -> PathBuf {
    let target = workspace().join("target/static");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args(["build", "--quiet", "--profile", "guest", "-p", package, "--bins", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target).env("RUSTFLAGS", STATIC);
    assert!(cargo.status().expect("cargo runs").success(), "the static {program} does not build");
    target.join(TARGET).join("guest").join(program)
}

/// The folder of programs that belongs to the running test, task or benchmark. The benchmarks are a workspace with a target folder
/// of their own; the programs are built in this one.
fn target_folder() -> PathBuf {
    let running = std::env::current_exe().expect("a running program has a file");
    let folder = running.ancestors().find(|path| path.join(".fingerprint").is_dir()).expect("it lies in a target folder");
    let profile = folder.file_name().unwrap_or_default();
    if folder.starts_with(workspace().join("bench")) { workspace().join("target").join(profile) } else { folder.to_owned() }
}
