//! Which policy, and of which system.

use std::path::PathBuf;

use clap::Args;
use demand::policy::{Grant, Policy, PolicyError, grants};
use demand::resolve::{Resolver, Way};
use demand::{Paths, PlanStep, RequestName, stamp};

use crate::linux::cli::Failure;

/// The options of all commands about policies.
#[derive(Clone, Debug, Args)]
pub(super) struct Source {
    /// This file alone, instead of the policy and the drop-ins in /etc/kerneld
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Directory that stands for /
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The release whose modules count; by default that of the running kernel
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
}

impl Source {
    /// The files of the system.
    pub(super) fn paths(&self) -> Paths {
        Paths::under(&self.root)
    }

    /// The policy.
    pub(super) fn policy(&self) -> Result<Policy, PolicyError> {
        match &self.policy {
            Some(file) => Policy::load_file(file),
            None => Policy::load(&self.paths()),
        }
    }

    /// The grants of the system; none where only a file is looked at.
    pub(super) fn grants(&self) -> Result<Vec<Grant>, Failure> {
        if self.policy.is_some() {
            return Ok(Vec::new());
        }
        let path = self.paths().grants();
        Ok(grants::load(&path).map_err(|error| format!("`{}`: {error}", path.display()))?)
    }

    /// The release.
    pub(super) fn release(&self) -> String {
        self.release.clone().unwrap_or_else(kmod::linux::release)
    }

    /// The modules of the release, and the configuration of modprobe.
    pub(super) fn modules(&self) -> Result<Resolver, kmod::Error> {
        Resolver::open(&self.paths(), &self.release())
    }

    /// Whether the release has modules at all.
    pub(super) fn has_tree(&self) -> bool {
        Resolver::directory(&self.paths(), &self.release()).is_dir()
    }
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    stamp::now()
}

/// What would be loaded for a name, as records have it; what is built in is not.
pub(in crate::linux) fn plan_of(modules: &Resolver, name: &RequestName) -> Vec<PlanStep> {
    let mut plan: Vec<PlanStep> = Vec::new();
    for target in modules.resolve(name).targets {
        let Way::Plan { steps, .. } = target.way else { continue };
        let steps = steps.into_iter().map(|planned| planned.step).filter(|step| step.action != kmod::plan::Action::Builtin);
        for step in steps {
            if !plan.iter().any(|known| known.module == step.module) {
                plan.push(PlanStep::planned(&step));
            }
        }
    }
    plan
}

/// Whether a name stands for a module at all, be it one that is built in or kept out.
pub(in crate::linux) fn is_known(modules: &Resolver, name: &RequestName) -> bool {
    !modules.resolve(name).targets.is_empty()
}
