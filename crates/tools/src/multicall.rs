//! Which command is meant: by the name of the program, or by the first word.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{ColorChoice, Command};
use kmod::text;

use crate::applet::{APPLETS, Applet};
use crate::{Console, abbreviation, getopt, manual, request};

/// The environment variable whose words are put before modprobe's arguments.
pub(crate) const MODPROBE_OPTIONS: &str = "MODPROBE_OPTIONS";

/// Names of the program itself: after them, the first word is the command.
pub(crate) const OWN_NAMES: [&str; 2] = ["modutils", "kmod"];

/// First words that stand for another name (`kmod list` is lsmod).
pub(crate) const SYNONYMS: [(&str, &str); 1] = [("list", "lsmod")];

/// The commands that kmod has too.
const OF_KMOD: [&str; 7] = ["kmod", "insmod", "modprobe", "depmod", "modinfo", "rmmod", "lsmod"];

/// What these say of their version: the one of kmod that they stand in for, in the two lines that scripts read, and their own.
const VERSION: &str = concat!("kmod version 34\n+ZSTD +XZ +ZLIB\nmodutils ", env!("CARGO_PKG_VERSION"), "\n");

/// Runs the program with its arguments, the name that it was called by first. Answers the exit status: 0 or 1.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let called = arguments.first().map(file_name).unwrap_or_default();
    if called == request::NAME
        && let Some(status) = request::plain_call(&arguments)
    {
        return status;
    }
    if let Some(applet) = find(&called) {
        return start(applet, arguments);
    }
    let word = arguments.get(1).and_then(|word| word.to_str());
    let meant = word.map(|word| SYNONYMS.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| to));
    if let Some(applet) = meant.and_then(find) {
        arguments.remove(0);
        return start(applet, arguments);
    }
    let own = OWN_NAMES.iter().find(|name| **name == called).unwrap_or(&OWN_NAMES[0]);
    manual::run(own, arguments)
}

/// The last component of the name that a program was called by.
fn file_name(name: &OsString) -> String {
    Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The command of this name.
fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name == name)
}

/// The words of a variable with options: parted by blanks, except within single or double quotes, which are dropped.
fn words(options: &str) -> Vec<OsString> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in options.chars() {
        match (character, quote) {
            ('"' | '\'', None) => quote = Some(character),
            (_, Some(open)) if open == character => quote = None,
            (' ' | '\t', None) => words.push(String::new()),
            _ => words.iter_mut().rev().take(1).for_each(|word| word.push(character)),
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).map(|word| text::to_os(&word)).collect()
}

/// Parses the arguments of a command and runs it.
fn start(applet: &'static Applet, mut arguments: Vec<OsString>) -> u8 {
    let options = applet.options_variable.and_then(std::env::var_os).unwrap_or_default();
    let behind_name = arguments.len().min(1);
    arguments.splice(behind_name..behind_name, words(&text::of_os(&options)));
    let mut console = Console::new(applet.name);
    let definition = getopt::lenient((applet.definition)());
    abbreviation::expand(applet.name, &definition, &mut arguments);
    match parse(definition, arguments, &mut console) {
        Ok(matches) => u8::from((applet.run)(&matches, &mut console).is_err()),
        Err(status) => status,
    }
}

/// Parses arguments. Help and version are printed, and a wrong line is told in the form of all messages; the status is then the
/// one to exit with.
pub(crate) fn parse(definition: Command, arguments: Vec<OsString>, console: &mut Console) -> Result<clap::ArgMatches, u8> {
    definition.color(ColorChoice::Auto).try_get_matches_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayVersion if OF_KMOD.contains(&console.program()) => u8::from(console.print(VERSION).is_err()),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => u8::from(error.print().is_err()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            drop(error.print());
            1
        }
        _ => {
            let told = error.render().to_string();
            console.error(told.strip_prefix("error: ").unwrap_or(&told).trim_end());
            1
        }
    })
}
