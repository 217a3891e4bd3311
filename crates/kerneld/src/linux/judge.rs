//! The policy in force, for commands that decide without the daemon.

use std::time::{SystemTime, UNIX_EPOCH};

use demand::policy::{Grant, Policy, Question, Wanted, compiled};
use demand::{Class, Decision, Paths, RequestName, Requester};
use kmod::plan::{Action, Plan, Why};

/// A policy with its grants.
#[derive(Debug)]
pub(super) struct Judge {
    policy: Policy,
    grants: Vec<Grant>,
}

impl Judge {
    /// What the helper would decide by: the compiled policy, else the administrator's files, else the policy that loads everything and
    /// records it. Complaints are about files that are there and cannot be used.
    pub(super) fn in_force(paths: &Paths) -> (Self, Vec<String>) {
        let mut complaints = Vec::new();
        match compiled::read(&paths.compiled()) {
            Ok(compiled) => return (Self { policy: compiled.policy, grants: compiled.grants }, complaints),
            Err(compiled::CompiledError::File(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => complaints.push(format!("{}: {error}", paths.compiled().display())),
        }
        let policy = Policy::load(paths).unwrap_or_else(|error| {
            complaints.push(format!("{error}; everything is loaded"));
            Policy::default()
        });
        (Self { policy, grants: Vec::new() }, complaints)
    }

    /// A policy that is given, without grants.
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, grants: Vec::new() }
    }

    /// The policy.
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides on a request and its plan.
    pub(super) fn decide(&self, name: &RequestName, requesters: &[Requester], plan: &Plan) -> Decision {
        let modules: Vec<Wanted<'_>> = plan
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Insert { .. } | Action::Install { .. }))
            .map(|step| Wanted { module: &step.module, asked: matches!(step.why, Why::Asked { .. }), required: step.required })
            .collect();
        let class = Class::of(name.as_str());
        self.policy.decide(&self.grants, &Question { name, class, requesters, modules: &modules, now: now() })
    }
}

/// Microseconds since 1970, UTC.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A plan without the modules that a decision leaves out, and without what only they need.
pub(super) fn without(plan: &Plan, left_out: &[String]) -> Plan {
    let mut plan = plan.clone();
    let mut gone: Vec<String> = left_out.to_vec();
    while let Some(module) = gone.pop() {
        plan.steps.retain(|step| step.required || step.module != module);
        let orphan = |step: &kmod::plan::Step| match &step.why {
            Why::Dependency { of } | Why::SoftdepPre { of, .. } | Why::SoftdepPost { of, .. } => !step.required && *of == module,
            _ => false,
        };
        gone.extend(plan.steps.iter().filter(|step| orphan(step)).map(|step| step.module.clone()));
    }
    plan
}
