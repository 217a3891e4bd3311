//! What would be done to load or unload a module, in order, each step with its reason. Making a plan changes nothing.

mod insert;
mod remove;

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::config::Place;
use crate::lookup::Via;
use crate::text;

pub use insert::{Commands, InsertRequest, insert};
pub use remove::{RemoveRequest, remove};

/// Steps in the order in which they are to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Modules that would be steps if a rule did not keep them out.
    pub left_out: Vec<LeftOut>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The module.
    pub module: String,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Options for the module: from the configuration, each with a blank behind it, and, for the module that was asked for, from the
    /// caller.
    #[serde(serialize_with = "trimmed")]
    pub options: String,
    /// Why.
    pub why: Why,
    /// Whether the plan fails if this step does. Steps that only softdeps want may fail.
    pub required: bool,
    /// Whether the module is built in, so that nothing is left to do: a command for it is only shown.
    #[serde(skip)]
    pub builtin: bool,
}

/// What is done in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// The file is loaded.
    Insert {
        /// The file.
        #[serde(serialize_with = "text::serialize_path")]
        path: PathBuf,
    },
    /// An `install` command is run instead.
    Install {
        /// The command.
        command: String,
        /// Where it stands.
        place: Place,
    },
    /// Nothing: it is built in.
    Builtin,
    /// Nothing can be done: no module has the name that an alias gives.
    Missing,
    /// The module is removed.
    Remove,
    /// A `remove` command is run instead.
    RemoveCommand {
        /// The command.
        command: String,
        /// Where it stands.
        place: Place,
    },
}

/// Why a step is in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Why {
    /// It was asked for.
    Asked {
        /// The alias that stands for it, if it was not named itself.
        alias: Option<String>,
        /// Which source knew it.
        via: Via,
    },
    /// Another module uses its symbols.
    Dependency {
        /// The other module.
        of: String,
    },
    /// A softdep wants it before another module.
    SoftdepPre {
        /// The other module.
        of: String,
        /// Where the softdep stands.
        place: Place,
    },
    /// A softdep wants it after another module.
    SoftdepPost {
        /// The other module.
        of: String,
        /// Where the softdep stands.
        place: Place,
    },
    /// It holds a module that is to be removed (`--remove-holders`).
    Holder {
        /// The module that it uses.
        of: String,
    },
    /// Nothing uses it any more once another module is gone.
    Unused {
        /// The module that used it.
        after: String,
    },
}

/// A module that a rule keeps out of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The module.
    pub module: String,
    /// Why it would have been a step.
    pub why: Why,
    /// The rule: `blacklist` or `forbid`.
    pub rule: &'static str,
    /// Where the rule stands.
    pub place: Place,
}

fn trimmed<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.trim())
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { alias: None, .. } => f.write_str("asked for"),
            Self::Asked { alias: Some(alias), .. } => write!(f, "asked for as `{alias}`"),
            Self::Dependency { of } => write!(f, "`{of}` needs it"),
            Self::SoftdepPre { of, place } => write!(f, "softdep of `{of}`, before it ({place})"),
            Self::SoftdepPost { of, place } => write!(f, "softdep of `{of}`, after it ({place})"),
            Self::Holder { of } => write!(f, "it holds `{of}`"),
            Self::Unused { after } => write!(f, "nothing uses it once `{after}` is gone"),
        }
    }
}

/// What stands for the options of a module in the command of an `install` line; in that of a `remove` line it stands for nothing.
pub(crate) const OPTIONS: &str = "$CMDLINE_OPTS";

impl Step {
    /// The line that `modprobe -n -v` and `--show-depends` print for the step; `None` for one that prints none.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let (path, command);
        let parts = match &self.action {
            Action::Insert { path: file } => {
                path = text::of_path(file);
                ["insmod ", &path, " ", &self.options]
            }
            Action::Install { command, .. } => ["install ", command, " ", &self.options],
            Action::Builtin => ["builtin ", &self.module, "", ""],
            Action::Missing => return None,
            Action::Remove => ["rmmod ", &self.module, "", ""],
            Action::RemoveCommand { command: text, .. } => {
                command = text.replace(OPTIONS, "");
                ["remove ", &command, "", ""]
            }
        };
        Some(parts.concat())
    }
}
