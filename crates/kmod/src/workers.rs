//! Threads for work on many files at once.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

use crate::linux::SignalsHeld;

/// Pieces of work that a thread takes at a time: enough that the counter is no bottleneck, few enough that threads end together.
const BATCH: usize = 8;

/// Does `work` for each number below `count`, on all cores. Each thread has a state of its own, made by `start`; all are answered.
///
/// The calling thread works too. The others hold back the signals that end a process, so that these reach the caller, which alone
/// decides when it may be interrupted. Where no thread can be had (a limit on processes) the caller does everything.
pub(crate) fn share<S: Send>(count: usize, start: impl Fn() -> S + Sync, work: impl Fn(&mut S, usize) + Sync) -> Vec<S> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut state = start();
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= count {
                return state;
            }
            (first..count.min(first + BATCH)).for_each(|number| work(&mut state, number));
        }
    };
    let helper = || {
        std::mem::forget(SignalsHeld::hold());
        run()
    };
    let helpers = thread::available_parallelism().map_or(1, NonZero::get).min(count.div_ceil(BATCH)).saturating_sub(1);
    thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers).map_while(|_| Builder::new().spawn_scoped(scope, helper).ok()).collect();
        let mut states = vec![run()];
        states.extend(helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic))));
        states
    })
}

/// Does two things at once; one after the other where no second thread can be had.
pub(crate) fn both<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    let helper = || {
        std::mem::forget(SignalsHeld::hold());
        first()
    };
    thread::scope(|scope| {
        let helper = Builder::new().spawn_scoped(scope, helper);
        let second = second();
        let first = helper.map_or_else(|_| first(), |helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (first, second)
    })
}
