//! The system calls, one file each. [`Kernel::dispatch`] is the door: a request in, a reply out, and the reason of every refusal in
//! the log.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod embedder;
pub(crate) mod init;
pub(crate) mod query;

use std::os::fd::OwnedFd;

use uapi::{Errno, ModuleName, Reply, Syscall};

use crate::error::{Error, shown};
use crate::kernel::Kernel;
use crate::log::Level;
use crate::options::{Lockdown, Wait};
use crate::peer::{Peer, Privilege};

/// A reply, and the descriptor that travels with it.
pub(crate) type Answer = Result<(Reply, Option<OwnedFd>), Error>;

impl Kernel {
    /// Serves one request: its reply or errno, and the descriptor that goes with it.
    pub fn dispatch(&self, peer: &Peer, call: Syscall) -> (Result<Reply, Errno>, Option<OwnedFd>) {
        let name = name(&call);
        let answer = self.serve_call(peer, call);
        let answer = match peer.privilege() {
            Privilege::Owner => self.reported(Level::Warning, &name, answer),
            Privilege::Reader => self.reported_to_stranger(&name, answer),
        };
        match answer {
            Ok((reply, descriptor)) => (Ok(reply), descriptor),
            Err(error) => (Err(error.errno()), None),
        }
    }

    /// Finds the call.
    pub(crate) fn serve_call(&self, peer: &Peer, call: Syscall) -> Answer {
        let plain = |reply: Reply| Ok((reply, None));
        match call {
            Syscall::Uname => plain(Reply::Uname(self.uname())),
            Syscall::CreateModule { name, layout, arena } => create::create_module(self, peer, &name, layout, arena),
            Syscall::InitModule(init) => init::init_module(self, peer, init).and_then(|()| plain(Reply::Done)),
            Syscall::DeleteModule { name } => delete::delete_module(self, peer, name.as_deref()).and_then(|()| plain(Reply::Done)),
            Syscall::GetKernelSyms => plain(Reply::KernelSyms(self.kernel_syms())),
            Syscall::QueryModule { name, which, buffer } => {
                query::query(self, name.as_deref(), which, buffer).and_then(|answer| plain(Reply::Query(answer)))
            }
            Syscall::ReadProc(file) => plain(Reply::Text(self.proc(file))),
            Syscall::KerneldOpen => {
                owner(peer)?;
                self.kerneld_open(peer).map(|descriptor| (Reply::Channel, Some(descriptor)))
            }
            Syscall::KerneldSend { mtype, text, wait } => {
                owner(peer)?;
                let wait = if wait { Wait::Reply } else { Wait::No };
                let (status, text) = self.send_message(mtype, &text, wait, peer.pid())?;
                plain(Reply::Kerneld { status, text })
            }
            Syscall::Embedder { request, body } => {
                embedder::embedder(self, peer, &request, &body).and_then(|body| plain(Reply::Embedder(body)))
            }
        }
    }

    /// `delete_module(2)` by the embedder.
    ///
    /// # Errors
    /// As the system call; the reason goes to the log too.
    pub fn unload(&self, name: &str) -> Result<(), Error> {
        self.reported(Level::Warning, "delete_module", delete::delete_module(self, &Peer::kernel(), Some(name)))
    }

    /// `delete_module(NULL)` by the embedder: removes autoclean modules that were not used since the last pass.
    ///
    /// # Errors
    /// [`Error::Lockdown`].
    pub fn autoclean(&self) -> Result<(), Error> {
        self.reported(Level::Warning, "delete_module", delete::delete_module(self, &Peer::kernel(), None))
    }
}

/// The call as the log names it.
fn name(call: &Syscall) -> String {
    match call {
        Syscall::Uname => "uname".to_owned(),
        Syscall::CreateModule { .. } => "create_module".to_owned(),
        Syscall::InitModule(_) => "init_module".to_owned(),
        Syscall::DeleteModule { .. } => "delete_module".to_owned(),
        Syscall::GetKernelSyms => "get_kernel_syms".to_owned(),
        Syscall::QueryModule { .. } => "query_module".to_owned(),
        Syscall::ReadProc(_) => "read".to_owned(),
        Syscall::KerneldOpen => "kerneld_open".to_owned(),
        Syscall::KerneldSend { .. } => "kerneld_send".to_owned(),
        Syscall::Embedder { request, .. } => format!("request `{}`", shown(request).escape_debug()),
    }
}

/// Only owners go on.
fn owner(peer: &Peer) -> Result<(), Error> {
    match peer.privilege() {
        Privilege::Owner => Ok(()),
        Privilege::Reader => Err(Error::Privilege { uid: peer.uid() }),
    }
}

/// Only owners of a kernel that is not locked down go on: first test of create, init and delete.
fn may_change(kernel: &Kernel, peer: &Peer) -> Result<(), Error> {
    owner(peer)?;
    match kernel.inner.config.lockdown {
        Lockdown::Off => Ok(()),
        Lockdown::On => Err(Error::Lockdown),
    }
}

/// A module name from outside.
fn module_name(name: &str) -> Result<ModuleName, Error> {
    ModuleName::new(name).map_err(|error| Error::ModuleName { name: shown(name), error })
}
