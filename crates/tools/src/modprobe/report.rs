//! What modprobe says about a tree and its configuration: lint, closures, graphs.

use std::fmt::Write as _;

use clap::ValueEnum;
use kmod::closure::{Closure, closure};
use kmod::graph::{Drawing, Graph};
use kmod::kernel::Kernel;
use kmod::lint::{Effect, Remark, lint};
use kmod::plan::{self, Plan};
use kmod::text;
use serde_json::json;

use super::session::Session;
use super::{Modprobe, load, unload};
use crate::{Console, Failed, Outcome};

/// The forms that a graph can have on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphForm {
    /// A tree of lines
    Tree,
    /// The language of Graphviz
    Dot,
    /// A picture
    Svg,
}

impl From<GraphForm> for Drawing {
    fn from(form: GraphForm) -> Self {
        match form {
            GraphForm::Tree => Self::Tree,
            GraphForm::Dot => Self::Dot,
            GraphForm::Svg => Self::Svg,
        }
    }
}

/// `--lint`: status 1 if a line has no effect.
pub(super) fn lint_configuration(options: &Modprobe, session: &Session, console: &mut Console) -> Outcome {
    let remarks = lint(&session.tree, &session.config).map_err(|e| fail(console, e))?;
    if options.json {
        console.print_json(&json!(remarks))?;
    } else {
        let shown = |r: &&Remark| options.verbose || r.effect != Effect::Full || !r.reasons.is_empty();
        console.print(&remarks.iter().filter(shown).map(|r| format!("{r}\n")).collect::<String>())?;
    }
    if remarks.iter().any(|r| r.effect == Effect::None) { Err(Failed) } else { Ok(()) }
}

/// `--show-closure`: lines `module PATH`, `firmware FILE`, `builtin NAME`, `unknown NAME` and `forbidden NAME`. A word that stands for nothing is an error, and
/// what the others need is printed all the same.
pub(super) fn show_closure(options: &Modprobe, session: &Session, console: &mut Console) -> Outcome {
    let mut outcome = Ok(());
    let mut words = Vec::new();
    for word in &options.words {
        match load::targets(options, session, word, console) {
            Ok(_) => words.push(word.clone()),
            Err(Failed) => outcome = Err(Failed),
        }
    }
    let closure = closure(&session.tree, &session.config, &words).map_err(|e| fail(console, e))?;
    let printed = if options.json { console.print_json(&json!(closure)) } else { console.print(&closure_text(&closure)) };
    printed.and(outcome)
}

fn closure_text(closure: &Closure) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for member in &closure.modules {
        let _ = writeln!(out, "module {}", text::of_path(&member.path));
        for firmware in &member.firmware {
            let _ = writeln!(out, "firmware {firmware}");
        }
    }
    for name in &closure.builtin {
        let _ = writeln!(out, "builtin {name}");
    }
    for name in &closure.unknown {
        let _ = writeln!(out, "unknown {name}");
    }
    for name in &closure.forbidden {
        let _ = writeln!(out, "forbidden {name}");
    }
    out
}

/// `--graph`: with `-n`, `-D` or `-r` of the plan for the words, else of the modules that they stand for; without words of what is loaded.
pub(super) fn graph<K: Kernel>(options: &Modprobe, form: GraphForm, session: &Session, kernel: &mut K, console: &mut Console) -> Outcome {
    if options.words.is_empty() {
        let loaded = kernel.modules().map_err(|e| fail(console, e))?;
        return console.print(&Graph::of_loaded(&loaded).draw(form.into()));
    }
    if options.dry_run || options.show_depends || options.remove {
        return plan_graphs(options, form, session, kernel, console);
    }
    let mut found = Vec::new();
    for word in &options.words {
        found.extend(load::targets(options, session, word, console)?);
    }
    let graph = Graph::of_tree(&session.tree, &session.config, &found).map_err(|e| fail(console, e))?;
    console.print(&graph.draw(form.into()))
}

/// One graph of the plans for all words; with `-D` as if nothing were loaded.
fn plan_graphs<K: Kernel>(options: &Modprobe, form: GraphForm, session: &Session, kernel: &mut K, console: &mut Console) -> Outcome {
    let mut loaded = Vec::new();
    if !options.show_depends || options.remove {
        loaded = kernel.modules().map_err(|e| fail(console, e))?;
    }
    let mut all = Plan::default();
    if options.remove {
        for word in &options.words {
            for target in unload::targets(session, word, &loaded, console)? {
                let plan = plan::remove(&session.tree, &session.config, &loaded, &target, &options.remove_request());
                let plan = plan.map_err(|error| unload::unplanned(&loaded, error, console))?;
                all.steps.extend(plan.steps);
            }
        }
    } else {
        let (words, parameters) = options.targets();
        for word in words {
            for (_, plan) in load::plans(options, session, word, &parameters, console)? {
                all.steps.extend(plan.steps);
                all.left_out.extend(plan.left_out);
            }
        }
    }
    let graph = Graph::of_plan(&session.tree, &all, &loaded).map_err(|e| fail(console, e))?;
    console.print(&graph.draw(form.into()))
}

fn fail(console: &mut Console, error: impl std::fmt::Display) -> Failed {
    console.fatal(error);
    Failed
}
