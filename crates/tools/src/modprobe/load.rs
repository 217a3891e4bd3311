//! Loading.

use kmod::Error;
use kmod::act::{self, Conditions, Event, Failure, OnFailure};
use kmod::error::errno_text;
use kmod::explain::{Reason, Refusal, explain, facts, is_about, passed_over};
use kmod::kernel::{Force, Kernel, Lifetime};
use kmod::linux::log::LogMark;
use kmod::lookup::{Match, Via, find};
use kmod::name;
use kmod::plan::{self, Action, Commands, InsertRequest, Plan, Step, Why};
use kmod::text;
use kmod::tree::Tree;
use uapi::Errno;

use super::Modprobe;
use super::session::Session;
use crate::target::Target;
use crate::{Console, Failed, Outcome};

/// Loads the modules that the words name. After one that fails, the others are still tried with `-a`.
pub(super) fn load<K: Kernel>(options: &Modprobe, session: &Session, kernel: &mut K, console: &mut Console) -> Outcome {
    let (targets, parameters) = options.targets();
    let mut outcome = Ok(());
    for word in targets {
        let done = plans(options, session, word, &parameters, console).and_then(|plans| {
            let mut each = Ok(());
            for (target, plan) in plans {
                each = run(options, session, &target, &plan, kernel, console).and(each);
            }
            each
        });
        outcome = outcome.and(done);
    }
    outcome
}

/// The plans for all modules that a word stands for.
pub(super) fn plans(
    options: &Modprobe,
    session: &Session,
    word: &str,
    parameters: &str,
    console: &mut Console,
) -> Result<Vec<(Match, Plan)>, Failed> {
    let request = InsertRequest {
        options: parameters.to_owned(),
        commands: if options.ignore_install { Commands::Ignore } else { Commands::Obey },
        blacklist_names: options.use_blacklist,
        ignore_forbid: options.ignore_forbid,
    };
    let mut plans = Vec::new();
    for target in targets(options, session, word, console)? {
        match plan::insert(&session.tree, &session.config, &target, &request) {
            Ok(plan) => plans.push((target, plan)),
            Err(error) => {
                console.error(format_args!("could not insert '{}': {error}", target.module));
                return Err(Failed);
            }
        }
    }
    session.tell_problems(console);
    Ok(plans)
}

/// The modules that a word stands for: a file if it begins like a path, else what the look-up finds.
pub(super) fn targets(options: &Modprobe, session: &Session, word: &str, console: &mut Console) -> Result<Vec<Match>, Failed> {
    if name::is_path(word) {
        if !text::to_path(word).is_file() {
            options.complain(console, format_args!("Module {word} not found in directory {}", text::of_path(session.tree.directory())));
            return Err(Failed);
        }
        return Ok(vec![Match { word: word.to_owned(), module: name::from_path(word), alias: Some(word.to_owned()), via: Via::Path }]);
    }
    find(&session.tree, &session.config, word).map_err(|error| {
        match error {
            Error::NotFound { name, directory } => {
                session.not_found();
                options.complain(console, format_args!("Module {name} not found in directory {}", text::of_path(&directory)));
            }
            other => console.fatal(other),
        }
        Failed
    })
}

fn run<K: Kernel>(options: &Modprobe, session: &Session, target: &Match, plan: &Plan, kernel: &mut K, console: &mut Console) -> Outcome {
    for left in &plan.left_out {
        console.info(format_args!("{} is left out: {} ({})", left.module, left.rule, left.place));
    }
    if options.dry_run {
        return dry_run(options, target, plan, kernel, console);
    }
    let hosted = matches!(options.kernel.target(), Target::Hosted(_));
    let conditions = Conditions {
        force: Force { vermagic: options.force || options.force_vermagic, modversion: options.force || options.force_modversion },
        lifetime: if options.autoclean { Lifetime::Autoclean } else { Lifetime::Manual },
        on_failure: if hosted { OnFailure::Remove } else { OnFailure::Keep },
        first_time: options.first_time,
        command_options: options.for_commands(),
    };
    let mut printed = Ok(());
    let mut warnings = Vec::new();
    let mut inserted = Vec::new();
    // The kernel's helper is always quiet (`-q`): finding reasons means reading the module and the kernel's symbols.
    let log = (!hosted && !console.is_silent()).then(LogMark::now);
    let done = act::load(kernel, plan, &conditions, &mut |event| match event {
        Event::Step(step) => {
            // Before it is done: a start that hangs is named, and what a command prints stands behind the command.
            if let Some(line) = step.line().filter(|_| options.verbose) {
                printed = console.print(&format!("{line}\n")).and(printed);
            }
            inserted.push(step.clone());
        }
        Event::Warning(text) => warnings.push(text),
    });
    warnings.iter().for_each(|text| console.warning(text));
    let log = log.map(LogMark::lines).unwrap_or_default();
    for step in &inserted {
        odd(step, &log).iter().for_each(|reason| console.warning(format_args!("{}: {reason}", step.module)));
    }
    let loaded = done.map_err(|failure| {
        let reasons =
            if hosted || console.is_silent() { Vec::new() } else { reasons::<K>(&session.tree, &failure, conditions.force, &log) };
        let told = match &reasons[..] {
            _ if hosted => Told::InFull,
            [Reason::InitFailed { errno }, ..] => Told::ByStart { errno: *errno },
            _ => Told::ByNumber,
        };
        report::<K>(target, failure, told, console);
        reasons.iter().for_each(|reason| console.error(format_args!("{}: {reason}", target.module)));
        Failed
    });
    loaded.and(printed)
}

/// What the kernel only logged of a module that it took.
fn odd(step: &Step, log: &[String]) -> Vec<Reason> {
    match &step.action {
        // Most modules are never spoken of: their files need not be read again.
        Action::Insert { path } if log.iter().any(|line| is_about(line, &step.module)) => {
            passed_over(log, &step.options, &facts::of_module(path))
        }
        _ => Vec::new(),
    }
}

/// Why Linux refused a step.
fn reasons<K: Kernel>(tree: &Tree, failure: &Failure<K::Error>, force: Force, log: &[String]) -> Vec<Reason> {
    let Failure::Kernel { step, error } = failure else { return Vec::new() };
    let (Action::Insert { path }, Some(errno)) = (&step.action, K::number(error)) else { return Vec::new() };
    let refusal = Refusal { errno, parameters: &step.options, force, log };
    explain(&refusal, &facts::of_module(path), &facts::of_kernel(Some(tree)), tree)
}

/// How much the error of a kernel says by itself.
#[derive(Clone, Copy)]
enum Told {
    /// Everything: a hosted kernel's.
    InFull,
    /// A number, which has a text in kmod's words: Linux's. Reasons follow.
    ByNumber,
    /// A number that the module's own start answered, so that kmod's words do not fit.
    ByStart { errno: i32 },
}

/// The words that kmod has for an error number.
fn words_for(errno: i32) -> String {
    match Errno::from_number(errno) {
        Some(Errno::EEXIST) => "Module already in kernel".to_owned(),
        Some(Errno::ENOENT) => "Unknown symbol in module, or unknown parameter (see dmesg)".to_owned(),
        _ => errno_text(errno),
    }
}

/// With `-v`, prints the steps that would be done with what is loaded now. As without `-n`, what is there already is an error with
/// `--first-time`.
fn dry_run<K: Kernel>(options: &Modprobe, target: &Match, plan: &Plan, kernel: &mut K, console: &mut Console) -> Outcome {
    if !options.verbose && !options.first_time {
        return Ok(());
    }
    let loaded = kernel.modules().unwrap_or_default();
    let present = |step: &Step| step.builtin || loaded.iter().any(|m| name::from_word(&m.name) == step.module);
    if options.first_time && plan.steps.iter().any(|step| matches!(step.why, Why::Asked { .. }) && present(step)) {
        report::<K>(target, Error::AlreadyLoaded { module: target.module.clone() }.into(), Told::InFull, console);
        return Err(Failed);
    }
    if !options.verbose {
        return Ok(());
    }
    let lines = plan.steps.iter().filter(|step| !present(step)).filter_map(Step::line);
    console.print(&lines.map(|line| format!("{line}\n")).collect::<String>())
}

fn report<K: Kernel>(target: &Match, failure: Failure<K::Error>, told: Told, console: &mut Console) {
    let module = &target.module;
    match failure {
        Failure::Own(Error::AlreadyLoaded { .. }) => console.error(format_args!("could not insert '{module}': Module already in kernel")),
        Failure::Own(error) => console.error(format_args!("could not insert '{module}': {error}")),
        Failure::Missing { module } => {
            console.error(format_args!("could not insert '{module}': no module of the tree has this name"));
        }
        Failure::Kernel { step, error } => {
            let because = match &step.why {
                Why::Asked { .. } => String::new(),
                why => format!(" ({why})"),
            };
            let start = format!("could not insert '{}'{because}", step.module);
            match (told, K::number(&error)) {
                (Told::ByStart { errno }, _) => console.error(format_args!("{start}: {}", errno_text(errno))),
                (Told::ByNumber, Some(errno)) => console.error(format_args!("{start}: {}", words_for(errno))),
                _ => console.error(format_args!("{start}: {error}")),
            }
        }
    }
}
