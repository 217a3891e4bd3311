//! Carries out what was decided: step by step, each under a guard that keeps others away from the module meanwhile.

use std::fmt;

use kmod::act::{self, Conditions, Failure};
use kmod::kernel::{Force, Insert, Kernel, Loaded};
use kmod::name;
use kmod::plan::{Action, Plan, Step};
use uapi::Errno;

use crate::{Outcome, PlanStep};

/// What keeps others away from a module while a step about it is done.
pub trait Guards {
    /// Held for the length of a step.
    type Guard;

    /// Takes the guard of a module.
    ///
    /// # Errors
    /// [`Busy`] where others do not let go of it.
    fn take(&self, module: &str) -> Result<Self::Guard, Busy>;
}

/// No guards: for a process that does one thing and ends. The kernel itself lets the second of two wait for the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unguarded;

impl Guards for Unguarded {
    type Guard = ();

    fn take(&self, _module: &str) -> Result<(), Busy> {
        Ok(())
    }
}

/// Another load or removal of the module did not come to its end in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The module.
    pub module: String,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another load or removal of `{}` does not come to its end", self.module)
    }
}

impl std::error::Error for Busy {}

/// What came of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The steps, with whether each put its module into the kernel.
    pub plan: Vec<PlanStep>,
    /// What came of all.
    pub outcome: Outcome,
}

/// A kernel that remembers what was inserted through it.
struct Noting<'a, K> {
    kernel: &'a mut K,
    inserted: Vec<String>,
}

impl<K: Kernel> Kernel for Noting<'_, K> {
    type Error = K::Error;

    fn release(&mut self) -> Result<String, K::Error> {
        self.kernel.release()
    }

    fn modules(&mut self) -> Result<Vec<Loaded>, K::Error> {
        self.kernel.modules()
    }

    fn is_present(&mut self, module: &str) -> Result<bool, K::Error> {
        self.kernel.is_present(module)
    }

    fn insert(&mut self, request: &Insert<'_>) -> Result<Vec<String>, K::Error> {
        let warnings = self.kernel.insert(request)?;
        self.inserted.push(name::from_file(request.path));
        Ok(warnings)
    }

    fn delete(&mut self, module: &str, force: Force) -> Result<(), K::Error> {
        self.kernel.delete(module, force)
    }

    fn errno(error: &K::Error) -> Option<Errno> {
        K::errno(error)
    }

    fn number(error: &K::Error) -> Option<i32> {
        K::number(error)
    }
}

/// Does the steps in their order. After one that fails and is required, no other is done.
pub fn carry<K: Kernel, G: Guards>(kernel: &mut K, steps: &[Step], guards: &G) -> Carried {
    let mut carried = Carried { plan: steps.iter().map(PlanStep::planned).collect(), outcome: Outcome::Present };
    if all_there(kernel, steps) {
        return carried;
    }
    let mut noting = Noting { kernel, inserted: Vec::new() };
    let mut did = false;
    for (step, entry) in steps.iter().zip(&mut carried.plan) {
        let command = matches!(step.action, Action::Install { .. });
        let done = one(&mut noting, step, guards);
        entry.loaded = noting.inserted.contains(&step.module);
        did |= entry.loaded || (command && done.is_ok());
        if let Err(failed) = done {
            carried.outcome = failed;
            return carried;
        }
    }
    if did {
        carried.outcome = Outcome::Loaded;
    }
    carried
}

/// Whether nothing is left to be done.
fn all_there<K: Kernel>(kernel: &mut K, steps: &[Step]) -> bool {
    steps.iter().all(|step| step.builtin || kernel.is_present(&step.module).unwrap_or(false))
}

fn one<K: Kernel, G: Guards>(kernel: &mut K, step: &Step, guards: &G) -> Result<(), Outcome> {
    let guard = guards.take(&step.module);
    let _held = match guard {
        Ok(guard) => guard,
        Err(_) if !step.required => return Ok(()),
        Err(busy) => return Err(Outcome::Failed { errno: Some(Errno::EBUSY.number()), text: busy.to_string() }),
    };
    let plan = Plan { steps: vec![step.clone()], left_out: Vec::new() };
    act::load(kernel, &plan, &Conditions::default(), &mut |_| {}).map_err(|failure| failed::<K>(&failure))
}

fn failed<K: Kernel>(failure: &Failure<K::Error>) -> Outcome {
    match failure {
        Failure::Own(error) => Outcome::Failed { errno: Some(error.errno()), text: error.to_string() },
        Failure::Kernel { step, error } => Outcome::Failed { errno: K::number(error), text: format!("{error} ({})", step.why) },
        Failure::Missing { module } => Outcome::Failed { errno: None, text: format!("no module of the tree has the name `{module}`") },
    }
}
