//! The module list: newest first, the kernel's own tables last. It knows entries and how they refer to each other; it runs nothing.

use uapi::{KernelSym, ModuleName};

use crate::ksyms::Exports;
use crate::module::{Module, ModuleId, State};
use crate::peer::ConnectionId;

/// A table of the kernel itself: a pseudo module with an empty name (`kernel_module` of Linux 2.0).
#[derive(Debug)]
pub(crate) struct KernelTable {
    pub(crate) id: ModuleId,
    pub(crate) symbols: Exports,
}

/// All entries.
#[derive(Debug)]
pub(crate) struct ModuleList {
    /// Oldest first; walks go backwards.
    entries: Vec<Module>,
    /// The compiled-in table, and behind it those of resident subsystems, newest first.
    tables: Vec<KernelTable>,
    next_id: u64,
}

/// Distance of two identities: they look like addresses of structures, and one is never mistaken for a small number.
const ID_STEP: u64 = 64;

impl ModuleList {
    /// Only the kernel, with its exports.
    pub(crate) fn new(exports: Vec<KernelSym>) -> Self {
        let mut list = Self { entries: Vec::new(), tables: Vec::new(), next_id: 0x1000 };
        let id = list.new_id();
        list.tables.push(KernelTable { id, symbols: Exports::new(exports) });
        list
    }

    /// An identity that no entry had before.
    pub(crate) fn new_id(&mut self) -> ModuleId {
        let id = ModuleId(self.next_id);
        self.next_id = self.next_id.saturating_add(ID_STEP);
        id
    }

    /// Adds a module at the head.
    pub(crate) fn insert(&mut self, module: Module) {
        self.entries.push(module);
    }

    /// How many entries there are, whatever their state.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The modules, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Module> {
        self.entries.iter().rev()
    }

    /// The kernel's tables, in the order in which they follow the modules.
    pub(crate) fn tables(&self) -> &[KernelTable] {
        &self.tables
    }

    /// Adds the table of a resident subsystem, directly behind the compiled-in one (`register_symtab` of Linux 2.0).
    pub(crate) fn add_table(&mut self, symbols: Vec<KernelSym>) {
        let id = self.new_id();
        self.tables.insert(self.tables.len().min(1), KernelTable { id, symbols: Exports::new(symbols) });
    }

    /// The entry of this name; deleted ones have none any more (`find_module`).
    pub(crate) fn find(&self, name: &str) -> Option<&Module> {
        self.newest_first().find(|module| module.state != State::Deleted && module.name.as_str() == name)
    }

    /// The entry with this identity.
    pub(crate) fn get(&self, id: ModuleId) -> Option<&Module> {
        self.entries.iter().find(|module| module.id == id)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, id: ModuleId) -> Option<&mut Module> {
        self.entries.iter_mut().find(|module| module.id == id)
    }

    /// The entry whose memory holds an address.
    pub(crate) fn at(&self, address: u64) -> Option<&Module> {
        self.newest_first().find(|module| address.wrapping_sub(module.base) < module.layout.size() && module.part_at(address).is_some())
    }

    /// Is this the identity of one of the kernel's tables?
    pub(crate) fn is_kernel(&self, id: ModuleId) -> bool {
        self.tables.iter().any(|table| table.id == id)
    }

    /// Bytes of memory that modules have.
    pub(crate) fn memory(&self) -> u64 {
        self.entries.iter().map(|module| module.layout.size()).fold(0, u64::saturating_add)
    }

    /// Modules that a connection created and did not initialize.
    pub(crate) fn half_made(&self, connection: ConnectionId) -> usize {
        self.entries.iter().filter(|module| module.creator == Some(connection)).count()
    }

    /// The names of entries.
    pub(crate) fn names(&self, ids: &[ModuleId]) -> Vec<String> {
        ids.iter().filter_map(|id| self.get(*id)).map(|module| module.name.as_str().to_owned()).collect()
    }

    /// Records that `id` uses `targets`: each target's referrers get it at the front.
    pub(crate) fn link(&mut self, id: ModuleId, targets: Vec<ModuleId>) {
        for target in &targets {
            if let Some(target) = self.get_mut(*target) {
                target.referrers.insert(0, id);
            }
        }
        if let Some(module) = self.get_mut(id) {
            module.uses = targets;
        }
    }

    /// Undoes [`link`](Self::link).
    pub(crate) fn unlink(&mut self, id: ModuleId) {
        let targets = self.get_mut(id).map(|module| std::mem::take(&mut module.uses)).unwrap_or_default();
        for target in targets {
            if let Some(target) = self.get_mut(target) {
                target.referrers.retain(|referrer| *referrer != id);
            }
        }
    }

    /// Takes an entry out of the list, and its references off the others.
    pub(crate) fn remove(&mut self, id: ModuleId) -> Option<Module> {
        self.unlink(id);
        let at = self.entries.iter().position(|module| module.id == id)?;
        Some(self.entries.remove(at))
    }

    /// The free pass (`free_modules` of Linux 2.0): takes out every deleted entry that has no users and that nothing refers to.
    /// The others stay as zombies until a later pass. The flags do not count here: a cleanup that counts a user up and down
    /// leaves VISITED behind, and is over all the same.
    pub(crate) fn take_free(&mut self) -> Vec<Module> {
        let free = |module: &&Module| module.state == State::Deleted && !module.in_use();
        let ids: Vec<ModuleId> = self.newest_first().filter(free).map(|module| module.id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Half-made modules of a connection that is closed.
    pub(crate) fn take_half_made(&mut self, connection: ConnectionId) -> Vec<Module> {
        let left = |module: &&Module| module.creator == Some(connection) && matches!(module.state, State::Created | State::Failed);
        let ids: Vec<ModuleId> = self.newest_first().filter(left).map(|module| module.id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Identities, newest first.
    pub(crate) fn ids(&self) -> Vec<ModuleId> {
        self.newest_first().map(|module| module.id).collect()
    }

    /// A symbol by name: of one module, of the kernel (`Some("")`), or of all, newest first (`get_module_symbol` of Linux 2.0).
    pub(crate) fn symbol(&self, module: Option<&str>, symbol: &str) -> Option<u64> {
        let kernel = || self.tables.iter().find_map(|table| table.symbols.find(symbol));
        let mut running = self.newest_first().filter(|module| module.state == State::Running);
        match module {
            Some("") => kernel(),
            Some(name) => running.find(|module| module.name.as_str() == name).and_then(|module| module.symbols.find(symbol)),
            None => running.find_map(|module| module.symbols.find(symbol)).or_else(kernel),
        }
    }

    /// Does the list have an entry of this name, so that a new one may not take it?
    pub(crate) fn has(&self, name: &ModuleName) -> bool {
        self.find(name.as_str()).is_some()
    }
}
