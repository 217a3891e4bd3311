//! A kernel under test, its log, and an owner who makes system calls.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use kernel::{Kernel, KernelBuilder, Level, Peer};
use uapi::{Arena, Errno, ProcFile, Reply, Syscall};

use crate::image::{Loaded, Sample};

/// Lines of a kernel's log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    /// All lines.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().iter().map(|(_, line)| format!("{line}\n")).collect()
    }

    /// How many lines contain `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, line)| line.contains(part)).count()
    }
}

/// A kernel with a log and an owner.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) kernel: Kernel,
    pub(crate) log: Log,
    pub(crate) peer: Peer,
}

impl World {
    /// A kernel with default settings.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A kernel with settings of the test's own.
    pub(crate) fn with(settings: impl FnOnce(KernelBuilder) -> KernelBuilder) -> Self {
        let log = Log::default();
        let sink = log.clone();
        let builder = Kernel::builder().sysname("test").release("2.0.40-test").export("printk", 0x1000, "int printk(const char *, ...)");
        let builder = builder.log(move |level, line| sink.0.lock().unwrap().push((level, line.to_owned())));
        Self { kernel: settings(builder).build().unwrap(), log, peer: Peer::kernel() }
    }

    /// A system call of the owner.
    pub(crate) fn call(&self, call: Syscall) -> Result<Reply, Errno> {
        self.kernel.dispatch(&self.peer, call).0
    }

    /// `create_module` of a sample.
    pub(crate) fn create(&self, sample: &Sample) -> Result<(u64, OwnedFd), Errno> {
        let call = Syscall::CreateModule { name: sample.name.clone(), layout: sample.layout(), arena: Arena::Near };
        match self.kernel.dispatch(&self.peer, call) {
            (Ok(Reply::Created { base }), Some(memory)) => Ok((base, memory)),
            (Err(errno), None) => Err(errno),
            other => panic!("create_module answered {other:?}"),
        }
    }

    /// Creates, writes, initializes; deletes again where that fails, as insmod does.
    pub(crate) fn load(&self, sample: &Sample) -> Result<Loaded, Errno> {
        let base = self.create_written(sample)?;
        let answer = self.call(Syscall::InitModule(sample.request(base)));
        match answer {
            Ok(Reply::Done) => Ok(sample.at(base)),
            Ok(other) => panic!("init_module answered {other:?}"),
            Err(errno) => {
                let _ = self.delete(&sample.name);
                Err(errno)
            }
        }
    }

    /// As [`load`](Self::load), but a module of that name is somebody else's and stays.
    pub(crate) fn load_or_leave(&self, sample: &Sample) -> Result<(), Errno> {
        let base = self.create_written(sample)?;
        self.call(Syscall::InitModule(sample.request(base))).map(drop)
    }

    /// Creates and writes.
    pub(crate) fn create_written(&self, sample: &Sample) -> Result<u64, Errno> {
        let (base, memory) = self.create(sample)?;
        File::from(memory).write_all_at(&sample.image(base), 0).unwrap();
        Ok(base)
    }

    /// `delete_module`.
    pub(crate) fn delete(&self, name: &str) -> Result<Reply, Errno> {
        self.call(Syscall::DeleteModule { name: Some(name.to_owned()) })
    }

    /// `delete_module(NULL)`.
    pub(crate) fn autoclean(&self) {
        assert_eq!(self.call(Syscall::DeleteModule { name: None }), Ok(Reply::Done));
    }

    /// The identity of a module: the value of its marker.
    pub(crate) fn identity(&self, name: &str) -> u64 {
        let wanted = format!("#{name}");
        self.kernel.kernel_syms().iter().find(|symbol| symbol.name == wanted).unwrap_or_else(|| panic!("no marker {wanted}")).value
    }

    /// Names, newest first.
    pub(crate) fn names(&self) -> Vec<String> {
        self.kernel.module_names().iter().map(ToString::to_string).collect()
    }

    /// The classic text.
    pub(crate) fn classic(&self) -> String {
        self.kernel.proc(ProcFile::ModulesClassic)
    }
}

/// The line of `/proc/self/maps` that holds an address, if it is accessible at all.
pub(crate) fn map_of(address: u64) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let holds = |line: &&str| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        (u64::from_str_radix(start, 16).unwrap()..u64::from_str_radix(end, 16).unwrap()).contains(&address)
    };
    maps.lines().find(holds).filter(|line| !line.contains(" ---p ")).map(str::to_owned)
}
