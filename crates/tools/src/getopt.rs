//! What getopt takes on a command line and the parser would not by itself: an option that stands twice, of which the last counts; a value
//! that begins with a dash, or is empty; words that are not UTF-8, which are bytes to Linux (see [`kmod::text`]).

use std::any::TypeId;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, Command};

/// The definition of a command that takes all this.
pub(crate) fn lenient(definition: Command) -> Command {
    definition.args_override_self(true).mut_args(argument)
}

fn argument(argument: Arg) -> Arg {
    if !argument.get_action().takes_values() {
        return argument;
    }
    let kind = argument.get_value_parser().type_id();
    // A word that begins with a dash is an option, unless an option stands before it that takes a value.
    let positional = argument.is_positional();
    let argument = if positional { argument } else { argument.allow_hyphen_values(true) };
    if kind == TypeId::of::<String>() {
        argument.value_parser(OsStringValueParser::new().map(|word| kmod::text::of_os(&word).into_owned()))
    } else if kind == TypeId::of::<PathBuf>() {
        argument.value_parser(OsStringValueParser::new().map(PathBuf::from))
    } else {
        argument
    }
}

#[cfg(test)]
mod tests {
    use super::lenient;
    use crate::applet::APPLETS;

    /// Every option of every command may stand twice, and one that takes a path or a text takes any.
    #[test]
    fn options_may_stand_twice_and_values_may_be_any_bytes() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;
        for applet in APPLETS {
            let mut definition = lenient((applet.definition)());
            definition.build();
            let lone = |option: &clap::Arg| !option.is_positional() && !["help", "version"].contains(&option.get_id().as_str());
            for option in definition.get_arguments().filter(|option| lone(option)) {
                let name =
                    option.get_long().map(|long| format!("--{long}")).or_else(|| option.get_short().map(|short| format!("-{short}")));
                let mut words = vec![OsString::from(applet.name)];
                for value in [b"-1".to_vec(), b"\xff".to_vec()] {
                    words.extend(name.clone().map(OsString::from));
                    let values: Vec<_> = option.get_possible_values().iter().map(|value| OsString::from(value.get_name())).collect();
                    if option.get_action().takes_values() {
                        let number = option.get_value_parser().type_id() == std::any::TypeId::of::<u64>();
                        words.push(if number { "1".into() } else { values.first().cloned().unwrap_or_else(|| OsString::from_vec(value)) });
                    }
                }
                words.extend(["x".into(), "y".into()]);
                if let Err(error) = definition.clone().try_get_matches_from(&words) {
                    let kind = error.kind();
                    use clap::error::ErrorKind::{ArgumentConflict, InvalidUtf8, InvalidValue};
                    assert!(![ArgumentConflict, InvalidUtf8, InvalidValue].contains(&kind), "{words:?}: {error}");
                }
            }
        }
    }
}
