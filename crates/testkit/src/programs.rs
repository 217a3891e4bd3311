//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The names that the multi-call program answers to.
pub(crate) const TOOLS: &[&str] =
    &["modutils", "insmod", "rmmod", "lsmod", "ksyms", "modprobe", "depmod", "modinfo", "kmod", "modpost", "kdstat"];

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
            let test = std::env::current_exe().expect("a running test has a file");
            let folder =
                test.ancestors().find(|path| path.join(".fingerprint").is_dir()).expect("the test lies in a target folder").to_owned();
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
}
