//! Completions of the commands: their options and words, and in bash the names of modules and releases, too.

use clap::{ArgAction, Command};
use clap_complete::Shell;

/// What the words of a command name, beside files: shell commands that print them, one on each line.
const NAMED: [(&str, &str); 4] = [("modprobe", OF_TREE), ("modinfo", OF_TREE), ("rmmod", LOADED), ("depmod", RELEASES)];

/// The modules of the running kernel's tree, by the names of their files.
const OF_TREE: &str =
    r#"sed -e 's/:.*//' -e 's,.*/,,' -e 's/\.k\{0,1\}o\(\.[a-z]*\)\{0,1\}$//' "${MODULES_ROOT:-}/lib/modules/$(uname -r)/modules.dep""#;

const LOADED: &str = "sed -e 's/ .*//' /proc/modules";

const RELEASES: &str = r#"ls "${MODULES_ROOT:-}/lib/modules""#;

/// The completions of a definition.
pub(crate) fn completion(shell: Shell, name: &str, mut definition: Command) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definition, name, &mut text);
    if let (Shell::Bash, Some((_, list))) = (shell, NAMED.iter().find(|(named, _)| *named == name)) {
        text.extend_from_slice(names(name, list, &definition).as_bytes());
    }
    text
}

/// A function around the one for options, which adds names where no option and no value of one stands. Bash expands the words that it
/// compares, so that names with letters that mean something to it are left out. A name may be begun with `_` though its file has `-`.
fn names(command: &str, list: &str, definition: &Command) -> String {
    let values = valued(definition).join("|");
    format!(
        r#"
_{command}_and_names() {{
    _{command} "$@"
    case "$2" in -*) return 0 ;; esac
    case "$3" in {values}) return 0 ;; esac
    local dashes=
    case "$2" in *_*) dashes=y/-/_/ ;; esac
    COMPREPLY+=($(compgen -W "$({list} 2>/dev/null | grep -x '[[:alnum:]_.,+-]*' | sed -e "$dashes")" -- "$2"))
}}
complete -F _{command}_and_names -o bashdefault -o default {command}
"#
    )
}

/// The options that take a value.
fn valued(definition: &Command) -> Vec<String> {
    let takes = definition.get_arguments().filter(|argument| matches!(argument.get_action(), ArgAction::Set | ArgAction::Append));
    let options = takes.filter(|argument| !argument.is_positional());
    options
        .flat_map(|argument| {
            let long = argument.get_long().map(|long| format!("--{long}"));
            long.into_iter().chain(argument.get_short().map(|short| format!("-{short}")))
        })
        .collect()
}
