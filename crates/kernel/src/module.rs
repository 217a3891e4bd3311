//! A module as the kernel knows it (`struct module` of Linux 2.0).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use uapi::{AUTOCLEAN, MemoryLayout, ModuleName, ModuleState, Part, Routines, USERS_MASK, VISITED};

use crate::gdb::Registration;
use crate::ksyms::Exports;
use crate::memory::Image;
use crate::peer::ConnectionId;

/// What identifies an entry of the list: the value of its `#name` marker. Never used twice in the life of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ModuleId(pub(crate) u64);

/// What code of the module was running when it trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// `init_module`.
    Init,
    /// `cleanup_module`.
    Cleanup,
    /// A call by the embedder, or by another module.
    Call,
}

/// The one state of a module. Only `init_module` and `delete_module` change it, and a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Memory is there; nothing ran yet.
    Created,
    /// Initialization runs.
    Initializing,
    /// Initialization failed; the entry waits for `delete_module`.
    Failed,
    /// Initialization returned 0.
    Running,
    /// Cleanup runs.
    Leaving,
    /// Cleanup ran; the entry waits until nothing holds it.
    Deleted,
    /// Code of it trapped: it is never run again and stays in memory.
    Dead(Errand),
}

impl State {
    /// The state as the boundary shows it.
    #[must_use]
    pub const fn shown(self) -> ModuleState {
        match self {
            Self::Created | Self::Initializing | Self::Failed => ModuleState::Uninitialized,
            Self::Running | Self::Leaving => ModuleState::Running,
            Self::Deleted => ModuleState::Deleted,
            Self::Dead(_) => ModuleState::Dead,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "not initialized",
            Self::Initializing => "being initialized",
            Self::Failed => "failed to initialize",
            Self::Running => "running",
            Self::Leaving => "being removed",
            Self::Deleted => "deleted",
            Self::Dead(Errand::Init) => "dead since its initialization trapped",
            Self::Dead(Errand::Cleanup) => "dead since its cleanup trapped",
            Self::Dead(Errand::Call) => "dead since its code trapped",
        })
    }
}

/// An entry of the module list.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) id: ModuleId,
    pub(crate) name: ModuleName,
    pub(crate) state: State,
    pub(crate) layout: MemoryLayout,
    pub(crate) base: u64,
    /// Away while `init_module` maps it.
    pub(crate) image: Option<Image>,
    pub(crate) routines: Option<Routines>,
    /// Exports; visible while the module runs.
    pub(crate) symbols: Exports,
    /// The modules that this one uses.
    pub(crate) uses: Vec<ModuleId>,
    /// The modules that use this one, newest referrer first (`ref` of Linux 2.0).
    pub(crate) referrers: Vec<ModuleId>,
    /// Calls of the embedder into its code that have not returned.
    pub(crate) calls: u64,
    /// Who created it and did not initialize it yet.
    pub(crate) creator: Option<ConnectionId>,
    pub(crate) registration: Registration,
}

impl Module {
    /// The use count word, flags included; 0 before initialization.
    pub(crate) fn word(&self) -> u64 {
        self.image.as_ref().and_then(Image::use_count).map_or(0, |word| word.load(Ordering::SeqCst))
    }

    /// Number of users. Signed, as the classic word: a module that counts down too often shows it.
    pub(crate) fn users(&self) -> i64 {
        (self.word() & USERS_MASK).cast_signed()
    }

    /// May the autoclean pass remove it?
    pub(crate) fn autoclean(&self) -> bool {
        self.word() & AUTOCLEAN != 0
    }

    /// Was it used since the last pass?
    pub(crate) fn visited(&self) -> bool {
        self.word() & VISITED != 0
    }

    /// Does anything hold it?
    pub(crate) fn in_use(&self) -> bool {
        self.users() != 0 || !self.referrers.is_empty() || self.calls != 0
    }

    /// A candidate of the autoclean pass: running, not referred to, autoclean, no users ([2.0] `sys_delete_module`).
    pub(crate) fn autoclean_candidate(&self) -> bool {
        self.state == State::Running && self.referrers.is_empty() && self.calls == 0 && self.word() & !VISITED == AUTOCLEAN
    }

    /// Changes the use count word.
    pub(crate) fn change_word(&self, change: impl Fn(&AtomicU64) -> u64) {
        if let Some(word) = self.image.as_ref().and_then(Image::use_count) {
            // The value before is of no interest.
            let _ = change(word);
        }
    }

    /// Where a part runs.
    pub(crate) fn addresses(&self, part: Part) -> Range<u64> {
        let part = self.layout.part(part);
        let start = self.base.saturating_add(part.offset);
        start..start.saturating_add(part.size)
    }

    /// The address of the use count word (`mod_use_count_`).
    pub(crate) fn use_count_address(&self) -> u64 {
        self.addresses(Part::Data).start
    }

    /// The part that holds an address.
    pub(crate) fn part_at(&self, address: u64) -> Option<Part> {
        Part::ALL.into_iter().find(|part| self.addresses(*part).contains(&address))
    }
}
