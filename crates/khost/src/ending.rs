//! The wish that the kernel ends, from wherever it comes.

use std::sync::{Condvar, Mutex, PoisonError};

/// Whether the end was asked for.
#[derive(Debug, Default)]
pub struct Ending {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    /// Asks for it.
    pub fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until somebody has asked.
    pub fn wait(&self) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(asked, |asked| !*asked).unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
