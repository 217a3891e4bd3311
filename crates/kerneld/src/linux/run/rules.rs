//! The policy in force, with its grants: read from the administrator's files, else the last good one, and always compiled for the helper.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use demand::policy::{Grant, Granted, Policy, compiled, grants};
use demand::{Mode, Paths, lock, stamp};
use serde::{Deserialize, Serialize};

/// Longest grant: what is needed for longer belongs into the policy.
const LONGEST_GRANT: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is decided by.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) policy: Policy,
    pub(crate) grants: Vec<Grant>,
    pub(crate) state: PolicyState,
}

/// Where the policy comes from, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyState {
    /// The mode.
    pub mode: Mode,
    /// How many rules there are.
    pub rules: usize,
    /// Where they come from.
    pub source: Source,
    /// The files that were read.
    pub files: Vec<String>,
    /// What is wrong with the files: the policy in force is an older one then.
    pub fault: Option<String>,
    /// Why helpers could not be given this policy; they would decide by an older one.
    pub compile_fault: Option<String>,
    /// When it was read, in microseconds since 1970.
    pub since: u64,
}

/// Where a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The administrator's files.
    Files,
    /// The one that was compiled last, because the files cannot be read.
    LastGood,
    /// There is none: everything is loaded, and recorded.
    Default,
}

/// Why a grant was not given.
#[derive(Debug)]
pub(crate) enum GrantFault {
    TooLong,
    TooMany,
    File(std::io::Error),
}

impl std::fmt::Display for GrantFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => write!(
                f,
                "a grant lasts {} days at most; what is needed for longer belongs into the policy",
                LONGEST_GRANT.as_secs() / 86_400
            ),
            Self::TooMany => write!(f, "there are {} grants already", grants::MAX_GRANTS),
            Self::File(error) => write!(f, "the grant cannot be kept: {error}"),
        }
    }
}

/// The rules, changed by one at a time and read by all.
#[derive(Debug)]
pub(crate) struct Rules {
    paths: Paths,
    now: Mutex<Arc<InForce>>,
    changing: Mutex<()>,
}

impl Rules {
    /// Reads them. There is always a policy.
    pub(crate) fn load(paths: &Paths) -> Self {
        let in_force = read(paths, None);
        let rules = Self { paths: paths.clone(), now: Mutex::new(Arc::new(in_force)), changing: Mutex::new(()) };
        rules.put(InForce::clone(&rules.now()));
        rules
    }

    /// What is in force.
    pub(crate) fn now(&self) -> Arc<InForce> {
        lock(&self.now).clone()
    }

    /// Reads the files again.
    pub(crate) fn reload(&self) -> PolicyState {
        let _one = lock(&self.changing);
        self.put(read(&self.paths, Some(&self.now())))
    }

    /// Gives helpers the rules that they could not be given before, once there is room. Answers whether that was done now.
    pub(crate) fn give_again(&self) -> bool {
        if self.now().state.compile_fault.is_none() {
            return false;
        }
        let _one = lock(&self.changing);
        self.put(InForce::clone(&self.now())).compile_fault.is_none()
    }

    /// Grants something from now on.
    pub(crate) fn grant(&self, what: Granted, length: Duration, by: String) -> Result<Grant, GrantFault> {
        if length > LONGEST_GRANT {
            return Err(GrantFault::TooLong);
        }
        let since = stamp::now();
        let length = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let grant = Grant { what, since, until: since.saturating_add(length), by };
        self.change_grants(|grants| {
            grants.retain(|other| other.what != grant.what);
            grants.push(grant.clone());
        })?;
        Ok(grant)
    }

    /// Takes grants back; answers how many.
    pub(crate) fn revoke(&self, what: &Granted) -> Result<usize, GrantFault> {
        let mut gone = 0;
        self.change_grants(|grants| {
            let before = grants.len();
            grants.retain(|grant| grant.what != *what);
            gone = before.saturating_sub(grants.len());
        })?;
        Ok(gone)
    }

    fn change_grants(&self, change: impl FnOnce(&mut Vec<Grant>)) -> Result<(), GrantFault> {
        let _one = lock(&self.changing);
        let mut in_force = InForce::clone(&self.now());
        in_force.grants.retain(|grant| !grant.has_ended(stamp::now()));
        change(&mut in_force.grants);
        if in_force.grants.len() > grants::MAX_GRANTS {
            return Err(GrantFault::TooMany);
        }
        grants::save(&self.paths.grants(), &in_force.grants).map_err(GrantFault::File)?;
        self.put(in_force);
        Ok(())
    }

    /// Puts rules in force, and gives them to helpers.
    fn put(&self, mut in_force: InForce) -> PolicyState {
        let current = compiled::read(&self.paths.compiled()).ok();
        let same = current.is_some_and(|current| current.policy == in_force.policy && current.grants == in_force.grants);
        in_force.state.compile_fault = None;
        if !same && let Err(error) = compiled::write(&self.paths.compiled(), &in_force.policy, &in_force.grants) {
            in_force.state.compile_fault = Some(error.to_string());
        }
        let state = in_force.state.clone();
        *lock(&self.now) = Arc::new(in_force);
        state
    }
}

/// The best policy that there is; `before` is the one that is in force.
fn read(paths: &Paths, before: Option<&InForce>) -> InForce {
    let last = compiled::read(&paths.compiled()).ok();
    let granted = match grants::load(&paths.grants()) {
        Ok(granted) => granted,
        // A damaged file loses nobody's grants as long as the compiled policy has them.
        Err(_) => before.map(|before| before.grants.clone()).or_else(|| last.as_ref().map(|last| last.grants.clone())).unwrap_or_default(),
    };
    let (policy, source, fault) = match Policy::load(paths) {
        Ok(policy) if policy.files.is_empty() => (policy, Source::Default, None),
        Ok(policy) => (policy, Source::Files, None),
        Err(error) => {
            let older = before.map(|before| before.policy.clone()).or_else(|| last.map(|last| last.policy));
            let source = if older.is_some() { Source::LastGood } else { Source::Default };
            (older.unwrap_or_default(), source, Some(error.to_string()))
        }
    };
    let state = PolicyState {
        mode: policy.mode,
        rules: policy.rules.len(),
        source,
        files: policy.files.iter().map(|file| file.display().to_string()).collect(),
        fault,
        compile_fault: None,
        since: stamp::now(),
    };
    InForce { policy, grants: granted, state }
}
