//! Interrupt context: code that must not sleep, such as the handlers of an embedder's interrupts.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// While it lives, its thread is in interrupt context: messages to kerneld are sent without waiting for the reply.
#[derive(Debug)]
#[must_use = "the context ends when this is dropped"]
pub struct InterruptContext {
    /// It belongs to the thread that entered.
    thread: PhantomData<*const ()>,
}

impl InterruptContext {
    /// Enters; contexts nest.
    pub fn enter() -> Self {
        DEPTH.with(|depth| depth.set(depth.get().saturating_add(1)));
        Self { thread: PhantomData }
    }

    /// Is this thread in interrupt context?
    #[must_use]
    pub fn is_active() -> bool {
        DEPTH.with(Cell::get) != 0
    }
}

impl Drop for InterruptContext {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}
