//! Threads for work on many files at once.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::linux::{SignalsHeld, keep_freed_memory};

/// Runs `work` with rayon's parallel iterators spread over all cores.
///
/// The threads hold back the signals that end a process, so that these reach the thread that waits here, which alone decides when it
/// may be interrupted. Without threads (a limit on processes) the work is done on rayon's own terms.
pub(crate) fn on_all_cores<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let start = |_| std::mem::forget(SignalsHeld::hold());
    let pool = || {
        keep_freed_memory();
        ThreadPoolBuilder::new().start_handler(start).build().ok()
    };
    match POOL.get_or_init(pool) {
        Some(pool) => pool.install(work),
        None => work(),
    }
}
