//! Carries out plans on a kernel.

use std::process::Command;

use crate::error::IoAction;
use crate::explain::Reason;
use crate::kernel::{Depth, Force, Globals, Insert, Kernel, Lifetime};
use crate::plan::{Action, OPTIONS, Plan, Step};
use crate::{Error, Result, name, text};

/// How a plan is carried out.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// Version checks to override.
    pub force: Force,
    /// Whether loaded modules may be cleaned away when idle (hosted kernels).
    pub lifetime: Lifetime,
    /// What becomes of modules that were loaded before a step failed.
    pub on_failure: OnFailure,
    /// Whether a module that is already there is an error (`--first-time`).
    pub first_time: bool,
    /// What `install` and `remove` commands find in `MODPROBE_OPTIONS`, so that a modprobe that they run obeys the options of this one:
    /// words parted by blanks. `None` leaves the variable as it is.
    pub command_options: Option<String>,
}

/// What becomes of modules that were loaded before a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// They stay, as on Linux today.
    #[default]
    Keep,
    /// They are removed again, as modutils did.
    Remove,
}

/// Why a plan failed.
#[derive(Debug)]
pub enum Failure<E> {
    /// Something on our side.
    Own(Error),
    /// The kernel refused a step.
    Kernel {
        /// The step.
        step: Box<Step>,
        /// Its answer.
        error: E,
    },
    /// A step that cannot be done: no module has that name.
    Missing {
        /// The name.
        module: String,
    },
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

/// Loads the modules of a plan. Modules that are already in the kernel are passed over; `watch` sees every step that is really done,
/// before it is.
///
/// # Errors
/// [`Failure`]; steps that are not required never fail a plan.
pub fn load<K: Kernel>(
    kernel: &mut K,
    plan: &Plan,
    conditions: &Conditions,
    watch: &mut dyn FnMut(Event<'_>),
) -> std::result::Result<(), Failure<K::Error>> {
    let mut loaded = Vec::new();
    for step in &plan.steps {
        let asked = matches!(step.why, crate::plan::Why::Asked { .. });
        if step.builtin || kernel.is_present(&step.module).unwrap_or(false) {
            if asked && conditions.first_time {
                return Err(Error::AlreadyLoaded { module: step.module.clone() }.into());
            }
            continue;
        }
        watch(Event::Step(step));
        match load_step(kernel, step, conditions, watch) {
            Ok(()) if matches!(step.action, Action::Insert { .. }) => loaded.push(step.module.clone()),
            Ok(()) => {}
            Err(Failure::Kernel { error, .. }) if (!asked || !conditions.first_time) && already_there::<K>(&error) => {
                watch_absent(kernel, step, watch);
            }
            Err(_) if !step.required => {}
            Err(failure) => {
                if conditions.on_failure == OnFailure::Remove {
                    for module in loaded.iter().rev() {
                        // What cannot be removed is in use by then, and stays.
                        let _ = kernel.delete(module, Force::default());
                    }
                }
                return Err(failure);
            }
        }
    }
    Ok(())
}

/// What happens while a plan is carried out.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step begins.
    Step(&'a Step),
    /// The kernel or the linker has something to say.
    Warning(String),
}

fn already_there<K: Kernel>(error: &K::Error) -> bool {
    K::errno(error) == Some(uapi::Errno::EEXIST)
}

/// Says so where a module that "exists" is not there: its own start gave that answer, as drivers do that find their place taken.
fn watch_absent<K: Kernel>(kernel: &mut K, step: &Step, watch: &mut dyn FnMut(Event<'_>)) {
    let absent = kernel.modules().is_ok_and(|modules| modules.iter().all(|m| name::from_word(&m.name) != step.module));
    if absent && matches!(step.action, Action::Insert { .. }) {
        let reason = Reason::InitFailed { errno: uapi::Errno::EEXIST.number() };
        watch(Event::Warning(format!("{} is not loaded: {reason}", step.module)));
    }
}

/// Carries out one step of a plan for loading, without looking whether its module is in the kernel already: for those who know, or who
/// carry out the steps of many plans in an order of their own.
///
/// # Errors
/// [`Failure`], also where the module is there already (`EEXIST`).
pub fn load_step<K: Kernel>(
    kernel: &mut K,
    step: &Step,
    conditions: &Conditions,
    watch: &mut dyn FnMut(Event<'_>),
) -> std::result::Result<(), Failure<K::Error>> {
    match &step.action {
        Action::Insert { path } => {
            let parameters = crate::config::words(&step.options);
            let request = Insert {
                path,
                name: None,
                parameters: &parameters,
                force: conditions.force,
                globals: Globals::Export,
                lifetime: conditions.lifetime,
                depth: Depth::Load,
            };
            let warnings = kernel.insert(&request).map_err(|error| Failure::Kernel { step: Box::new(step.clone()), error })?;
            warnings.into_iter().for_each(|w| watch(Event::Warning(w)));
            Ok(())
        }
        Action::Install { command, .. } => Ok(run_command(command, &step.module, &step.options, conditions)?),
        Action::Missing => Err(Failure::Missing { module: step.module.clone() }),
        Action::Builtin | Action::Remove | Action::RemoveCommand { .. } => Ok(()),
    }
}

/// Removes the modules of a plan; modules that are only removed because nothing uses them may stay. Of the conditions `force` counts, and
/// what commands are given.
///
/// # Errors
/// [`Failure`].
pub fn unload<K: Kernel>(
    kernel: &mut K,
    plan: &Plan,
    conditions: &Conditions,
    watch: &mut dyn FnMut(Event<'_>),
) -> std::result::Result<(), Failure<K::Error>> {
    for step in &plan.steps {
        watch(Event::Step(step));
        let done = match &step.action {
            Action::RemoveCommand { command, .. } => run_command(command, &step.module, "", conditions).map_err(Failure::Own),
            _ => kernel.delete(&step.module, conditions.force).map_err(|error| Failure::Kernel { step: Box::new(step.clone()), error }),
        };
        match done {
            Err(failure) if step.required => return Err(failure),
            _ => {}
        }
    }
    Ok(())
}

/// Runs an `install` or `remove` command with the shell. `$CMDLINE_OPTS` in it stands for the options, and the environment variable
/// `MODPROBE_MODULE` holds the module.
fn run_command(command: &str, module: &str, options: &str, conditions: &Conditions) -> Result<()> {
    let line = command.replace(OPTIONS, options);
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(text::to_os(&line)).env("MODPROBE_MODULE", text::to_os(module));
    if let Some(options) = &conditions.command_options {
        shell.env("MODPROBE_OPTIONS", text::to_os(options));
    }
    let status = shell.status().map_err(|e| Error::io(IoAction::Run, "/bin/sh".as_ref(), e))?;
    if status.success() { Ok(()) } else { Err(Error::Command { command: line, status: status.code() }) }
}
