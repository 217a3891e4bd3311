//! Debian's own module tools in a guest: what these tools are compared with.

use crate::debian::{self, FetchError};

use super::Guest;

/// The packages that kmod is made of.
const PACKAGES: &[&str] = &["kmod", "libkmod2", "liblzma5", "libzstd1", "libssl3", "libc6"];

/// The folders of libraries in these packages.
const LIBRARIES: &[&str] = &["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/// The libraries that kmod needs, by the beginnings of their names.
const NEEDED: &[&str] = &["libzstd.so.", "liblzma.so.", "libcrypto.so.", "libc.so.", "libkmod.so."];

/// The names of its tools.
const NAMES: &[&str] = &["insmod", "rmmod", "lsmod", "modprobe", "depmod", "modinfo"];

impl Guest {
    /// Puts kmod into `/sbin` under all its names, with the libraries that it needs.
    ///
    /// # Errors
    /// [`FetchError`] where the packages cannot be had.
    pub fn oracle(&mut self) -> Result<&mut Self, FetchError> {
        let tree = debian::bundle("kmod-oracle", PACKAGES)?;
        let failed = |error: std::io::Error| FetchError { package: "kmod".to_owned(), reason: error.to_string() };
        self.archive.file("sbin/kmod", 0o755, &std::fs::read(tree.join("bin/kmod")).map_err(failed)?);
        for name in NAMES {
            self.archive.link(&format!("sbin/{name}"), "kmod");
        }
        let loader = tree.join("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
        self.archive.file("lib64/ld-linux-x86-64.so.2", 0o755, &std::fs::read(loader).map_err(failed)?);
        for folder in LIBRARIES {
            for entry in std::fs::read_dir(tree.join(folder)).into_iter().flatten().filter_map(Result::ok) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if NEEDED.iter().any(|needed| name.starts_with(needed)) {
                    let content = std::fs::read(entry.path()).map_err(failed)?;
                    self.archive.file(&format!("lib/x86_64-linux-gnu/{name}"), 0o755, &content);
                }
            }
        }
        Ok(self)
    }
}
