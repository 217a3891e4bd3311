//! Why a tree has no module of a name, where the name is not to blame.

use std::path::PathBuf;

use super::Reason;

/// What matters of a tree in which a name was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFacts {
    /// The directory of the release.
    pub directory: PathBuf,
    /// Its release.
    pub release: String,
    /// What is there.
    pub state: TreeState,
    /// Whether it is the tree from which the running kernel's modules come.
    pub running: bool,
}

/// What there is of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeState {
    /// A directory with the index of its modules.
    Indexed,
    /// A directory without.
    Unindexed,
    /// No directory, though there are those of other releases.
    Replaced,
    /// No directory.
    Absent,
}

/// Says what keeps every name from being found; nothing, if the tree is as it should be. `modular` is whether the running kernel has
/// modules at all, if that is known.
#[must_use]
pub fn explain_absence(tree: &TreeFacts, modular: Option<bool>) -> Vec<Reason> {
    let TreeFacts { directory, release, state, running } = tree.clone();
    let bare = (running && modular == Some(false)).then(|| Reason::NoModules { release: release.clone() });
    let missing = match state {
        TreeState::Indexed => None,
        TreeState::Unindexed => Some(Reason::NoIndex { directory, release }),
        TreeState::Replaced if running => Some(Reason::TreeGone { release }),
        TreeState::Replaced | TreeState::Absent => Some(Reason::NoTree { directory }),
    };
    bare.into_iter().chain(missing).collect()
}
