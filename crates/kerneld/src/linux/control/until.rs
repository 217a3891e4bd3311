//! A peer that has until a point in time, however little it sends or takes at once: the time-outs of a socket are for one call each, and
//! whoever sends a byte now and then would never meet them.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// The stream, until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until<'a> {
    stream: &'a UnixStream,
    at: Instant,
}

impl<'a> Until<'a> {
    /// So long from now on.
    pub(crate) fn after(stream: &'a UnixStream, patience: Duration) -> Self {
        let now = Instant::now();
        Self { stream, at: now.checked_add(patience).unwrap_or(now) }
    }

    /// So long from now on, but not longer than until a point in time.
    pub(crate) fn extend(&mut self, patience: Duration, latest: Instant) {
        self.at = Self::after(self.stream, patience).at.min(latest);
    }

    /// Tries something that does not wait, until it is done.
    fn patiently(&self, ready: PollFlags, mut attempt: impl FnMut() -> Result<usize, Errno>) -> io::Result<usize> {
        loop {
            match attempt() {
                Err(Errno::AGAIN | Errno::INTR) => {}
                done => return Ok(done?),
            }
            let left = self.at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut polled = [PollFd::from_borrowed_fd(self.stream.as_fd(), ready)];
            match poll(&mut polled, Timespec::try_from(left).ok().as_ref()) {
                Err(Errno::INTR) | Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(PollFlags::IN, || recv(self.stream, &mut *buffer, RecvFlags::DONTWAIT).map(|(length, _)| length))
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(PollFlags::OUT, || send(self.stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[test]
    fn a_byte_now_and_then_buys_no_time() {
        let (own, peer) = UnixStream::pair().unwrap();
        let start = Instant::now();
        let sender = std::thread::spawn(move || {
            while start.elapsed() < SHORT * 5 && (&mut &peer).write_all(b"x").is_ok() {
                std::thread::sleep(SHORT / 10);
            }
        });
        let error = Until::after(&own, SHORT).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!((SHORT..SHORT * 4).contains(&start.elapsed()), "{:?}", start.elapsed());
        drop(own);
        sender.join().unwrap();
    }

    #[test]
    fn who_takes_little_at_once_is_not_waited_for_either() {
        let (own, peer) = UnixStream::pair().unwrap();
        let start = Instant::now();
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while start.elapsed() < SHORT * 5 && matches!((&mut &peer).read(&mut part), Ok(1..)) {
                std::thread::sleep(SHORT / 10);
            }
        });
        assert!(Until::after(&own, SHORT).write_all(&vec![0; 4 << 20]).is_err());
        assert!(start.elapsed() < SHORT * 4, "{:?}", start.elapsed());
        drop(own);
        reader.join().unwrap();
    }
}
