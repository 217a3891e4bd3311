//! Loads and removals keep out of each other's way.
//!
//! A demand that finds its module in the kernel answers "it is there", and only then does the task that asked take a reference. Between
//! the two nothing tells the module from an idle one. So demands, many at a time, say which modules they are about when they come and when
//! they go; a removal waits for nobody: it happens only while no demand is on its way, and only of modules that no demand was about for a
//! while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::{Duration, Instant};

use demand::lock;

/// More modules than this are not remembered one by one; the oldest are forgotten after [`LONG`] anyway.
const MANY: usize = 8192;

/// No period of a lease is longer than a day for this purpose.
const LONG: Duration = Duration::from_secs(86_400);

/// Where demands and removals pass.
#[derive(Debug, Default)]
pub struct Turnstile {
    way: RwLock<()>,
    touched: Mutex<HashMap<String, Instant>>,
}

/// A demand that is on its way.
#[derive(Debug)]
#[must_use]
pub struct Demand<'a> {
    turnstile: &'a Turnstile,
    modules: Vec<String>,
    _way: RwLockReadGuard<'a, ()>,
}

impl Turnstile {
    /// A demand about these modules begins: it looks at the kernel's list after this, and tells whoever asked before the answer is
    /// dropped. It waits for a removal that is under way, with its last look around: some milliseconds, and more where there are
    /// thousands of threads.
    pub fn demand<'a>(&'a self, modules: impl IntoIterator<Item = &'a str>) -> Demand<'a> {
        let way = self.way.read().unwrap_or_else(PoisonError::into_inner);
        let demand = Demand { turnstile: self, modules: modules.into_iter().map(str::to_owned).collect(), _way: way };
        demand.touch();
        demand
    }

    /// How long no demand was about a module; `None` if none ever was, as far as is remembered.
    pub(super) fn quiet(&self, module: &str) -> Option<Duration> {
        lock(&self.touched).get(module).map(Instant::elapsed)
    }

    /// Does the work of a removal, if no demand is on its way and none was about the module for so long.
    pub(super) fn remove<T>(&self, module: &str, quiet: Duration, work: impl FnOnce() -> T) -> Option<T> {
        let _way = match self.way.try_write() {
            Ok(way) => way,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.quiet(module).is_none_or(|since| since >= quiet).then(work)
    }
}

impl Demand<'_> {
    fn touch(&self) {
        let now = Instant::now();
        let mut touched = lock(&self.turnstile.touched);
        touched.extend(self.modules.iter().map(|module| (module.clone(), now)));
        if touched.len() > MANY {
            touched.retain(|_, at| now.duration_since(*at) < LONG);
        }
    }
}

impl Drop for Demand<'_> {
    fn drop(&mut self) {
        self.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_removed_while_a_demand_is_on_its_way_or_just_after_one_about_it() {
        let turnstile = Turnstile::default();
        let demand = turnstile.demand(["vfat", "fat"]);
        assert_eq!(turnstile.remove("loop", Duration::ZERO, || 1), None);
        drop(demand);
        assert_eq!(turnstile.remove("loop", Duration::from_secs(60), || 1), Some(1));
        assert_eq!(turnstile.remove("fat", Duration::from_secs(60), || 1), None);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(turnstile.remove("fat", Duration::from_millis(10), || 1), Some(1));
    }

    #[test]
    fn demands_do_not_wait_for_each_other_but_for_a_removal() {
        let turnstile = Turnstile::default();
        let (first, _second) = (turnstile.demand(["a"]), turnstile.demand(["a"]));
        drop((first, _second));
        std::thread::scope(|scope| {
            turnstile.remove("b", Duration::ZERO, || {
                let start = Instant::now();
                let waiter = scope.spawn(|| drop(turnstile.demand(["b"])));
                std::thread::sleep(Duration::from_millis(30));
                assert!(!waiter.is_finished() && start.elapsed() >= Duration::from_millis(30));
            });
        });
    }
}
