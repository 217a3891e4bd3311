//! The processes that do the work: started with all three standard descriptors on `/dev/null`, reaped when they end.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};
use uapi::kerneld::MAX_OUTPUT;

use crate::{Ended, JobId, Shell};

/// How often a pipe is read at one go: a process left behind by the command may write for ever.
const MAX_READS: usize = 16;

/// A process, and the job that it does.
#[derive(Debug)]
struct Running {
    job: JobId,
    child: Child,
    pipe: Option<ChildStdout>,
    output: Vec<u8>,
}

/// The processes that were started and have not been reaped.
#[derive(Debug, Default)]
pub struct Children {
    running: Vec<Running>,
}

impl Children {
    /// Starts a program in a process group of its own, and answers its process id.
    ///
    /// # Errors
    /// That of `fork(2)`, `execve(2)` and the like.
    pub fn start(&mut self, job: JobId, mut command: Command, output: Shell) -> io::Result<u32> {
        let stdout = match output {
            Shell::Discard => Stdio::null(),
            Shell::Answer => Stdio::piped(),
        };
        command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let pid = child.id();
        // A pipe that could block the daemon is better closed.
        let pipe = child.stdout.take().filter(|pipe| rustix::io::ioctl_fionbio(pipe, true).is_ok());
        self.running.push(Running { job, child, pipe, output: Vec::new() });
        Ok(pid)
    }

    /// Sends `SIGQUIT` to the process of a job. It has not been reaped, so the number is still its own.
    pub fn quit(&self, job: JobId) {
        let child = self.running.iter().find(|running| running.job == job).map(|running| running.child.id());
        let pid = child.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended in this moment, which is what was wanted.
            let _ = rustix::process::kill_process(pid, Signal::QUIT);
        }
    }

    /// The pipes whose output is collected.
    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running.iter().filter_map(|running| running.pipe.as_ref()).map(AsFd::as_fd)
    }

    /// Reads what the commands have written.
    pub fn read_output(&mut self) {
        self.running.iter_mut().for_each(Running::read);
    }

    /// The jobs whose processes have ended, with what they wrote: text of at most [`MAX_OUTPUT`] bytes.
    pub fn reap(&mut self) -> Vec<(JobId, Ended, String)> {
        let mut ended = Vec::new();
        self.running.retain_mut(|running| match running.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                running.read();
                ended.push((running.job, how(status), text(&running.output)));
                false
            }
            Err(_) => {
                ended.push((running.job, Ended::NotStarted, String::new()));
                false
            }
        });
        ended
    }
}

impl Running {
    /// Keeps the first [`MAX_OUTPUT`] bytes and drops the rest, so that a talkative command does not block.
    fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut buffer = [0; 4096];
        for _ in 0..MAX_READS {
            match pipe.read(&mut buffer) {
                Ok(length) if length > 0 => {
                    let wanted = MAX_OUTPUT.saturating_sub(self.output.len()).min(length);
                    self.output.extend(buffer.iter().take(wanted));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    self.pipe = None;
                    return;
                }
            }
        }
    }
}

/// How a process ended.
fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::NotStarted,
    }
}

/// The text of a reply: no NUL, and whole characters within [`MAX_OUTPUT`] bytes.
fn text(output: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(output).replace('\0', "");
    let end = (0..=MAX_OUTPUT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn output_is_text_of_bounded_length() {
        assert_eq!(text(b"a\0b\n"), "ab\n");
        assert_eq!(text(&[0xff; 1024]).len(), 1023, "three bytes for each that is no text");
        assert_eq!(text(&[b'x'; 1024]).len(), 1024);
    }
}
