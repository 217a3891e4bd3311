//! kdstat: asks kerneld how it is, and changes its settings, by messages of type 255 over the kernel's channel.

use clap::Parser;
use uapi::kerneld::Request;
use uapi::{Client, Errno, Reply, Syscall};

use crate::applet::Run;
use crate::target::{KernelOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  kdstat            # settings and jobs of kerneld
  kdstat delay=180  # idle modules go after 180 seconds
  kdstat keep       # no module is unloaded any more";

/// Show or change the state of kerneld
#[derive(Parser)]
#[command(name = "kdstat", version, after_help = EXAMPLES)]
pub(crate) struct Kdstat {
    #[command(flatten)]
    kernel: KernelOption,
    /// One of `debug`, `nodebug`, `keep`, `nokeep`, `delay=SECONDS`, `flush`; nothing: only show the state
    #[arg(value_parser = parse_word)]
    word: Option<String>,
}

/// Accepts the words that kerneld knows.
fn parse_word(word: &str) -> Result<String, String> {
    let plain = ["debug", "nodebug", "keep", "nokeep", "flush"].contains(&word);
    let delay = word.strip_prefix("delay=").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0));
    if plain || delay { Ok(word.to_owned()) } else { Err(format!("kerneld does not know `{word}`")) }
}

impl Run for Kdstat {
    fn run(self, console: &mut Console) -> Outcome {
        let Target::Hosted(path) = self.kernel.target() else {
            console.error("only a hosted kernel has a kerneld channel: name its socket with --kernel or MODUTILS_KERNEL");
            return Err(Failed);
        };
        let call = Syscall::KerneldSend { mtype: Request::Debug.code(), text: self.word.unwrap_or_default(), wait: true };
        let answer = Client::connect(&path).and_then(|mut client| client.call(&call));
        match answer {
            Ok(Reply::Kerneld { status: 0, text }) => console.print(&line(&text)),
            Ok(Reply::Kerneld { status, text }) => {
                console.print(&line(&text))?;
                console.error(refusal(status));
                Err(Failed)
            }
            Ok(other) => {
                console.error(format_args!("the kernel answered with something else: {other:?}"));
                Err(Failed)
            }
            Err(error) => {
                console.error(error);
                Err(Failed)
            }
        }
    }
}

/// The text, ended by a newline if there is any.
fn line(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

/// What a status other than 0 means: a negative errno from the kernel, or kerneld's own.
fn refusal(status: i32) -> String {
    match Errno::from_number(status).filter(|_| status < 0) {
        Some(Errno::ENODEV) => "no kerneld is running, or it does not answer".to_owned(),
        Some(errno) => format!("the kernel could not ask kerneld: {errno}"),
        None => format!("kerneld answered with status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_word;

    #[test]
    fn only_the_words_of_kerneld_pass() {
        for good in ["debug", "nodebug", "keep", "nokeep", "flush", "delay=180"] {
            assert!(parse_word(good).is_ok(), "{good}");
        }
        for bad in ["", "delay", "delay=", "delay=0", "delay=x", "delay=-1", "Debug"] {
            assert!(parse_word(bad).is_err(), "{bad}");
        }
    }
}
