//! Where everything lies.

use std::path::{Path, PathBuf};

/// The files of a system, or of a folder that stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self { root: PathBuf::from("/") }
    }
}

impl Paths {
    /// The files below another folder than `/`: tests, images.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file by its usual absolute path.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The administrator's policy.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.file("/etc/kerneld/policy.toml")
    }

    /// Drop-ins: `*.toml`, read in the order of their names, before the policy.
    #[must_use]
    pub fn policy_drop_ins(&self) -> PathBuf {
        self.file("/etc/kerneld/policy.d")
    }

    /// The compiled policy, with grants: what the helper decides by when the daemon does not answer.
    #[must_use]
    pub fn compiled(&self) -> PathBuf {
        self.file("/var/lib/kerneld/policy.bin")
    }

    /// Temporary grants.
    #[must_use]
    pub fn grants(&self) -> PathBuf {
        self.file("/var/lib/kerneld/grants.json")
    }

    /// The journal; older parts have `.1`, `.2` … behind the name.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.file("/var/log/kerneld/journal.jsonl")
    }

    /// Records of helpers that had to decide by themselves; the daemon moves them into the journal.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.file("/run/kerneld/helper.jsonl")
    }

    /// Where the kernel's helper asks. Only root may connect.
    #[must_use]
    pub fn request_socket(&self) -> PathBuf {
        self.file("/run/kerneld/request.sock")
    }

    /// Where people and programs ask the daemon. Anyone may connect; what one may do depends on who one is.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.file("/run/kerneld/control.sock")
    }

    /// Where the numbers for Prometheus are to be had.
    #[must_use]
    pub fn metrics_socket(&self) -> PathBuf {
        self.file("/run/kerneld/metrics.sock")
    }

    /// While the daemon follows devices, a link to the descriptor with which it does: udev's rules look whether it leads anywhere.
    #[must_use]
    pub fn devices_mark(&self) -> PathBuf {
        self.file("/run/kerneld/devices")
    }

    /// What `kernel.modprobe` was before the helper was installed.
    #[must_use]
    pub fn former_modprobe(&self) -> PathBuf {
        self.file("/var/lib/kerneld/former-modprobe")
    }
}
