//! The differences that `docs/differences.md` lists and that show on real trees.

use std::fmt;

/// A difference that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listed {
    /// All softdep lines of a module count, not only the first.
    AllSoftdeps,
    /// `modinfo` shows the build id, as kmod 31 and later do.
    BuildId,
    /// `modules.symbols` is sorted by name, not in the order of a hash table.
    SymbolOrder,
    /// `modules.weakdep` is written, as kmod 33 and later do.
    Weakdep,
    /// `modprobe -c` puts a blank between the two halves of a softdep, as kmod 33 and later do.
    SoftdepBlank,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllSoftdeps => "all softdeps",
            Self::BuildId => "build id",
            Self::SymbolOrder => "symbols in order",
            Self::Weakdep => "weakdep file",
            Self::SoftdepBlank => "blank in softdep",
        })
    }
}
