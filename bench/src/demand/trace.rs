//! The last demand load in the kernel's log, split into its phases.

use std::time::Duration;

use crate::error::{Error, Result};

/// When each step of a demand load of `vfat` on `fat` happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trace {
    requested: Duration,
    created: [Duration; 2],
    sealed: [Duration; 2],
    running: [Duration; 2],
    answered: Duration,
}

impl Trace {
    /// The phases, in the order of [`Trace::phases`].
    pub(super) const PHASES: [&'static str; 5] = [
        "request: kerneld wakes, modprobe starts, plans, resolves fat",
        "link: fat and vfat, from create_module until the memory is sealed",
        "init: fat and vfat",
        "modprobe between the two modules",
        "reply: modprobe ends, kerneld answers",
    ];

    /// Reads the last load from the log.
    pub(super) fn of(log: &str) -> Result<Self> {
        let request = "kerneld: REQUEST_MODULE `vfat`";
        let from = log.lines().rev().position(|line| line.ends_with(request)).map_or(0, |back| log.lines().count() - 1 - back);
        let lines: Vec<&str> = log.lines().skip(from).collect();
        let at = |text: &str| {
            let line = lines.iter().find(|line| line.contains(text)).copied();
            line.and_then(time)
                .ok_or_else(|| Error::Format { what: "the kernel's log".to_owned(), reason: format!("no line with {text:?} in {log}") })
        };
        Ok(Self {
            requested: at(request)?,
            created: [at("create_module: `fat`")?, at("create_module: `vfat`")?],
            sealed: [at("init_module: `fat`: memory")?, at("init_module: `vfat`: memory")?],
            running: [at("init_module: `fat` is running")?, at("init_module: `vfat` is running")?],
            answered: at("kerneld: REQUEST_MODULE `vfat` answered 0")?,
        })
    }

    /// How long each phase took.
    pub(super) fn phases(&self) -> [Duration; 5] {
        let sum = |from: [Duration; 2], to: [Duration; 2]| (to[0] - from[0]) + (to[1] - from[1]);
        [
            self.created[0] - self.requested,
            sum(self.created, self.sealed),
            sum(self.sealed, self.running),
            self.created[1] - self.running[0],
            self.answered - self.running[1],
        ]
    }
}

/// The time stamp of a line: `[    0.025680] …`.
fn time(line: &str) -> Option<Duration> {
    let (seconds, micros) = line.strip_prefix('[')?.split_once(']')?.0.trim().split_once('.')?;
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Trace;
    use std::time::Duration;

    #[test]
    fn a_load_is_split_into_its_phases() {
        let log = "\
[    0.000001] kerneld: REQUEST_MODULE `vfat`
[    0.000002] kerneld: REQUEST_MODULE `vfat` answered 1
[    1.000000] kerneld: REQUEST_MODULE `vfat`
[    1.004000] create_module: `fat`: 28672 bytes at 0x1000
[    1.004100] init_module: `fat`: memory is sealed and mapped, init runs
[    1.004110] init_module: `fat` is running
[    1.004500] create_module: `vfat`: 20480 bytes at 0x9000
[    1.004700] init_module: `vfat`: memory is sealed and mapped, init runs
[    1.004720] init_module: `vfat` is running
[    1.005000] kerneld: REQUEST_MODULE `vfat` answered 0
";
        let phases = Trace::of(log).expect("a whole load").phases();
        assert_eq!(phases, [4000, 300, 30, 390, 280].map(Duration::from_micros));
        assert!(Trace::of("[    1.0] nothing of the kind").is_err());
    }
}
