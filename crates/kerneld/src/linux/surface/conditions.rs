//! Switches of the kernel that close whole ways, whatever a policy says.

use demand::{Class, Paths, Reach};
use serde::Serialize;

/// What the kernel does not answer at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Closed {
    /// `kernel.modprobe` is empty: no request is answered.
    NoHelper,
    /// `kernel.modules_disabled` is 1: nothing is loaded any more.
    ModulesDisabled,
    /// Users cannot make user namespaces.
    NoUserNamespaces,
    /// `dev.tty.ldisc_autoload` is 0.
    NoLineDisciplines,
}

/// The switch, its value that closes, and what it closes.
const SWITCHES: &[(&str, &str, Closed)] = &[
    ("/proc/sys/kernel/modprobe", "", Closed::NoHelper),
    ("/proc/sys/kernel/modules_disabled", "1", Closed::ModulesDisabled),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", Closed::NoUserNamespaces),
    ("/proc/sys/user/max_user_namespaces", "0", Closed::NoUserNamespaces),
    ("/proc/sys/dev/tty/ldisc_autoload", "0", Closed::NoLineDisciplines),
];

/// The switches that are off. One that is not there closes nothing.
pub(super) fn closed(paths: &Paths) -> Vec<Closed> {
    let is = |path: &str, value: &str| std::fs::read_to_string(paths.file(path)).is_ok_and(|text| text.trim() == value);
    let mut closed: Vec<Closed> = SWITCHES.iter().filter(|(path, value, _)| is(path, value)).map(|(.., what)| *what).collect();
    closed.dedup();
    closed
}

impl Closed {
    /// Whether it keeps users from asking in a class.
    pub(super) fn stops(self, class: Class) -> bool {
        match self {
            Self::NoHelper | Self::ModulesDisabled => true,
            Self::NoUserNamespaces => class.reach() == Reach::UserNamespace,
            Self::NoLineDisciplines => class == Class::TtyLdisc,
        }
    }

    /// For people.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoHelper => "kernel.modprobe is empty: the kernel asks nobody",
            Self::ModulesDisabled => "kernel.modules_disabled is 1: nothing can be loaded any more",
            Self::NoUserNamespaces => "users cannot make user namespaces",
            Self::NoLineDisciplines => "dev.tty.ldisc_autoload is 0: line disciplines are not asked for by users",
        }
    }
}
