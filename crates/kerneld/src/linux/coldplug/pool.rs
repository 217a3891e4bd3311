//! The threads that load: each takes a step, does it, and says what became of it.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use demand::lock;
use kmod::act::{Conditions, Failure, load_step};
use kmod::kernel::Kernel;
use kmod::plan::Step;
use uapi::Errno;

use super::schedule::{Done, Node};

/// A step that has been done.
#[derive(Debug)]
pub(super) struct Finished {
    /// Which.
    pub(super) node: Node,
    /// What became of it.
    pub(super) done: Done,
    /// When it began.
    pub(super) began: Instant,
    /// How long it took.
    pub(super) took: Duration,
}

/// Does steps until there are no more to come.
pub(super) fn work<K: Kernel>(mut kernel: K, steps: &Mutex<Receiver<(Node, Step)>>, mut say: impl FnMut(Finished) -> bool) {
    loop {
        let next = lock(steps).recv();
        let Ok((node, step)) = next else { return };
        let began = Instant::now();
        let done = load(&mut kernel, &step);
        if !say(Finished { node, done, began, took: began.elapsed() }) {
            return;
        }
    }
}

fn load<K: Kernel>(kernel: &mut K, step: &Step) -> Done {
    match load_step(kernel, step, &Conditions::default(), &mut |_| {}) {
        Ok(()) => Done::Loaded,
        Err(Failure::Kernel { error, .. }) if K::errno(&error) == Some(Errno::EEXIST) => Done::Present,
        Err(Failure::Kernel { error, .. }) => Done::Failed { errno: K::number(&error), text: error.to_string() },
        Err(Failure::Own(error)) => Done::Failed { errno: None, text: error.to_string() },
        Err(Failure::Missing { module }) => Done::Failed { errno: None, text: format!("no module has the name `{module}`") },
    }
}
