//! What the host does to a machine while it runs: where the guest's console shows a line `@@HOST COMMAND`, the command goes to qemu's
//! monitor (`device_add …`, `device_del …`).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What begins a line for the host.
const MARK: &str = "@@HOST ";

/// The program for a guest's shell that asks the host: `host COMMAND`. It stands alone in its line whatever was printed before.
pub(super) const PROGRAM: &str = "#!/bin/sh\nprintf '\\n@@HOST %s\\n' \"$*\" >/dev/console\n";

/// The console so far, and how much of it the host has seen.
#[derive(Debug, Default)]
pub(super) struct Host {
    monitor: Option<PathBuf>,
    seen: usize,
}

impl Host {
    /// A host that listens for the guest of this monitor; without one it does nothing.
    pub(super) fn new(monitor: Option<PathBuf>) -> Self {
        Self { monitor, seen: 0 }
    }

    /// Does what new lines of the console ask for.
    pub(super) fn serve(&mut self, console: &Arc<Mutex<Vec<u8>>>) {
        let Some(monitor) = &self.monitor else { return };
        let console = console.lock().unwrap_or_else(PoisonError::into_inner);
        let new = console.get(self.seen..).unwrap_or_default();
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else { return };
        let lines = String::from_utf8_lossy(&new[..end]).into_owned();
        self.seen += end + 1;
        drop(console);
        for command in lines.lines().filter_map(|line| line.trim_end().strip_prefix(MARK)) {
            tell(monitor, command);
        }
    }
}

/// Gives one command to the monitor, and waits for the prompt behind its answer.
fn tell(monitor: &PathBuf, command: &str) {
    let talk = || -> std::io::Result<()> {
        let mut stream = UnixStream::connect(monitor)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
        until_prompt(&mut stream)?;
        stream.write_all(format!("{command}\n").as_bytes())?;
        until_prompt(&mut stream)
    };
    // The guest waits for what should come of it; the session then tells what did not.
    if let Err(error) = talk() {
        eprintln!("the monitor of the guest did not take `{command}`: {error}");
    }
}

fn until_prompt(stream: &mut UnixStream) -> std::io::Result<()> {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"(qemu) ") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    Ok(())
}
