//! Mutexes whose holder panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a mutex, also one that a panicking thread let go of: whatever is guarded here is whole between any two statements, and a
/// daemon that answers requests must not end because one thread did.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
