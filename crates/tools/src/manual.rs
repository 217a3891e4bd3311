//! The program under its own names: help, and what packagers need: man pages, completions, links.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::applet::APPLETS;
use crate::completion::completion;
use crate::{Console, Failed, Outcome, multicall};

/// All module tools in one program
#[derive(Parser)]
#[command(version, subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
struct Own {
    #[command(subcommand)]
    task: Task,
}

/// What the program does for itself; the commands themselves never come here.
#[derive(Subcommand)]
enum Task {
    /// List the commands
    Help {
        /// Words that other programs of this kind take here; there is one list for all
        #[arg(hide = true)]
        ignored: Vec<OsString>,
    },
    /// Write a man page for every command
    Man {
        /// Directory to write `COMMAND.8` files to; it is made if it is not there
        directory: PathBuf,
    },
    /// Print the completions of a command, or write those of all of them
    Completions {
        /// Shell to write them for
        shell: Shell,
        /// Command to print them for
        #[arg(required_unless_present = "dir")]
        command: Option<String>,
        /// Directory to write a file for every command to
        #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
        dir: Option<PathBuf>,
    },
    /// Make a link to this program for every command
    Links {
        /// Directory to make them in
        directory: PathBuf,
    },
}

/// Commands that have no program of their own: they are words of kmod.
const WORDS_OF_KMOD: [&str; 1] = ["static-nodes"];

/// Runs the program's own tasks; answers the exit status.
pub(crate) fn run(name: &'static str, arguments: Vec<OsString>) -> u8 {
    let mut console = Console::new(name);
    let definition = definition(name);
    let matches = match multicall::parse(definition, arguments, &mut console) {
        Ok(matches) => matches,
        Err(status) => return status,
    };
    let outcome = match <Own as clap::FromArgMatches>::from_arg_matches(&matches) {
        Ok(Own { task: Task::Help { .. } }) => {
            let help = self::definition(name).render_help().to_string();
            console.print(&help)
        }
        Ok(Own { task: Task::Man { directory } }) => written(man(&directory), &directory, &mut console),
        Ok(Own { task: Task::Links { directory } }) => make_links(&directory, &mut console),
        Ok(Own { task: Task::Completions { shell, dir: Some(directory), .. } }) => {
            written(completions(shell, &directory), &directory, &mut console)
        }
        Ok(Own { task: Task::Completions { shell, command, dir: None } }) => {
            print_completions(shell, command.as_deref().unwrap_or_default(), &mut console)
        }
        Err(error) => {
            console.error(error);
            Err(Failed)
        }
    };
    u8::from(outcome.is_err())
}

/// The definition of the program itself, with the commands listed in its help.
pub(crate) fn definition(name: &'static str) -> clap::Command {
    let mut list = String::from("Module commands (call them by these names, or as the first word):\n");
    for applet in APPLETS {
        let about = (applet.definition)().get_about().map(ToString::to_string).unwrap_or_default();
        list.push_str(&format!("  {:<14} {about}\n", applet.name));
    }
    for (synonym, name) in multicall::SYNONYMS {
        list.push_str(&format!("  {synonym:<14} The same as {name}\n"));
    }
    <Own as clap::CommandFactory>::command().name(name).after_help(list)
}

/// Reports a failed write.
fn written(result: io::Result<()>, directory: &Path, console: &mut Console) -> Outcome {
    result.map_err(|error| {
        console.error(format_args!("cannot write to `{}`: {error}", directory.display()));
        Failed
    })
}

/// The man page of a definition, in section 8.
pub(crate) fn page(definition: clap::Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let definition = definition.mut_args(with_second_names);
    clap_mangen::Man::new(definition).section("8").manual("System administration").render(&mut text)?;
    Ok(text)
}

/// An option whose help tells its other names, as `--help` does by itself.
fn with_second_names(argument: clap::Arg) -> clap::Arg {
    let long = argument.get_visible_aliases().unwrap_or_default().into_iter().map(|name| format!("--{name}"));
    let short = argument.get_visible_short_aliases().unwrap_or_default().into_iter().map(|name| format!("-{name}"));
    let names: Vec<String> = short.chain(long).collect();
    match argument.get_help().filter(|_| !names.is_empty()).map(ToString::to_string) {
        Some(help) => argument.help(format!("{help} (also {})", names.join(", "))),
        None => argument,
    }
}

/// The program under one of its own names, with the other commands as words behind it: for completions.
fn with_commands(name: &'static str) -> clap::Command {
    let commands = APPLETS.iter().map(|applet| (applet.definition)().name(applet.name));
    let find = |name: &str| APPLETS.iter().find(|applet| applet.name == name);
    let synonyms = multicall::SYNONYMS.iter().filter_map(|(synonym, name)| find(name).map(|applet| (applet.definition)().name(*synonym)));
    definition(name).subcommands(commands.chain(synonyms))
}

/// Every command, and the program itself under its own names, with their definitions.
fn definitions() -> impl Iterator<Item = (&'static str, clap::Command)> {
    let own = multicall::OWN_NAMES.iter().map(|name| (*name, definition(name)));
    APPLETS.iter().map(|applet| (applet.name, (applet.definition)())).chain(own)
}

/// The same for completions, which know the commands behind the program's own names, too.
fn completable() -> impl Iterator<Item = (&'static str, clap::Command)> {
    let own = |name| multicall::OWN_NAMES.contains(&name);
    definitions().map(move |(name, definition)| (name, if own(name) { with_commands(name) } else { definition }))
}

/// Writes `NAME.8` for every command.
fn man(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, text) in pages()? {
        fs::write(directory.join(name), text)?;
    }
    Ok(())
}

/// All pages by the names of their files: of every command, and of the words that belong to the program itself.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    for (name, mut definition) in definitions() {
        let prefix = if WORDS_OF_KMOD.contains(&name) { "kmod-" } else { "" };
        pages.push((format!("{prefix}{name}.8"), page(definition.clone())?));
        definition.build();
        for word in definition.get_subcommands() {
            pages.push((format!("{name}-{}.8", word.get_name()), page(word.clone())?));
        }
    }
    Ok(pages)
}

/// Writes a completion file for every command, named as the shell looks for it.
fn completions(shell: Shell, directory: &Path) -> io::Result<()> {
    use clap_complete::Generator;
    fs::create_dir_all(directory)?;
    for (name, definition) in completable() {
        fs::write(directory.join(shell.file_name(name)), completion(shell, name, definition))?;
    }
    Ok(())
}

/// Prints the completions of one command.
fn print_completions(shell: Shell, command: &str, console: &mut Console) -> Outcome {
    match completable().find(|(name, _)| *name == command) {
        Some((name, definition)) => console.print(&String::from_utf8_lossy(&completion(shell, name, definition))),
        None => {
            console.error(format_args!("there is no command `{command}`"));
            Err(Failed)
        }
    }
}

/// Makes the links. Names that somebody else has stay, and are told of: the commands are then not these.
fn make_links(directory: &Path, console: &mut Console) -> Outcome {
    let taken = links(directory);
    let refused = taken.as_ref().is_ok_and(|taken| !taken.is_empty());
    for path in taken.iter().flatten() {
        console.error(format_args!("{} is there already, and stays", path.display()));
    }
    written(taken.map(drop), directory, console)?;
    if refused { Err(Failed) } else { Ok(()) }
}

/// Makes symbolic links named after the commands, to the program that runs; answers the paths at which something else is.
fn links(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let program = std::env::current_exe()?;
    fs::create_dir_all(directory)?;
    let mut taken = Vec::new();
    let names = APPLETS.iter().map(|applet| applet.name).filter(|name| !WORDS_OF_KMOD.contains(name));
    for path in names.chain(["kmod"]).map(|name| directory.join(name)) {
        match std::os::unix::fs::symlink(&program, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let same = fs::canonicalize(&path).ok().zip(fs::canonicalize(&program).ok()).is_some_and(|(there, here)| there == here);
                taken.extend((!same).then_some(path));
            }
            other => other?,
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::{definitions, page, pages};
    use crate::completion::completion;
    use clap_complete::Shell;

    /// A page that another refers to is there.
    #[test]
    fn pages_refer_to_pages_that_are_there() {
        let pages = pages().unwrap();
        let mut references = 0;
        for (name, text) in &pages {
            let text = String::from_utf8(text.clone()).unwrap().replace("\\-", "-");
            for line in text.lines().filter_map(|line| line.strip_suffix("(8)")) {
                references += 1;
                assert!(pages.iter().any(|(page, _)| *page == format!("{line}.8")), "{name} refers to {line}(8)");
            }
        }
        assert!(references >= 8, "only {references} references");
    }

    /// Every option of every command stands in its help, its man page and its completions, with a text.
    #[test]
    fn parser_help_manual_and_completions_agree() {
        for (name, mut definition) in definitions() {
            definition.build();
            let help = definition.render_long_help().to_string();
            let manual = String::from_utf8(page(definition.clone()).unwrap()).unwrap().replace("\\-", "-");
            let bash = String::from_utf8(completion(Shell::Bash, name, definition.clone())).unwrap();
            assert!(definition.get_about().is_some(), "{name} has no description");
            for argument in definition.get_arguments() {
                let text = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!text.is_empty(), "{name}: `{}` has no help", argument.get_id());
                assert!(!text.ends_with('.'), "{name}: the help of `{}` ends with a full stop", argument.get_id());
                let forms = [argument.get_short().map(|short| format!("-{short}")), argument.get_long().map(|long| format!("--{long}"))];
                let second = argument.get_visible_aliases().unwrap_or_default().into_iter().map(|name| format!("--{name}"));
                for form in forms.into_iter().flatten().chain(second) {
                    assert!(help.contains(&form), "{name}: help lacks {form}");
                    assert!(manual.contains(&form), "{name}: man page lacks {form}");
                    assert!(bash.contains(&form), "{name}: completions lack {form}");
                }
            }
        }
    }

    /// The words of an example line of a command. What has no program of its own is called as a word of kmod.
    fn words<'a>(line: &'a str, name: &str) -> Option<Vec<&'a str>> {
        let words: Vec<&str> = line.strip_prefix("  ")?.split(" #").next()?.split_whitespace().collect();
        let words = if words.first() == Some(&"kmod") { words.get(1..)?.to_vec() } else { words };
        (words.first() == Some(&name)).then_some(words)
    }

    /// A command's examples are lines that its own parser accepts.
    #[test]
    fn examples_are_accepted_by_the_parser() {
        for applet in super::APPLETS {
            let definition = (applet.definition)();
            let text = definition.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<_> = text.lines().filter_map(|line| words(line, applet.name)).collect();
            assert!(!examples.is_empty(), "{} has no examples", applet.name);
            for example in examples {
                let result = (applet.definition)().try_get_matches_from(&example);
                assert!(result.is_ok(), "{example:?}: {:?}", result.err());
            }
        }
    }
}
