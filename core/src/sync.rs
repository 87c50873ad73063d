//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A poisoned lock is a panic elsewhere while it was held: whoever holds one of these leaves whole data at every point that can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
