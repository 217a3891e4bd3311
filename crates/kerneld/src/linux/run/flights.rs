//! Loads that are under way: an identical request waits for the one that came first, and shares what comes of it. Each is still decided
//! by who made it; only loads of the same modules for the same name are shared.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use demand::carry::Carried;
use demand::{Outcome, RequestName, lock};

/// What makes two loads identical: the name, and the modules that are to be loaded for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) name: RequestName,
    pub(crate) modules: Vec<String>,
}

#[derive(Debug, Default)]
struct Flight {
    landed: Mutex<Option<Carried>>,
    changed: Condvar,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, Arc<Flight>>>);

impl Flights {
    /// How many are under way.
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).len()
    }

    /// Does the work, or waits for whoever does it already. `Err`: what came of the other's, or nothing if it took too long.
    pub(crate) fn fly(&self, key: Key, patience: Duration, work: impl FnOnce() -> Carried) -> Result<Carried, Option<Carried>> {
        let flight = {
            let mut flights = lock(&self.0);
            if let Some(other) = flights.get(&key).cloned() {
                drop(flights);
                return Err(other.wait(patience));
            }
            let own = Arc::new(Flight::default());
            flights.insert(key.clone(), own.clone());
            own
        };
        // Whoever waits must not wait in vain, even if the work panics.
        let landing = Landing { flights: self, key, flight };
        let carried = work();
        *lock(&landing.flight.landed) = Some(carried.clone());
        Ok(carried)
    }
}

struct Landing<'a> {
    flights: &'a Flights,
    key: Key,
    flight: Arc<Flight>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let crashed = || Outcome::Failed { errno: None, text: "the load that was shared did not come to its end".to_owned() };
        lock(&self.flight.landed).get_or_insert_with(|| Carried { plan: Vec::new(), outcome: crashed() });
        lock(&self.flights.0).remove(&self.key);
        self.flight.changed.notify_all();
    }
}

impl Flight {
    fn wait(&self, patience: Duration) -> Option<Carried> {
        let until = Instant::now().checked_add(patience);
        let mut landed = lock(&self.landed);
        while landed.is_none() {
            let left = until.map_or(patience, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            landed = self.changed.wait_timeout(landed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        landed.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use demand::Origin;

    use super::*;

    fn key(name: &str) -> Key {
        Key { name: RequestName::new(name.as_bytes(), Origin::Helper).unwrap(), modules: vec!["vfat".to_owned()] }
    }

    #[test]
    fn twenty_identical_requests_are_one_load() {
        let flights = Flights::default();
        let loads = AtomicU32::new(0);
        let shared = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let done = flights.fly(key("fs-vfat"), Duration::from_secs(5), || {
                        loads.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(200));
                        Carried { plan: Vec::new(), outcome: Outcome::Loaded }
                    });
                    if let Err(carried) = done {
                        assert_eq!(carried.unwrap().outcome, Outcome::Loaded);
                        shared.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!((loads.into_inner(), shared.into_inner(), flights.count()), (1, 19, 0));
    }

    #[test]
    fn who_shares_a_load_that_panics_is_told_at_once() {
        let flights = Arc::new(Flights::default());
        let own = flights.clone();
        let (begun, wait) = std::sync::mpsc::channel();
        let crash = std::thread::spawn(move || {
            own.fly(key("fs-vfat"), Duration::from_secs(1), || {
                begun.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(100));
                panic!("as a load should not");
            })
        });
        wait.recv().unwrap();
        let start = Instant::now();
        let shared = flights.fly(key("fs-vfat"), Duration::from_secs(20), || unreachable!("it is shared"));
        assert!(matches!(shared, Err(Some(Carried { outcome: Outcome::Failed { .. }, .. }))), "{shared:?}");
        assert!(start.elapsed() < Duration::from_secs(10) && crash.join().is_err());
        assert_eq!(flights.count(), 0);
    }

    #[test]
    fn waiting_has_an_end_and_a_different_plan_is_not_shared() {
        let flights = Arc::new(Flights::default());
        let slow = flights.clone();
        let (begun, wait) = std::sync::mpsc::channel();
        let slow = std::thread::spawn(move || {
            slow.fly(key("fs-vfat"), Duration::from_secs(1), || {
                begun.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(200));
                Carried { plan: Vec::new(), outcome: Outcome::Loaded }
            })
        });
        wait.recv().unwrap();
        assert_eq!(flights.fly(key("fs-vfat"), Duration::from_millis(20), || unreachable!("it is shared")), Err(None));
        let other = Key { modules: Vec::new(), ..key("fs-vfat") };
        let done = flights.fly(other, Duration::ZERO, || Carried { plan: Vec::new(), outcome: Outcome::Present });
        assert_eq!(done.unwrap().outcome, Outcome::Present);
        assert!(slow.join().unwrap().is_ok());
    }
}
