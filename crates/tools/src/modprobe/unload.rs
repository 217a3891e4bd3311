//! Unloading.

use std::time::{Duration, Instant};

use kmod::Error;
use kmod::act::{self, Conditions, Event, Failure};
use kmod::error::errno_text;
use kmod::explain::{Reason, Standing, explain_removal, facts};
use kmod::kernel::{Force, Kernel, Loaded};
use kmod::lookup::{Match, Via, lookup};
use kmod::name;
use kmod::plan::{self, Plan, RemoveRequest};

use super::Modprobe;
use super::session::Session;
use crate::target::Target;
use crate::{Console, Failed, Outcome};

/// The first pause of `--wait`; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// Unloads the modules that the words name; goes on after one that fails.
pub(super) fn unload<K: Kernel>(options: &Modprobe, session: &Session, kernel: &mut K, console: &mut Console) -> Outcome {
    let mut outcome = Ok(());
    for word in &options.words {
        outcome = unload_word(options, session, word, kernel, console).and(outcome);
    }
    outcome
}

fn unload_word<K: Kernel>(options: &Modprobe, session: &Session, word: &str, kernel: &mut K, console: &mut Console) -> Outcome {
    let loaded = kernel.modules().map_err(|e| fatal(console, e))?;
    let mut outcome = Ok(());
    for target in &targets(session, word, &loaded, console)? {
        outcome = unload_module(options, session, target, kernel, console).and(outcome);
    }
    outcome
}

/// The modules that a word stands for, in the tree or else among those that are loaded.
pub(super) fn targets(session: &Session, word: &str, loaded: &[Loaded], console: &mut Console) -> Result<Vec<Match>, Failed> {
    let found = lookup(&session.tree, &session.config, word).map_err(|e| fatal(console, e))?;
    if !found.is_empty() {
        return Ok(found);
    }
    if !loaded.iter().any(|m| name::from_word(&m.name) == name::from_word(word)) {
        console.fatal(format_args!("Module {word} not found."));
        return Err(Failed);
    }
    // Loaded from a file that no index knows.
    let module = name::from_word(word);
    Ok(vec![Match { word: module.clone(), module, alias: None, via: Via::Name }])
}

fn unload_module<K: Kernel>(options: &Modprobe, session: &Session, target: &Match, kernel: &mut K, console: &mut Console) -> Outcome {
    let request = options.remove_request();
    let deadline = Instant::now() + Duration::from_millis(options.wait.unwrap_or(0));
    let mut pause = FIRST_PAUSE;
    loop {
        let loaded = kernel.modules().map_err(|e| fatal(console, e))?;
        let attempt = attempt(options, session, &loaded, target, &request, kernel, console);
        match attempt {
            Err(Refusal::InUse) if Instant::now() < deadline => {
                std::thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
                pause = pause.saturating_mul(2);
            }
            Err(Refusal::InUse) => return Err(in_use(&loaded, &target.module, console)),
            Err(Refusal::Told) => return Err(Failed),
            Ok(()) => return Ok(()),
        }
    }
}

enum Refusal {
    /// Somebody uses the module: that may pass.
    InUse,
    /// Something else, which has been told.
    Told,
}

fn attempt<K: Kernel>(
    options: &Modprobe,
    session: &Session,
    loaded: &[Loaded],
    target: &Match,
    request: &RemoveRequest,
    kernel: &mut K,
    console: &mut Console,
) -> Result<(), Refusal> {
    let plan = plan::remove(&session.tree, &session.config, loaded, target, request).map_err(|error| match error {
        Error::InUse { .. } => Refusal::InUse,
        other => {
            let Failed = unplanned(loaded, other, console);
            Refusal::Told
        }
    })?;
    if options.dry_run {
        return show(options, &plan, console).map_err(|Failed| Refusal::Told);
    }
    let force = Force { vermagic: options.force, modversion: options.force };
    let mut printed = Ok(());
    let conditions = Conditions { force, command_options: options.for_commands(), ..Conditions::default() };
    let done = act::unload(kernel, &plan, &conditions, &mut |event| {
        if let Event::Step(step) = event
            && let Some(line) = step.line().filter(|_| options.verbose)
        {
            printed = console.print(&format!("{line}\n")).and(printed);
        }
    });
    let removed = done.map_err(|failure| match failure {
        Failure::Kernel { step, error } => refused::<K>(options, &step.module, loaded, &error, console),
        Failure::Own(error) => told(console, error),
        Failure::Missing { module } => told(console, format_args!("Module {module} not found.")),
    });
    removed.and(printed.map_err(|Failed| Refusal::Told))
}

/// What the kernel's answer means, told unless it is only that somebody uses the module.
fn refused<K: Kernel>(options: &Modprobe, module: &str, loaded: &[Loaded], error: &K::Error, console: &mut Console) -> Refusal {
    let hosted = matches!(options.kernel.target(), Target::Hosted(_));
    let (false, Some(errno)) = (hosted, K::number(error)) else {
        let in_use = K::errno(error).is_some_and(busy);
        return if in_use { Refusal::InUse } else { told(console, format_args!("could not remove '{module}': {error}")) };
    };
    let entry = loaded.iter().find(|entry| name::from_word(&entry.name) == module);
    let reasons = explain_removal(errno, entry.map_or(Standing::Removable, Standing::from), &facts::of_kernel(None));
    if reasons.is_empty() && K::errno(error).is_some_and(busy) {
        return Refusal::InUse;
    }
    let refusal = told(console, format_args!("could not remove '{module}': {}", errno_text(errno)));
    reasons.iter().for_each(|reason| console.error(format_args!("{module}: {reason}")));
    refusal
}

/// Why no plan for a removal could be made.
pub(super) fn unplanned(loaded: &[Loaded], error: Error, console: &mut Console) -> Failed {
    match error {
        Error::InUse { module, .. } => in_use(loaded, &module, console),
        Error::NotLoaded { module } => fatal(console, format_args!("Module {module} is not in kernel.")),
        Error::Builtin { module } => fatal(console, format_args!("Module {module} is builtin.")),
        other => fatal(console, other),
    }
}

fn in_use(loaded: &[Loaded], module: &str, console: &mut Console) -> Failed {
    let standing = loaded.iter().find(|m| name::from_word(&m.name) == module).map(Standing::from);
    let reason = match standing {
        Some(Standing::Starting) => format!(": {}", Reason::Starting),
        _ => users(loaded, module),
    };
    fatal(console, format_args!("Module {module} is in use{reason}."))
}

fn busy(errno: uapi::Errno) -> bool {
    matches!(errno, uapi::Errno::EBUSY | uapi::Errno::EAGAIN)
}

fn show(options: &Modprobe, plan: &Plan, console: &mut Console) -> Outcome {
    if !options.verbose {
        return Ok(());
    }
    console.print(&plan.steps.iter().filter_map(|s| s.line()).map(|line| format!("{line}\n")).collect::<String>())
}

/// Who uses a module, for the message.
fn users(loaded: &[Loaded], module: &str) -> String {
    let entry = loaded.iter().find(|m| name::from_word(&m.name) == module);
    match entry.map(|m| m.holders.join(" ")) {
        Some(holders) if !holders.is_empty() => format!(" by: {holders}"),
        _ => String::new(),
    }
}

fn told(console: &mut Console, text: impl std::fmt::Display) -> Refusal {
    console.fatal(text);
    Refusal::Told
}

fn fatal(console: &mut Console, text: impl std::fmt::Display) -> Failed {
    console.fatal(text);
    Failed
}
