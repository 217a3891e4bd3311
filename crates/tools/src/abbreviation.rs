//! Beginnings of long options, as getopt takes them: what stands for one option of kmod's tools stands for the same one here, although
//! there are more options now that begin so.

use std::ffi::OsString;

use clap::Command;

/// The long options of kmod's tools (kmod 30 and 34), by program. Options that do the same stand together, since a beginning that they
/// share is one of them; the first is the one that is known here.
const OF_KMOD: &[(&str, &[&[&str]])] = &[
    (
        "modprobe",
        &[
            &["all"],
            &["remove", "remove-dependencies"],
            &["remove-holders"],
            &["wait"],
            &["first-time"],
            &["ignore-install", "ignore-remove"],
            &["use-blacklist"],
            &["force"],
            &["force-modversion"],
            &["force-vermagic"],
            &["show-alias", "resolve-alias"],
            &["show-depends"],
            &["show-config", "showconfig"],
            &["show-modversions", "dump-modversions"],
            &["show-exports"],
            &["dry-run", "show"],
            &["config"],
            &["dirname"],
            &["set-version"],
            &["syslog"],
            &["quiet"],
            &["verbose"],
            &["version"],
            &["help"],
        ],
    ),
    (
        "depmod",
        &[
            &["all"],
            &["quick"],
            &["basedir"],
            &["moduledir"],
            &["outdir"],
            &["config"],
            &["symvers"],
            &["filesyms"],
            &["errsyms"],
            &["dry-run", "show"],
            &["symbol-prefix"],
            &["warn"],
            &["verbose"],
            &["version"],
            &["help"],
        ],
    ),
    (
        "modinfo",
        &[
            &["author"],
            &["description"],
            &["license"],
            &["parameters"],
            &["filename"],
            &["null"],
            &["modname"],
            &["field"],
            &["set-version"],
            &["basedir"],
            &["version"],
            &["help"],
        ],
    ),
    ("insmod", &[&["force"], &["force-modversion"], &["force-vermagic"], &["syslog"], &["verbose"], &["version"], &["help"]]),
    ("rmmod", &[&["force"], &["syslog"], &["verbose"], &["version"], &["help"]]),
    ("lsmod", &[&["syslog"], &["verbose"], &["version"], &["help"]]),
    ("static-nodes", &[&["output"], &["format"], &["help"]]),
];

/// Writes such beginnings out, up to a word `--`. What kmod does not know, or knows to be ambiguous, is left to the parser.
pub(crate) fn expand(program: &str, definition: &Command, arguments: &mut [OsString]) {
    let Some((_, options)) = OF_KMOD.iter().find(|(name, _)| *name == program) else { return };
    for argument in arguments.iter_mut().skip(1).take_while(|argument| *argument != "--") {
        let Some(long) = argument.to_str().and_then(|text| text.strip_prefix("--")) else { continue };
        let (begun, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        if is_known(definition, begun) {
            continue;
        }
        let mut meant = options.iter().filter(|names| names.iter().any(|name| name.starts_with(begun)));
        if let (Some([name, ..]), None) = (meant.next(), meant.next()) {
            *argument = value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")).into();
        }
    }
}

/// Whether an option has this whole name.
fn is_known(definition: &Command, name: &str) -> bool {
    definition
        .get_arguments()
        .any(|argument| argument.get_long() == Some(name) || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::{OF_KMOD, expand, is_known};
    use crate::applet::APPLETS;

    fn definition(program: &str) -> clap::Command {
        let applet = APPLETS.iter().find(|applet| applet.name == program).unwrap();
        (applet.definition)()
    }

    fn expanded(program: &str, argument: &str) -> String {
        let mut arguments = [program.into(), argument.into()];
        expand(program, &definition(program), &mut arguments);
        arguments[1].to_string_lossy().into_owned()
    }

    #[test]
    fn beginnings_stand_for_what_they_stand_for_in_kmod() {
        for (program, argument, wanted) in [
            ("modprobe", "--ig", "--ignore-install"),
            ("modprobe", "--show-c", "--show-config"),
            ("modprobe", "--showc", "--show-config"),
            ("modprobe", "--reso", "--show-alias"),
            ("modprobe", "--dirn=/x=y", "--dirname=/x=y"),
            ("modprobe", "--remove", "--remove"),
            ("modprobe", "--rem", "--rem"),
            ("modprobe", "--lin", "--lin"),
            ("depmod", "--sym", "--sym"),
            ("depmod", "--symv=/x", "--symvers=/x"),
            ("rmmod", "--f", "--force"),
            ("insmod", "--force-v", "--force-vermagic"),
            ("lsmod", "--verb", "--verbose"),
        ] {
            assert_eq!(expanded(program, argument), wanted, "{program} {argument}");
        }
        let mut arguments = ["modprobe".into(), "--".into(), "--ig".into()];
        expand("modprobe", &definition("modprobe"), &mut arguments);
        assert_eq!(arguments[2], "--ig", "no option any more");
    }

    #[test]
    fn every_option_of_kmod_is_known() {
        for (program, options) in OF_KMOD {
            let mut definition = definition(program);
            definition.build();
            let unknown: Vec<_> = options.iter().copied().flatten().filter(|name| !is_known(&definition, name)).collect();
            assert!(unknown.is_empty(), "{program}: {unknown:?}");
        }
    }
}
