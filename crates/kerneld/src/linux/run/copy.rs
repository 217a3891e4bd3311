//! The copy of the log for whoever watches.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A file that is written to only where that need not wait: a pager that is not read on, or a terminal that was stopped, must not stop
/// the daemon. What finds no room is left out; the log of the system has it.
#[derive(Debug)]
pub(super) struct Unwaiting<W>(pub(super) W);

impl<W: Write + AsFd> Write for Unwaiting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut polled = [PollFd::new(&self.0, PollFlags::OUT)];
        // A pipe that can be written to has room for `PIPE_BUF` bytes, and a line is shorter.
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for() {
        let (_reader, writer) = io::pipe().unwrap();
        let mut copy = Unwaiting(writer);
        let line = [b'x'; 1000];
        let refused = (0..1000).find_map(|_| copy.write_all(&line).err());
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }
}
