//! Whether the kernel still asks: `kernel.modprobe` can be changed by whoever may write to the kernel's memory or its settings, and a
//! daemon that nobody asks looks well.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use demand::Paths;

/// The name of the helper, whatever folder it is in.
const HELPER: &str = "kerneld-request";

/// How long after its start a daemon expects that others still set up the machine: `systemd-sysctl` may come after it.
const SETTLED: Duration = Duration::from_secs(60);

/// The setting, and what it was.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    path: PathBuf,
    /// Whether it has named the helper since the daemon started.
    was_ours: Arc<AtomicBool>,
    /// What `kerneld install` leaves, and `uninstall` takes away.
    installed: PathBuf,
    since: Instant,
    /// Whether it was said that it does so no more.
    told: Arc<AtomicBool>,
}

impl Door {
    pub(super) fn new(paths: &Paths) -> Self {
        Self {
            path: paths.file("/proc/sys/kernel/modprobe"),
            was_ours: Arc::default(),
            installed: paths.former_modprobe(),
            since: Instant::now(),
            told: Arc::default(),
        }
    }

    /// What the kernel starts; `None` where that cannot be read.
    pub(crate) fn program(&self) -> Option<String> {
        let program = std::fs::read_to_string(&self.path).ok()?.trim_end().to_owned();
        if is_ours(&program) {
            self.was_ours.store(true, Ordering::Relaxed);
        }
        Some(program)
    }

    /// Whether the kernel asked the helper, or should have since the machine was started, and starts another program now.
    pub(crate) fn is_elsewhere(&self) -> bool {
        let elsewhere = self.program().is_none_or(|program| !is_ours(&program));
        let expected = || self.since.elapsed() >= SETTLED && self.installed.exists();
        elsewhere && (self.was_ours.load(Ordering::Relaxed) || expected())
    }

    /// The same, once for each change: what the kernel starts now.
    pub(super) fn has_moved(&self) -> Option<String> {
        let elsewhere = self.is_elsewhere();
        let told = self.told.swap(elsewhere, Ordering::Relaxed);
        (elsewhere && !told).then(|| self.program().unwrap_or_default())
    }
}

fn is_ours(program: &str) -> bool {
    program.rsplit('/').next() == Some(HELPER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_door_that_was_ours_can_be_taken_away() {
        let root = tempfile::tempdir().unwrap();
        let door = Door::new(&Paths::under(root.path()));
        std::fs::create_dir_all(door.path.parent().unwrap()).unwrap();
        let set = |program: &str| std::fs::write(&door.path, format!("{program}\n")).unwrap();
        for (program, elsewhere, moved) in [
            ("/sbin/modprobe", false, None),
            ("/usr/sbin/kerneld-request", false, None),
            ("/tmp/evil", true, Some("/tmp/evil")),
            ("/tmp/evil", true, None),
            ("/opt/kerneld-request", false, None),
            ("", true, Some("")),
        ] {
            set(program);
            assert_eq!((door.is_elsewhere(), door.has_moved().as_deref()), (elsewhere, moved), "{program:?}");
        }
    }

    #[test]
    fn a_machine_that_never_asks_where_kerneld_is_installed_is_told_of_once_it_is_up() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let door = Door::new(&paths);
        for path in [&door.path, &door.installed] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        std::fs::write(&door.path, "/sbin/modprobe\n").unwrap();
        let Some(since) = Instant::now().checked_sub(SETTLED) else { return };
        let up = Door { since, ..door.clone() };
        assert!(!up.is_elsewhere(), "it is not installed: somebody tries it out");
        std::fs::write(&door.installed, "/sbin/modprobe\n").unwrap();
        assert_eq!((door.is_elsewhere(), up.is_elsewhere(), up.has_moved().as_deref()), (false, true, Some("/sbin/modprobe")));
    }
}
