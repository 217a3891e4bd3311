//! The kernels that the daemon can work on: the running one, or none at all.

use demand::rehearse::Rehearsal;
use kmod::kernel::Kernel;
use kmod::linux::Linux;

/// Gives each thread a kernel to work on.
pub trait Kernels: Send + Sync + 'static {
    /// The kernel.
    type Kernel: Kernel;

    /// One more handle.
    fn kernel(&self) -> Self::Kernel;
}

/// The running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Running;

impl Kernels for Running {
    type Kernel = Linux;

    fn kernel(&self) -> Linux {
        Linux
    }
}

impl Kernels for Rehearsal {
    type Kernel = Self;

    fn kernel(&self) -> Self {
        self.clone()
    }
}
