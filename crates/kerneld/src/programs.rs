//! The programs that do the work, and their command lines.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Access;

use crate::{ModuleAlias, RoutePrograms, Run};

/// A program, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Name to call it by (`argv[0]`), where that is not the path: a multi-call program looks at it.
    pub name: Option<OsString>,
    /// Arguments before all others.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// A program that the administrator named.
    #[must_use]
    pub fn named(path: PathBuf) -> Self {
        Self { path, name: None, arguments: Vec::new() }
    }

    /// The modprobe to run where nobody named one: next to the daemon itself, or that of the system.
    ///
    /// It gets `--kernel SOCKET` on top of the environment: a modprobe that knows nothing of hosted kernels refuses an option
    /// that it does not know, whereas it would overlook the variable and act on the machine's own kernel.
    #[must_use]
    pub fn found_modprobe(kernel: &Path) -> Self {
        let arguments = vec!["--kernel".into(), kernel.into()];
        let daemon = std::env::current_exe().unwrap_or_default();
        let beside = daemon.parent().unwrap_or(Path::new("/sbin"));
        let (modprobe, multi_call) = (beside.join("modprobe"), beside.join("modutils"));
        if is_executable(&modprobe) {
            Self { path: modprobe, name: None, arguments }
        } else if is_executable(&multi_call) {
            Self { path: multi_call, name: Some("modprobe".into()), arguments }
        } else {
            Self { path: "/sbin/modprobe".into(), name: None, arguments }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(name) = &self.name {
            command.arg0(name);
        }
        command.args(&self.arguments);
        command
    }
}

/// All programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// Loads and unloads.
    pub modprobe: Program,
    /// Brings up a route.
    pub request_route: PathBuf,
    /// Blanks the screen until it gets `SIGQUIT`.
    pub blanker: PathBuf,
    /// Root of the module tree, given to modprobe as `-d`.
    pub root: Option<PathBuf>,
    /// The kernel's socket, which goes into the environment.
    pub kernel: PathBuf,
}

impl Programs {
    /// Is there a request-route program now?
    #[must_use]
    pub fn route(&self) -> RoutePrograms {
        if is_executable(&self.request_route) { RoutePrograms::Present } else { RoutePrograms::Absent }
    }

    /// The command line and environment of a job; `trigger` is the process that caused it.
    #[must_use]
    pub fn command(&self, run: &Run, trigger: u32) -> Command {
        let mut command = match run {
            Run::Shell(text, _) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", text.as_str()]);
                shell
            }
            Run::Load(name) => self.modprobe("-k", name),
            Run::Unload(name) => self.modprobe("-r", name),
            Run::Route(address) => {
                let mut route = Command::new(&self.request_route);
                route.arg(address.to_string());
                route
            }
            Run::Blanker => Command::new(&self.blanker),
        };
        command.env(uapi::KERNEL_VARIABLE, &self.kernel).env("KERNELD_TRIGGER", trigger.to_string()).current_dir("/");
        command
    }

    /// `/sbin/modprobe -k -s NAME` of the classic daemon, with what modern times add: the root, and the end of the options.
    fn modprobe(&self, action: &str, name: &ModuleAlias) -> Command {
        let mut modprobe = self.modprobe.command();
        modprobe.args([action, "-s"]);
        if let Some(root) = &self.root {
            modprobe.arg("-d").arg(root);
        }
        modprobe.args(["--", name.as_str()]);
        modprobe
    }
}

/// Is there a file that this process may run?
fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Program, Programs};
    use crate::{ModuleAlias, Quad, Run, Shell, ShellCommand};

    fn programs() -> Programs {
        Programs {
            modprobe: Program::named("/opt/modprobe".into()),
            request_route: "/opt/request-route".into(),
            blanker: "/opt/blanker".into(),
            root: None,
            kernel: "/run/khost".into(),
        }
    }

    fn line(programs: &Programs, run: &Run) -> Vec<String> {
        let command = programs.command(run, 42);
        assert!(command.get_envs().any(|(key, value)| key == "KERNELD_TRIGGER" && value.is_some_and(|value| value == "42")));
        assert!(command.get_envs().any(|(key, value)| key == "MODUTILS_KERNEL" && value.is_some_and(|value| value == "/run/khost")));
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn command_lines_are_the_classic_ones() {
        let vfat = ModuleAlias::new("vfat").unwrap();
        let mut programs = programs();
        assert_eq!(line(&programs, &Run::Load(vfat.clone())), ["/opt/modprobe", "-k", "-s", "--", "vfat"]);
        programs.root = Some("/image".into());
        assert_eq!(line(&programs, &Run::Unload(vfat)), ["/opt/modprobe", "-r", "-s", "-d", "/image", "--", "vfat"]);
        assert_eq!(line(&programs, &Run::Route(Quad::new("10.0.0.1").unwrap())), ["/opt/request-route", "10.0.0.1"]);
        let shell = Run::Shell(ShellCommand::new("echo 'a b'").unwrap(), Shell::Answer);
        assert_eq!(line(&programs, &shell), ["/bin/sh", "-c", "echo 'a b'"]);
        assert_eq!(line(&programs, &Run::Blanker), ["/opt/blanker"]);
    }

    #[test]
    fn a_modprobe_that_nobody_named_is_told_the_kernel_by_option() {
        let mut programs = programs();
        programs.modprobe = Program::found_modprobe(&programs.kernel);
        let words = line(&programs, &Run::Load(ModuleAlias::new("vfat").unwrap()));
        assert_eq!(words.get(1..), Some(["--kernel", "/run/khost", "-k", "-s", "--", "vfat"].map(str::to_owned).as_slice()));
    }
}
