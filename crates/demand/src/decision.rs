//! What is decided.

use serde::{Deserialize, Serialize};

/// What a policy does with its verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing is denied; the record says what would have been.
    #[default]
    Audit,
    /// Nothing is denied, and every request that is answered counts as needed when a policy is learnt.
    Learn,
    /// What is denied is not loaded.
    Enforce,
}

/// What a rule says. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Load.
    Allow,
    /// Load, and make a finding of it.
    Audit,
    /// Do not load.
    Deny,
}

/// Which rule decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleRef {
    /// Its name, or its number in the file (`rule 3`), or `default`, `grant`, `forbid`.
    pub name: String,
    /// Where it stands: `FILE:LINE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// What is decided on one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What the rules say.
    pub verdict: Verdict,
    /// Which rule says it.
    pub rule: RuleRef,
    /// The mode that the policy is in.
    pub mode: Mode,
    /// The module of the plan that brought a denial, if it is not the request itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Modules that only softdeps want and the rules deny: the rest is loaded without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What the rule gives as its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decision {
    /// Whether the modules are to be loaded.
    #[must_use]
    pub fn loads(&self) -> bool {
        self.verdict != Verdict::Deny || self.mode != Mode::Enforce
    }
}
