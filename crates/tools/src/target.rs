//! Which kernel a command works on.

use std::path::PathBuf;

use clap::Args;
use uapi::KERNEL_VARIABLE;

/// The option of every command that talks to a kernel.
#[derive(Args, Clone, Debug, Default)]
pub struct KernelOption {
    /// Socket of the hosted kernel to work on; by default the one in the environment variable MODUTILS_KERNEL, else Linux
    #[arg(long, value_name = "SOCKET")]
    pub kernel: Option<PathBuf>,
}

/// A kernel, by the way to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The kernel that this machine runs.
    Linux,
    /// A hosted kernel behind this socket.
    Hosted(PathBuf),
}

impl KernelOption {
    /// The kernel that the option, or else the environment, names. An empty variable names none.
    #[must_use]
    pub fn target(&self) -> Target {
        let named = self.kernel.clone().or_else(|| std::env::var_os(KERNEL_VARIABLE).map(PathBuf::from));
        named.filter(|path| !path.as_os_str().is_empty()).map_or(Target::Linux, Target::Hosted)
    }
}

/// The environment variable that names the root of the module tree.
const ROOT_VARIABLE: &str = "MODULES_ROOT";

/// The option of every command that looks into a module tree.
#[derive(Args, Clone, Debug, Default)]
pub struct RootOption {
    /// Directory that holds lib/modules; by default the one in the environment variable MODULES_ROOT, else /
    #[arg(long, value_name = "DIRECTORY")]
    pub root: Option<PathBuf>,
}

impl RootOption {
    /// The directory that the option, or else the environment, names.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        let named = self.root.clone().or_else(|| std::env::var_os(ROOT_VARIABLE).map(PathBuf::from));
        named.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| PathBuf::from("/"))
    }
}
