//! Whether the kernel still asks: `kernel.modprobe` can be changed by whoever may write to the kernel's memory or its settings, and a
//! daemon that nobody asks looks well.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use demand::Paths;

/// The name of the helper, whatever folder it is in.
const HELPER: &str = "kerneld-request";

/// The setting, and what it was.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    path: PathBuf,
    /// Whether it has named the helper since the daemon started, or was made to by `kerneld install`: at boot another file than the
    /// installed one may have had the last word.
    was_ours: Arc<AtomicBool>,
    /// Whether it was said that it does so no more.
    told: Arc<AtomicBool>,
}

impl Door {
    pub(super) fn new(paths: &Paths) -> Self {
        let was_ours = Arc::new(AtomicBool::new(paths.former_modprobe().exists()));
        Self { path: paths.file("/proc/sys/kernel/modprobe"), was_ours, told: Arc::default() }
    }

    /// What the kernel starts; `None` where that cannot be read.
    pub(crate) fn program(&self) -> Option<String> {
        let program = std::fs::read_to_string(&self.path).ok()?.trim_end().to_owned();
        if is_ours(&program) {
            self.was_ours.store(true, Ordering::Relaxed);
        }
        Some(program)
    }

    /// Whether the kernel asked the helper, and starts another program now.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.program().is_none_or(|program| !is_ours(&program)) && self.was_ours.load(Ordering::Relaxed)
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
    fn a_door_that_was_installed_should_be_ours() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for path in [paths.former_modprobe(), paths.file("/proc/sys/kernel/modprobe")] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "/sbin/modprobe\n").unwrap();
        }
        let door = Door::new(&paths);
        assert_eq!((door.is_elsewhere(), door.has_moved().as_deref()), (true, Some("/sbin/modprobe")));
    }
}
