//! What modprobe says about a tree and its configuration: lint, closures, graphs.

use std::fmt::Write as _;

use clap::ValueEnum;
use kmod::closure::{Closure, closure};
use kmod::graph::{Drawing, Graph};
use kmod::kernel::Kernel;
use kmod::lint::{Effect, Remark, lint};
use serde_json::json;

use super::session::Session;
use super::{Modprobe, load};
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
        console.print(&format!("{:#}\n", json!(remarks)))?;
    } else {
        let shown = |r: &&Remark| options.verbose || r.effect != Effect::Full || !r.reasons.is_empty();
        console.print(&remarks.iter().filter(shown).map(|r| format!("{r}\n")).collect::<String>())?;
    }
    if remarks.iter().any(|r| r.effect == Effect::None) { Err(Failed) } else { Ok(()) }
}

/// `--show-closure`: lines `module PATH`, `firmware FILE`, `builtin NAME` and `unknown NAME`.
pub(super) fn show_closure(options: &Modprobe, session: &Session, console: &mut Console) -> Outcome {
    let closure = closure(&session.tree, &session.config, &options.words).map_err(|e| fail(console, e))?;
    if options.json {
        return console.print(&format!("{:#}\n", json!(closure)));
    }
    console.print(&closure_text(&closure))
}

fn closure_text(closure: &Closure) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for member in &closure.modules {
        let _ = writeln!(out, "module {}", member.path.display());
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
    out
}

/// `--graph`: of the modules that the words stand for, or without words of what is loaded.
pub(super) fn graph<K: Kernel>(options: &Modprobe, form: GraphForm, session: &Session, kernel: &mut K, console: &mut Console) -> Outcome {
    let graph = if options.words.is_empty() {
        Graph::of_loaded(&kernel.modules().map_err(|e| fail(console, e))?)
    } else {
        let mut found = Vec::new();
        for word in &options.words {
            found.extend(load::targets(options, session, word, console)?);
        }
        Graph::of_tree(&session.tree, &session.config, &found).map_err(|e| fail(console, e))?
    };
    console.print(&graph.draw(form.into()))
}

fn fail(console: &mut Console, error: impl std::fmt::Display) -> Failed {
    console.fatal(error);
    Failed
}
