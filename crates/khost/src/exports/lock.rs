//! `mutex_lock` and `mutex_unlock`: a word that is 0 (free), 1 (taken) or 2 (taken, and somebody waits), with `futex(2)`.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex;

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const CONTENDED: u32 = 2;

/// `void mutex_lock(struct mutex *lock)`
///
/// # Safety
/// `lock` points to a lock that stays where it is.
pub(super) unsafe extern "C" fn mutex_lock(lock: *mut u32) {
    // SAFETY: the caller's promise; all access to the word is atomic.
    let word = unsafe { AtomicU32::from_ptr(lock) };
    if word.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
        return;
    }
    while word.swap(CONTENDED, Ordering::Acquire) != FREE {
        // Any way back (woken, changed meanwhile, a signal) means: look again.
        let _looked = futex::wait(word, futex::Flags::PRIVATE, CONTENDED, None);
    }
}

/// `void mutex_unlock(struct mutex *lock)`
///
/// # Safety
/// As [`mutex_lock`].
pub(super) unsafe extern "C" fn mutex_unlock(lock: *mut u32) {
    // SAFETY: the caller's promise; all access to the word is atomic.
    let word = unsafe { AtomicU32::from_ptr(lock) };
    if word.swap(FREE, Ordering::Release) == CONTENDED {
        let _woken = futex::wake(word, futex::Flags::PRIVATE, 1);
    }
}
