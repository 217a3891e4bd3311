//! References that came and went between two looks: the trace event `module:module_get`.

use std::collections::BTreeSet;

use demand::Paths;
use demand::who::{Head, Trace, TracingFault};

/// The instance.
pub(in crate::linux) const INSTANCE: &str = "kerneld-leases";

/// Modules in one filter; those beyond are seen by their counts only.
const MOST: usize = 64;

/// Watches which modules are used.
#[derive(Debug)]
pub(super) struct Uses {
    trace: Result<Trace, TracingFault>,
    watched: BTreeSet<String>,
    rest: Vec<u8>,
}

impl Uses {
    /// Watches nothing yet.
    pub(super) fn open(paths: &Paths) -> Self {
        Self { trace: Trace::open(paths, INSTANCE, "module/module_get"), watched: BTreeSet::new(), rest: Vec::new() }
    }

    /// Whether it works.
    pub(super) fn fault(&self) -> Option<&TracingFault> {
        self.trace.as_ref().err()
    }

    /// Watches these modules from now on.
    pub(super) fn watch<'a>(&mut self, modules: impl Iterator<Item = &'a str>) {
        let wanted: BTreeSet<String> = modules.take(MOST).map(str::to_owned).collect();
        let Ok(trace) = &self.trace else { return };
        if wanted == self.watched {
            return;
        }
        let parts: Vec<String> = wanted.iter().map(|module| format!("name == \"{module}\"")).collect();
        // No module has this name: an empty filter would let everything through.
        let filter = if parts.is_empty() { "name == \"-\"".to_owned() } else { parts.join(" || ") };
        match trace.filter(&filter) {
            Ok(()) => self.watched = wanted,
            Err(fault) => self.trace = Err(fault),
        }
    }

    /// The modules that were used since the last time, by others than this process.
    pub(super) fn drain(&mut self) -> BTreeSet<String> {
        let Ok(trace) = &mut self.trace else { return BTreeSet::new() };
        let Ok(text) = trace.read() else { return self.watched.clone() };
        self.rest.extend(text);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        let mut used = BTreeSet::new();
        for line in lines.split(|byte| *byte == b'\n') {
            if line.starts_with(b"CPU:") {
                // Events were lost: any may have been used.
                return self.watched.clone();
            }
            used.extend(used_by_others(line).filter(|module| self.watched.contains(module)));
        }
        used
    }
}

/// `… module_get: vfat call_site=get_fs_type refcnt=2`.
fn used_by_others(line: &[u8]) -> Option<String> {
    let head = Head::parse(line)?;
    let text = std::str::from_utf8(line.get(head.length..)?).ok()?;
    let module = text.strip_prefix("module_get: ")?.split(' ').next()?;
    // Looking for evidence takes references too.
    (head.comm != "kerneld").then(|| module.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_others_count() {
        let line = |comm: &str| format!("{comm:>16}-88      [000] .....    12.345678: module_get: vfat call_site=get_fs_type refcnt=2");
        assert_eq!(used_by_others(line("mount").as_bytes()).as_deref(), Some("vfat"));
        assert_eq!(used_by_others(line("kerneld").as_bytes()), None);
        assert_eq!(used_by_others(b"module_get: vfat"), None);
    }
}
