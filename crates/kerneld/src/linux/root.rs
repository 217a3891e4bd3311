//! The option of every command that looks at a system.

use std::path::PathBuf;

use clap::Args;
use demand::Paths;

/// Which system.
#[derive(Clone, Debug, Args)]
pub(super) struct Root {
    /// Directory that stands for /
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

impl Root {
    /// Its files.
    pub(super) fn paths(&self) -> Paths {
        Paths::under(&self.root)
    }
}
