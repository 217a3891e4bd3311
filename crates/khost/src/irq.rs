//! Interrupt lines and their handlers (`request_irq`, `free_irq`).
//!
//! A line runs its handlers one after the other on the thread that raised it; raised while they run, it is remembered once and
//! they run again. No lock is held while a handler runs.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::ThreadId;

use uapi::Errno;

use crate::owner::{Owner, UseCount};

/// `NR_IRQS`: lines 0 to 15.
pub const LINES: usize = 16;

/// The line of the timer.
pub const TIMER: usize = 0;

/// Whether a line may have several handlers (`SA_SHIRQ`); all of them must say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Alone.
    Exclusive,
    /// With others that are `Shared`.
    Shared,
}

/// A handler on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Address of the function.
    pub address: u64,
    /// What it is handed, and told apart by.
    pub cookie: u64,
    /// Name of the device, as `/proc/interrupts` shows it.
    pub device: String,
    /// Shared or not.
    pub sharing: Sharing,
    /// The module that it belongs to.
    pub owner: Owner,
}

/// How a handler's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned.
    Returned,
    /// It trapped, and is not to be run again.
    Trapped,
}

#[derive(Debug, Default)]
struct State {
    handlers: Vec<Arc<Handler>>,
    running: Option<ThreadId>,
    pending: bool,
    raised: u64,
}

#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    idle: Condvar,
}

/// All lines.
#[derive(Debug)]
pub struct Interrupts {
    lines: [Line; LINES],
}

impl Default for Interrupts {
    fn default() -> Self {
        Self { lines: std::array::from_fn(|_| Line::default()) }
    }
}

/// What a line has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRecord {
    /// Its number.
    pub line: usize,
    /// How often it was raised.
    pub raised: u64,
    /// Its handlers.
    pub handlers: Vec<Handler>,
}

impl Interrupts {
    /// Adds a handler.
    ///
    /// # Errors
    /// `EINVAL` for a line that does not exist; `EBUSY` where it is taken and not shared by both, or the same cookie is there.
    pub fn request(&self, line: usize, handler: Handler) -> Result<(), Errno> {
        let mut state = self.line(line)?.state.lock().unwrap_or_else(PoisonError::into_inner);
        let conflict = |other: &Arc<Handler>| {
            other.sharing == Sharing::Exclusive || handler.sharing == Sharing::Exclusive || other.cookie == handler.cookie
        };
        if state.handlers.iter().any(conflict) {
            return Err(Errno::EBUSY);
        }
        state.handlers.push(Arc::new(handler));
        Ok(())
    }

    /// Takes a handler away, and waits until it runs nowhere any more (unless the caller is that handler).
    ///
    /// # Errors
    /// `EINVAL` where there is no such line or handler.
    pub fn free(&self, line: usize, cookie: u64) -> Result<(), Errno> {
        let line = self.line(line)?;
        let mut state = line.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at = state.handlers.iter().position(|handler| handler.cookie == cookie).ok_or(Errno::EINVAL)?;
        state.handlers.remove(at);
        line.wait(state);
        Ok(())
    }

    /// Takes away all that a module has left on the lines; answers line and device of each.
    pub fn forget(&self, module: UseCount) -> Vec<(usize, String)> {
        let mut gone = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            let mut state = line.state.lock().unwrap_or_else(PoisonError::into_inner);
            let before = gone.len();
            state.handlers.retain(|handler| {
                let theirs = handler.owner.use_count == module;
                if theirs {
                    gone.push((number, handler.device.clone()));
                }
                !theirs
            });
            if gone.len() > before {
                line.wait(state);
            }
        }
        gone
    }

    /// Raises a line: `run` is called for each of its handlers. Answers the handlers that trapped, which are off the line now.
    ///
    /// # Errors
    /// `EINVAL` where there is no such line.
    pub fn raise(&self, line: usize, run: &dyn Fn(usize, &Handler) -> Outcome) -> Result<Vec<Handler>, Errno> {
        let (number, line) = (line, self.line(line)?);
        let mut trapped = Vec::new();
        let mut state = line.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.raised = state.raised.saturating_add(1);
        state.pending = !state.handlers.is_empty();
        if state.running.is_some() {
            return Ok(trapped);
        }
        while state.pending {
            state.pending = false;
            state.running = Some(std::thread::current().id());
            for handler in state.handlers.clone() {
                if !state.handlers.iter().any(|known| Arc::ptr_eq(known, &handler)) {
                    continue;
                }
                drop(state);
                let outcome = run(number, &handler);
                state = line.state.lock().unwrap_or_else(PoisonError::into_inner);
                if outcome == Outcome::Trapped {
                    state.handlers.retain(|known| !Arc::ptr_eq(known, &handler));
                    trapped.push(Handler::clone(&handler));
                }
            }
        }
        state.running = None;
        line.idle.notify_all();
        Ok(trapped)
    }

    /// The lines that have handlers or were ever raised.
    #[must_use]
    pub fn list(&self) -> Vec<LineRecord> {
        let records = self.lines.iter().enumerate().map(|(line, state)| {
            let state = state.state.lock().unwrap_or_else(PoisonError::into_inner);
            LineRecord { line, raised: state.raised, handlers: state.handlers.iter().map(|handler| Handler::clone(handler)).collect() }
        });
        records.filter(|record| record.raised > 0 || !record.handlers.is_empty()).collect()
    }

    fn line(&self, line: usize) -> Result<&Line, Errno> {
        self.lines.get(line).ok_or(Errno::EINVAL)
    }
}

impl Line {
    /// Waits until no handler of this line runs on another thread.
    fn wait(&self, mut state: std::sync::MutexGuard<'_, State>) {
        let me = std::thread::current().id();
        while state.running.is_some_and(|runner| runner != me) {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Handler, Interrupts, Outcome, Sharing};
    use crate::owner::{Owner, UseCount};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use uapi::{Errno, ModuleName};

    fn handler(cookie: u64, sharing: Sharing) -> Handler {
        let owner = Owner { name: ModuleName::new("ticker").unwrap(), use_count: UseCount(7) };
        Handler { address: 0x1000, cookie, device: format!("dev{cookie}"), sharing, owner }
    }

    #[test]
    fn lines_are_taken_and_shared() {
        let lines = Interrupts::default();
        assert_eq!(lines.request(16, handler(1, Sharing::Shared)), Err(Errno::EINVAL));
        assert_eq!(lines.request(3, handler(1, Sharing::Shared)), Ok(()));
        assert_eq!(lines.request(3, handler(2, Sharing::Exclusive)), Err(Errno::EBUSY));
        assert_eq!(lines.request(3, handler(1, Sharing::Shared)), Err(Errno::EBUSY), "the same cookie twice");
        assert_eq!(lines.request(3, handler(2, Sharing::Shared)), Ok(()));
        let ran = AtomicU64::new(0);
        let run = |line: usize, handler: &Handler| {
            assert_eq!(line, 3);
            ran.fetch_add(handler.cookie, Ordering::Relaxed);
            Outcome::Returned
        };
        assert_eq!(lines.raise(3, &run), Ok(Vec::new()));
        assert_eq!(ran.load(Ordering::Relaxed), 3);
        assert_eq!(lines.free(3, 1), Ok(()));
        assert_eq!(lines.free(3, 1), Err(Errno::EINVAL));
        assert_eq!(lines.forget(UseCount(7)), [(3, "dev2".to_owned())]);
        assert_eq!(lines.raise(3, &run), Ok(Vec::new()));
        assert_eq!((ran.load(Ordering::Relaxed), lines.list()[0].raised), (3, 2));
    }

    #[test]
    fn a_handler_that_traps_is_not_run_again() {
        let lines = Interrupts::default();
        lines.request(5, handler(9, Sharing::Exclusive)).unwrap();
        let trapped = lines.raise(5, &|_, _| Outcome::Trapped).unwrap();
        assert_eq!(trapped[0].cookie, 9);
        assert_eq!(lines.raise(5, &|_, _| panic!("ran again")), Ok(Vec::new()));
    }

    #[test]
    fn free_waits_for_the_handler_that_runs() {
        let (lines, finished) = (Interrupts::default(), AtomicU64::new(0));
        lines.request(7, handler(1, Sharing::Exclusive)).unwrap();
        let (entered, inside) = mpsc::channel();
        std::thread::scope(|scope| {
            let (lines, finished) = (&lines, &finished);
            scope.spawn(move || {
                lines
                    .raise(7, &|_, _| {
                        entered.send(()).unwrap();
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        finished.fetch_add(1, Ordering::SeqCst);
                        Outcome::Returned
                    })
                    .unwrap();
            });
            inside.recv().unwrap();
            lines.free(7, 1).unwrap();
            assert_eq!(finished.load(Ordering::SeqCst), 1, "free returned while the handler ran");
        });
    }

    #[test]
    fn raised_while_it_runs_the_line_runs_once_more() {
        let (lines, runs) = (Interrupts::default(), AtomicU64::new(0));
        lines.request(2, handler(1, Sharing::Exclusive)).unwrap();
        let again = |_: usize, _: &Handler| {
            if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                for _ in 0..5 {
                    lines.raise(2, &|_, _| panic!("nested run")).unwrap();
                }
            }
            Outcome::Returned
        };
        lines.raise(2, &again).unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }
}
