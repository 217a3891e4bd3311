//! What is known of modules that were loaded on demand, and of their coming and going.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use demand::{Class, DecidedBy, Kind, Outcome, Paths, Record};
use serde::{Deserialize, Serialize};

use super::super::evidence::Baseline;

/// Longest file of leases that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// A module that came on demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The module.
    pub module: String,
    /// The module that was asked for, where this one came along with it.
    pub with: Option<String>,
    /// What was asked for.
    pub request: String,
    /// In which form.
    pub class: Class,
    /// Whether a device asked: its driver is looked for once.
    pub for_device: bool,
    /// When it came, in microseconds since 1970.
    pub since: u64,
    /// The inode of its folder in `/sys/module`: another life of the module has another.
    pub inode: Option<u64>,
    /// What it was like then; `None` if it was not seen in time.
    pub baseline: Option<Baseline>,
}

/// Coming and going of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When the reaper took it away last.
    pub removed: Option<u64>,
    /// When it came back after that, each time.
    pub comebacks: Vec<u64>,
}

/// All of this boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The boot.
    pub boot: String,
    /// Leases by module.
    pub leases: BTreeMap<String, Lease>,
    /// Histories by module.
    pub histories: BTreeMap<String, History>,
    /// Since when modules are idle, in microseconds since 1970; for reports.
    pub idle: BTreeMap<String, u64>,
}

/// The leases that a record makes: one for each module that its request put into the kernel.
#[must_use]
pub(super) fn made_by(paths: &Paths, record: &Record) -> Vec<Lease> {
    // What a helper loaded by itself was not seen when it came.
    if record.by != DecidedBy::Daemon || !matches!(record.outcome, Outcome::Loaded | Outcome::Failed { .. }) {
        return Vec::new();
    }
    let asked = record.plan.iter().rev().find(|step| step.why.starts_with("asked for")).map(|step| step.module.clone());
    // What a module was like at first can be seen only now.
    let fresh = super::stamp_age(record.time) < super::FRESH;
    let lease = |step: &demand::PlanStep| {
        let inode = inode(paths, &step.module);
        Lease {
            module: step.module.clone(),
            with: asked.clone().filter(|asked| *asked != step.module),
            request: record.request.as_str().to_owned(),
            class: record.class,
            for_device: record.requesters.iter().any(|requester| requester.kind == Kind::Device),
            since: record.time,
            inode,
            baseline: (fresh && inode.is_some()).then(|| Baseline::take(paths, &step.module)),
        }
    };
    record.plan.iter().filter(|step| step.loaded).map(lease).collect()
}

/// Where it is kept: it ends with the boot.
fn file(paths: &Paths) -> PathBuf {
    paths.file("/run/kerneld/leases.json")
}

/// The inode of a module's folder in `/sys/module`.
pub(super) fn inode(paths: &Paths, module: &str) -> Option<u64> {
    fs::metadata(paths.file("/sys/module").join(module)).ok().map(|about| about.ino())
}

impl Ledger {
    /// Reads what an earlier daemon of this boot has left. A damaged file is as none: modules that are not in it stay.
    #[must_use]
    pub fn load(paths: &Paths, boot: &str) -> Self {
        let path = file(paths);
        let small = fs::metadata(&path).is_ok_and(|about| about.len() <= LONGEST);
        let ledger: Option<Self> = small.then(|| serde_json::from_slice(&fs::read(&path).ok()?).ok()).flatten();
        ledger.filter(|ledger| ledger.boot == boot).unwrap_or_else(|| Self { boot: boot.to_owned(), ..Self::default() })
    }

    /// Writes it.
    ///
    /// # Errors
    /// Where the folder does not take it. The leases of the running daemon are not lost by that.
    pub fn save(&self, paths: &Paths) -> io::Result<()> {
        let path = file(paths);
        let draft = path.with_extension("json.new");
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(&draft, serde_json::to_vec(self)?)?;
        fs::rename(draft, path)
    }

    /// Takes in a new lease: the module has come, perhaps back.
    pub fn take(&mut self, lease: Lease) {
        let history = self.histories.entry(lease.module.clone()).or_default();
        if history.removed.take().is_some() {
            history.comebacks.push(lease.since);
        }
        self.leases.insert(lease.module.clone(), lease);
    }

    /// Forgets modules that are gone, and lives that are over. Answers whether there were any.
    pub fn tidy(&mut self, paths: &Paths) -> bool {
        let before = self.leases.len();
        self.leases.retain(|module, lease| {
            let now = inode(paths, module);
            now.is_some() && now == lease.inode
        });
        before != self.leases.len()
    }

    /// How often a module came back since a time.
    pub(super) fn comebacks(&mut self, module: &str, since: u64) -> u32 {
        let Some(history) = self.histories.get_mut(module) else { return 0 };
        history.comebacks.retain(|at| *at >= since);
        u32::try_from(history.comebacks.len()).unwrap_or(u32::MAX)
    }
}
