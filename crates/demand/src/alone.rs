//! The helper without a daemon: the same decision by the compiled policy, and the load as modprobe would do it.
//!
//! Never "deny all": where no policy can be read, everything is loaded, and the record says so.

use std::time::Instant;

use kmod::kernel::Kernel;

use crate::carry::{Unguarded, carry};
use crate::judge::judge;
use crate::policy::{Grant, Policy, compiled};
use crate::resolve::{Resolved, Resolver};
use crate::stamp::{Stamp, now};
use crate::{Class, DecidedBy, Outcome, Paths, Record, RequestName, Requester};

/// By which policy the helper decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one that the daemon compiled last.
    Compiled,
    /// The administrator's files: there is no compiled one, or it is damaged.
    Files,
    /// None could be read: everything is loaded, and recorded.
    None,
}

impl Source {
    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Compiled => "the compiled policy",
            Self::Files => "the policy's files, because the compiled policy cannot be read",
            Self::None => "no policy, because none can be read",
        }
    }
}

/// A policy that could be read, and its grants.
#[derive(Clone, Debug)]
pub struct LastPolicy {
    /// Where it comes from.
    pub source: Source,
    /// The policy.
    pub policy: Policy,
    /// The grants.
    pub grants: Vec<Grant>,
}

impl LastPolicy {
    /// The administrator's policy where it can be read, else the best that there is.
    #[must_use]
    pub fn from_files(paths: &Paths) -> Self {
        match Policy::load(paths) {
            Ok(policy) => Self { source: Source::Files, policy, grants: Vec::new() },
            Err(_) => Self::read(paths),
        }
    }

    /// The best that can be read.
    #[must_use]
    pub fn read(paths: &Paths) -> Self {
        if let Ok(last) = compiled::read(&paths.compiled()) {
            return Self { source: Source::Compiled, policy: last.policy, grants: last.grants };
        }
        let grants = || crate::policy::grants::load(&paths.grants()).unwrap_or_default();
        match Policy::load(paths) {
            Ok(policy) if !policy.files.is_empty() => Self { source: Source::Files, policy, grants: grants() },
            _ => Self { source: Source::None, policy: Policy::default(), grants: Vec::new() },
        }
    }
}

/// Decides on a request, does what is to be done, and answers what is to be recorded.
#[must_use]
pub fn serve<K: Kernel>(paths: &Paths, kernel: &mut K, last: &LastPolicy, name: RequestName, requesters: Vec<Requester>) -> Record {
    let (start, time) = (Instant::now(), now());
    let release = kernel.release().unwrap_or_default();
    let resolved = match Resolver::open(paths, &release) {
        Ok(resolver) => resolver.resolve(&name),
        Err(error) => Resolved::faulty(&name, &error),
    };
    let judged = judge(&last.policy, &last.grants, &name, &requesters, &resolved, time);
    let (plan, outcome) = match judged.ends {
        Some(outcome) => (judged.plan, outcome),
        None => {
            let carried = carry(kernel, &judged.steps, &Unguarded);
            (carried.plan, carried.outcome)
        }
    };
    let stamp = Stamp::of(paths, &release);
    let requesters = if requesters.is_empty() { vec![Requester::unknown()] } else { requesters };
    Record {
        time,
        boot: stamp.boot,
        release: stamp.release,
        sequence: 0,
        class: Class::of(name.as_str()),
        request: name,
        requesters,
        decision: judged.decision,
        plan,
        outcome,
        duration: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        by: DecidedBy::Helper,
        repeated: 1,
    }
}

/// The exit status that the kernel is answered with: as modprobe's, but that a denied request fails.
#[must_use]
pub fn status(outcome: &Outcome) -> u8 {
    u8::from(!matches!(outcome, Outcome::Loaded | Outcome::Present))
}
