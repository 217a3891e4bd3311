//! What kerneld does for the kernel: load and release modules, blank the screen, run commands.

use kernel::{Privilege, Wait};
use serde::{Deserialize, Serialize};
use uapi::Errno;
use uapi::kerneld::Request as Message;

use super::Request;
use crate::host::Host;

/// `request_module`: the demand for a module, by name or alias (`block-major-7`, `binfmt-204`, …).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestModule {
    /// Name or alias.
    pub name: String,
}

/// When a module is to be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseHow {
    /// Now.
    Now,
    /// After the idle delay of kerneld.
    Delayed,
    /// Not at all: takes a delayed release back.
    Cancel,
}

/// Ask kerneld to release a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The module.
    pub name: String,
    /// When.
    pub how: ReleaseHow,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Ask kerneld for the screen blanker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blank {
    /// Start or stop it.
    pub switch: Switch,
}

/// Ask kerneld to run a command by the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// The command.
    pub command: String,
}

/// How a request to kerneld ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helper {
    /// 0, the exit status of the helper (> 0), or a negative error number.
    pub status: i32,
    /// Its output, if it gave some.
    pub output: String,
}

/// Sends a message to kerneld.
fn send(host: &Host, message: Message, text: &str, wait: Wait) -> Helper {
    let reply = host.kernel().kerneld_send(message, text, wait);
    Helper { status: reply.status, output: reply.text }
}

impl Request for RequestModule {
    const NAME: &'static str = "request-module";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = Helper;

    fn serve(self, host: &Host) -> Result<Helper, Errno> {
        Ok(send(host, Message::RequestModule, &self.name, Wait::Reply))
    }
}

impl Request for Release {
    const NAME: &'static str = "release";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = Helper;

    fn serve(self, host: &Host) -> Result<Helper, Errno> {
        let (message, wait) = match self.how {
            ReleaseHow::Now => (Message::ReleaseModule, Wait::Reply),
            // The reply comes when the delay is over: nobody waits that long for it.
            ReleaseHow::Delayed => (Message::DelayedReleaseModule, Wait::No),
            ReleaseHow::Cancel => (Message::CancelReleaseModule, Wait::Reply),
        };
        Ok(send(host, message, &self.name, wait))
    }
}

impl Request for Blank {
    const NAME: &'static str = "blank";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = Helper;

    fn serve(self, host: &Host) -> Result<Helper, Errno> {
        // The reply to `on` comes when the blanker ends: the kernel does not wait for that.
        let (text, wait) = match self.switch {
            Switch::On => ("on", Wait::No),
            Switch::Off => ("off", Wait::Reply),
        };
        Ok(send(host, Message::Blanker, text, wait))
    }
}

impl Request for System {
    const NAME: &'static str = "system";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = Helper;

    fn serve(self, host: &Host) -> Result<Helper, Errno> {
        Ok(send(host, Message::System, &self.command, Wait::Reply))
    }
}
