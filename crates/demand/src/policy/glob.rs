//! Patterns in rules and grants.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern of `fnmatch(3)` over a name of a module or a request, in which `-` and `_` are alike, as for modprobe.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// A pattern as it is written in a policy; `None` where a `[` is not closed, or nothing is written.
    #[must_use]
    pub fn new(pattern: &str) -> Option<Self> {
        let normal = kmod::name::normalise(pattern).ok()?;
        (!normal.is_empty()).then_some(Self(normal))
    }

    /// The pattern that matches one name only. A bracket, which no pattern can hold literally, is written as `?`.
    #[must_use]
    pub fn exactly(name: &str) -> Self {
        let mut pattern = String::with_capacity(name.len());
        for c in name.chars() {
            match c {
                '[' | ']' => pattern.push('?'),
                '*' | '?' | '\\' => pattern.extend(['\\', c]),
                '-' => pattern.push('_'),
                _ => pattern.push(c),
            }
        }
        Self(pattern)
    }

    /// Whether a name matches that [`Glob::name`] has made comparable.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        kmod::glob::matches(&self.0, name)
    }

    /// A name as patterns are compared with it.
    #[must_use]
    pub fn name(name: &str) -> String {
        name.replace('-', "_")
    }

    /// The pattern, dashes written as underscores.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
