//! The table of commands.

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::{Console, Failed, Outcome, multicall};

/// A command: its name, its one definition, and what it does.
pub struct Applet {
    /// The name that it is called by.
    pub name: &'static str,
    /// Options, arguments and texts. Parser, help, man page and completions are made from it.
    pub definition: fn() -> Command,
    /// Runs it with parsed arguments.
    pub run: fn(&ArgMatches, &mut Console) -> Outcome,
    /// An environment variable whose words are put before the arguments.
    pub options_variable: Option<&'static str>,
}

/// What a command's options do once they are parsed.
pub(crate) trait Run: CommandFactory + FromArgMatches {
    /// Does the work; messages go to the console.
    fn run(self, console: &mut Console) -> Outcome;
}

/// The table entry of a command whose definition is a type.
const fn of<R: Run>(name: &'static str) -> Applet {
    Applet { name, definition: R::command, run: run_parsed::<R>, options_variable: None }
}

/// From matches to the typed options, and on.
fn run_parsed<R: Run>(matches: &ArgMatches, console: &mut Console) -> Outcome {
    match R::from_arg_matches(matches) {
        Ok(options) => options.run(console),
        Err(error) => {
            console.error(error);
            Err(Failed)
        }
    }
}

/// All commands, in the order of the help text.
pub const APPLETS: &[Applet] = &[
    of::<crate::insmod::Insmod>("insmod"),
    Applet { options_variable: Some(multicall::MODPROBE_OPTIONS), ..of::<crate::modprobe::Modprobe>("modprobe") },
    of::<crate::depmod::Depmod>("depmod"),
    of::<crate::modinfo::Modinfo>("modinfo"),
    of::<crate::static_nodes::StaticNodes>("static-nodes"),
    of::<crate::rmmod::Rmmod>("rmmod"),
    of::<crate::lsmod::Lsmod>("lsmod"),
    of::<crate::ksyms::Ksyms>("ksyms"),
    of::<crate::kdstat::Kdstat>("kdstat"),
    of::<crate::modpost::Modpost>("modpost"),
    of::<crate::request::Request>(crate::request::NAME),
];
