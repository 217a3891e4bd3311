//! One load or removal of a module at a time. Loading and unloading in one process, each under the module's lock, is what keeps a
//! demand load from losing against a removal (since Linux 6.2 it would fail at once with `EBUSY`).

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use demand::carry::{Busy, Guards};
use demand::lock;

/// The locks of all modules.
#[derive(Clone, Debug)]
pub struct ModuleLocks {
    table: Arc<Table>,
}

#[derive(Debug, Default)]
struct Table {
    held: Mutex<HashSet<String>>,
    /// How long a load waits for a module.
    patience: Mutex<Duration>,
    released: Condvar,
}

/// The lock of one module, until dropped.
#[derive(Debug)]
pub struct ModuleLock {
    module: String,
    table: Arc<Table>,
}

impl ModuleLocks {
    /// Locks that are waited for so long. A module whose start asks for itself waits that long, and not for ever.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { table: Arc::new(Table { patience: Mutex::new(patience), ..Table::default() }) }
    }

    /// They are waited for so long from now on.
    pub fn set_patience(&self, patience: Duration) {
        *lock(&self.table.patience) = patience;
    }

    /// Takes the lock of a module if it is free: the reaper has time.
    #[must_use]
    pub fn try_take(&self, module: &str) -> Option<ModuleLock> {
        let free = lock(&self.table.held).insert(module.to_owned());
        free.then(|| ModuleLock { module: module.to_owned(), table: self.table.clone() })
    }
}

impl Guards for ModuleLocks {
    type Guard = ModuleLock;

    fn take(&self, module: &str) -> Result<ModuleLock, Busy> {
        let patience = *lock(&self.table.patience);
        let until = Instant::now().checked_add(patience);
        let mut held = lock(&self.table.held);
        while held.contains(module) {
            let left = until.map_or(patience, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Busy { module: module.to_owned() });
            }
            held = self.table.released.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        held.insert(module.to_owned());
        Ok(ModuleLock { module: module.to_owned(), table: self.table.clone() })
    }
}

impl Drop for ModuleLock {
    fn drop(&mut self) {
        lock(&self.table.held).remove(&self.module);
        self.table.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_never_for_ever() {
        let locks = ModuleLocks::new(Duration::from_millis(50));
        let first = locks.take("loop").unwrap();
        assert!(locks.try_take("loop").is_none());
        assert!(locks.try_take("vfat").is_some());
        let start = Instant::now();
        assert_eq!(locks.take("loop").map(|_| ()), Err(Busy { module: "loop".to_owned() }));
        assert!(start.elapsed() >= Duration::from_millis(50));
        let start = Instant::now();
        locks.set_patience(Duration::from_millis(200));
        assert!(locks.take("loop").is_err() && start.elapsed() >= Duration::from_millis(200));
        let other = locks.clone();
        let waiter = std::thread::spawn(move || other.take("loop").is_ok());
        std::thread::sleep(Duration::from_millis(10));
        drop(first);
        assert!(waiter.join().unwrap());
    }
}
