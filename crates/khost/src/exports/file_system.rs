//! File systems of modules: `register_filesystem`, and the VFS's calls into them.

use std::cell::UnsafeCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uapi::Errno;

use super::{layout, text};
use crate::host::{Host, current};
use crate::log::Level;
use crate::owner::Owner;
use crate::vfs::{Complaints, Entry, FileSystemType, Fill, Inode, Lifetime, MAX_NAME, Source, Statistics, SuperBlock};

/// `int register_filesystem(struct file_system_type *type)`
///
/// # Safety
/// `kind` is NULL or points to a type that stays until it is unregistered.
pub(super) unsafe extern "C" fn register_filesystem(kind: *const layout::FileSystemType) -> c_int {
    let Some(host) = current().filter(|_| !kind.is_null()) else { return -Errno::EINVAL.number() };
    // SAFETY: the caller's promise.
    let fields = unsafe { kind.read() };
    // SAFETY: the name of a type is NULL or a string.
    let name = unsafe { text::copy(std::ptr::with_exposed_provenance(usize::try_from(fields.name).unwrap_or(0))) };
    let address = u64::try_from(kind.expose_provenance()).unwrap_or(0);
    let owner = host.kernel().module_at(fields.read_super).and_then(|_| host.owner_at(&[address, fields.read_super]));
    let (Some(name), Some(owner)) = (name, owner) else { return -Errno::EINVAL.number() };
    let needs_device = fields.flags & layout::FS_REQUIRES_DEV != 0;
    let module_type = ModuleType { host, name, owner, needs_device, address, read_super: fields.read_super };
    match host.services().file_systems.register(Arc::new(module_type)) {
        Ok(()) => 0,
        Err(error) => -error.number(),
    }
}

/// `int unregister_filesystem(struct file_system_type *type)`
///
/// # Safety
/// As [`register_filesystem`].
pub(super) unsafe extern "C" fn unregister_filesystem(kind: *const layout::FileSystemType) -> c_int {
    let Some(host) = current().filter(|_| !kind.is_null()) else { return -Errno::EINVAL.number() };
    // SAFETY: the caller's promise.
    let fields = unsafe { kind.read() };
    // SAFETY: the name of a type is NULL or a string.
    let name = unsafe { text::copy(std::ptr::with_exposed_provenance(usize::try_from(fields.name).unwrap_or(0))) };
    let Some(name) = name else { return -Errno::EINVAL.number() };
    // Another module's type of the same name stays.
    let ours = host.owner_at(&[u64::try_from(kind.expose_provenance()).unwrap_or(0), fields.read_super]);
    let listed = host.services().file_systems.names().into_iter().find(|(known, _)| *known == name);
    if !listed.is_some_and(|(_, owner)| owner.is_some() && owner == ours) {
        return -Errno::EINVAL.number();
    }
    match host.services().file_systems.unregister(&name) {
        Ok(()) => 0,
        Err(error) => -error.number(),
    }
}

/// A type of file system that a module has registered.
struct ModuleType {
    host: &'static Host,
    name: String,
    owner: Owner,
    needs_device: bool,
    address: u64,
    read_super: u64,
}

impl FileSystemType for ModuleType {
    fn name(&self) -> &str {
        &self.name
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.owner)
    }

    fn needs_device(&self) -> bool {
        self.needs_device
    }

    fn read_super(&self, source: &Source) -> Result<Arc<dyn SuperBlock>, Errno> {
        let options = CString::new(source.options.as_str()).map_err(|_| Errno::EINVAL)?;
        let block = layout::SuperBlock {
            device: source.device.map_or(0, |number| number.0),
            flags: layout::MS_RDONLY,
            size: source.size,
            kind: self.address,
            ..layout::SuperBlock::default()
        };
        let mut mounted = ModuleSuperBlock {
            host: self.host,
            block: Box::new(UnsafeCell::new(block)),
            operations: layout::SuperOperations::default(),
            root: Inode::default(),
            dead: AtomicBool::new(false),
        };
        let silent = u64::from(source.complaints == Complaints::Silent);
        let status = mounted.call(self.read_super, [mounted.address(), address_of(options.as_ptr()), silent]);
        if let Err(error) = status.and_then(status_of) {
            mounted.forget_if_dead();
            return Err(error);
        }
        if let Err(problem) = mounted.take_over() {
            let text = format!("VFS: `{}` of module `{}`: read_super {problem}", self.name, self.owner.name);
            self.host.services().log.line(Level::ERR, &text);
            mounted.put_super();
            return Err(Errno::EINVAL);
        }
        Ok(Arc::new(mounted))
    }
}

/// What is wrong with what `read_super` has filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// `s_op` points to no operations in a module.
    NoOperations { address: u64 },
    /// An operation is no code of a module.
    WildOperation { address: u64 },
    /// The root is no directory.
    RootMode { mode: u32 },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoOperations { address } => write!(f, "set s_op to {address:#x}, where no module has operations"),
            Self::WildOperation { address } => write!(f, "set an operation at {address:#x}, which is no code of a module"),
            Self::RootMode { mode } => write!(f, "set a root of mode {mode:#o}, which is no directory"),
        }
    }
}

/// A file system of a module, mounted.
struct ModuleSuperBlock {
    host: &'static Host,
    /// The module has its address, and may change it at any time.
    block: Box<UnsafeCell<layout::SuperBlock>>,
    operations: layout::SuperOperations,
    root: Inode,
    dead: AtomicBool,
}

// SAFETY: the cell is only read and written by this side while it is being mounted, by one thread; after that only the module
// uses it, from any thread, by rules of its own.
unsafe impl Send for ModuleSuperBlock {}
// SAFETY: as for `Send`.
unsafe impl Sync for ModuleSuperBlock {}

impl ModuleSuperBlock {
    /// The address of the `struct super_block`.
    fn address(&self) -> u64 {
        address_of(self.block.get())
    }

    /// Calls an operation. A fault in it is the end of the mount.
    fn call(&self, operation: u64, arguments: [u64; 3]) -> Result<u64, Errno> {
        self.call_with(operation, [arguments[0], arguments[1], arguments[2], 0])
    }

    /// Calls an operation of up to four arguments.
    fn call_with(&self, operation: u64, [a, b, c, d]: [u64; 4]) -> Result<u64, Errno> {
        if self.dead.load(Ordering::Acquire) {
            return Err(Errno::EIO);
        }
        if operation == 0 {
            return Err(Errno::ENOSYS);
        }
        self.host.kernel().call(operation, [a, b, c, d, 0, 0]).map_err(|fault| {
            self.dead.store(true, Ordering::Release);
            self.host.services().log.line(Level::ERR, &format!("VFS: a file system is dead: {fault}"));
            Errno::EIO
        })
    }

    /// Looks at what `read_super` has filled in.
    fn take_over(&mut self) -> Result<(), Problem> {
        // SAFETY: `read_super` has returned, and nobody else knows of this mount yet.
        let block = unsafe { self.block.get().read() };
        let last = block.operations.saturating_add(size_of::<layout::SuperOperations>() as u64 - 1);
        let within = |address: u64| self.host.kernel().module_at(address).is_some();
        if !within(block.operations) || !within(last) {
            return Err(Problem::NoOperations { address: block.operations });
        }
        let place: *const layout::SuperOperations = std::ptr::with_exposed_provenance(usize::try_from(block.operations).unwrap_or(0));
        if !place.is_aligned() {
            return Err(Problem::NoOperations { address: block.operations });
        }
        // SAFETY: it lies, aligned, in the memory of a module, which is mapped as long as the module is there.
        self.operations = unsafe { place.read() };
        let operations = self.operations;
        let all = [operations.lookup, operations.readdir, operations.read, operations.statfs, operations.put_super];
        if let Some(address) = all.into_iter().find(|operation| *operation != 0 && !within(*operation)) {
            return Err(Problem::WildOperation { address });
        }
        self.root = Inode { super_block: self.address(), ..block.root };
        if self.root.is_directory() { Ok(()) } else { Err(Problem::RootMode { mode: self.root.mode }) }
    }

    /// Memory that a dead module may still point to is never freed.
    fn forget_if_dead(self) {
        if self.dead.load(Ordering::Acquire) {
            std::mem::forget(self);
        }
    }
}

impl SuperBlock for ModuleSuperBlock {
    fn root(&self) -> Inode {
        self.root
    }

    fn lookup(&self, directory: &Inode, name: &[u8]) -> Result<Inode, Errno> {
        let text = CString::new(name).map_err(|_| Errno::EINVAL)?;
        let mut directory = Inode { super_block: self.address(), ..*directory };
        let mut found = Inode { super_block: self.address(), ..Inode::default() };
        let arguments = [address_of(&raw mut directory), address_of(text.as_ptr()), length_of(name.len()), address_of(&raw mut found)];
        status_of(self.call_with(self.operations.lookup, arguments)?)?;
        Ok(Inode { super_block: self.address(), ..found })
    }

    fn read_directory(&self, directory: &Inode, position: u64, fill: &mut dyn FnMut(Entry) -> Fill) -> Result<u64, Errno> {
        let mut directory = Inode { super_block: self.address(), ..*directory };
        let (mut position, mut context) = (position, FillContext { fill, reached: position, enough: false });
        let callback = filldir as *const () as usize as u64;
        let arguments = [address_of(&raw mut directory), address_of(&raw mut position), callback, address_of(&raw mut context)];
        status_of(self.call_with(self.operations.readdir, arguments)?)?;
        Ok(if context.enough { context.reached } else { position })
    }

    fn read(&self, file: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut file = Inode { super_block: self.address(), ..*file };
        let arguments = [address_of(&raw mut file), address_of(buffer.as_mut_ptr()), length_of(buffer.len()), offset];
        let count = self.call_with(self.operations.read, arguments)?.cast_signed();
        match usize::try_from(count) {
            Ok(count) if count <= buffer.len() => Ok(count),
            Ok(_) => Err(Errno::EIO),
            Err(_) => Err(errno_of(count)),
        }
    }

    fn statistics(&self) -> Result<Statistics, Errno> {
        let mut result = Statistics::default();
        let status = self.call(self.operations.statfs, [self.address(), address_of(&raw mut result), 0])?;
        status_of(status)?;
        Ok(result)
    }

    fn put_super(&self) {
        if self.operations.put_super != 0 {
            let _fault_is_logged = self.call(self.operations.put_super, [self.address(), 0, 0]);
        }
    }

    fn lifetime(&self) -> Lifetime {
        if self.dead.load(Ordering::Acquire) { Lifetime::Dead } else { Lifetime::Alive }
    }

    fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }
}

/// Where `readdir` puts its entries.
struct FillContext<'a> {
    fill: &'a mut dyn FnMut(Entry) -> Fill,
    reached: u64,
    enough: bool,
}

/// `filldir_t`
///
/// # Safety
/// `context` is what `readdir` was given, while it runs; `name` has `length` bytes.
unsafe extern "C" fn filldir(context: *mut c_void, name: *const c_char, length: usize, position: u64, number: u64, mode: u32) -> c_int {
    if name.is_null() || length == 0 || length > MAX_NAME {
        return 0;
    }
    let mut copy = [0_u8; MAX_NAME];
    // SAFETY: `length` is at most the length of the copy; the name is the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(name.cast::<u8>(), copy.as_mut_ptr(), length) };
    let name = copy.get(..length).unwrap_or_default();
    if name.iter().any(|byte| *byte == 0 || *byte == b'/') {
        return 0;
    }
    // SAFETY: the caller's promise; `readdir` runs on one thread.
    let context = unsafe { &mut *context.cast::<FillContext<'_>>() };
    if !context.enough {
        context.reached = position;
        context.enough = (context.fill)(Entry { name: name.to_vec(), position, number, mode }) == Fill::Enough;
    }
    c_int::from(context.enough)
}

/// A pointer as modules are handed it.
fn address_of<T>(place: *const T) -> u64 {
    u64::try_from(place.expose_provenance()).unwrap_or(0)
}

fn length_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The `int` that an operation returned: 0, or a negative error number. Other values are none that the VFS knows.
fn status_of(value: u64) -> Result<(), Errno> {
    let [a, b, c, d, ..] = value.to_le_bytes();
    match i32::from_le_bytes([a, b, c, d]) {
        0 => Ok(()),
        status => Err(errno_of(status.into())),
    }
}

/// The error behind a negative number.
fn errno_of(status: i64) -> Errno {
    i32::try_from(status).ok().filter(|status| *status < 0).and_then(Errno::from_number).unwrap_or(Errno::EIO)
}
