//! Devices that appear while the daemon runs: what they ask for goes the way of every other request.
//!
//! Whether the daemon does this is said by the policy (`[devices] follow`), and may change while it runs. While it does, the link
//! `/run/kerneld/devices` leads to the descriptor that it listens with: udev's rules look whether it leads anywhere, and load by
//! themselves where it does not, also when the daemon was killed.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use demand::{Paths, lock};

use super::Shared;
use super::kernels::Kernels;
use crate::Level;
use crate::linux::uevents::{DeviceRequest, Followed, Follower};

/// How often the policy is looked at, and how long the listener sleeps at most.
const TICK: Duration = Duration::from_secs(1);

/// Devices that wait for a free thread; more are found again by looking at all devices.
const WAITING: usize = 4096;

/// Most threads that load drivers.
const MOST_WORKERS: usize = 32;

/// Begins to follow devices, whenever the policy says so.
///
/// # Errors
/// Where no thread can be started.
pub(super) fn start<K: Kernels>(paths: &Paths, engine: Shared<K>) -> std::io::Result<()> {
    let (work, to_do) = sync_channel(WAITING);
    let to_do = Arc::new(Mutex::new(to_do));
    let workers = usize::try_from(engine.rules().now().policy.devices.workers).unwrap_or(1).clamp(1, MOST_WORKERS);
    for number in 0..workers {
        let (engine, to_do) = (engine.clone(), to_do.clone());
        let serve = move || serve(&engine, &to_do);
        std::thread::Builder::new().name(format!("devices/{number}")).spawn(serve)?;
    }
    let mut following = Following { paths: paths.clone(), engine, work, follower: None, refused: 0 };
    std::thread::Builder::new().name("devices".to_owned()).spawn(move || following.run())?;
    Ok(())
}

/// Serves devices until there are no more to come.
fn serve<K: Kernels>(engine: &Shared<K>, to_do: &Mutex<Receiver<DeviceRequest>>) {
    loop {
        let next = lock(to_do).recv();
        let Ok(request) = next else { return };
        // The record says what came of it; nobody waits for the answer.
        let _ = engine.handle(&request.name, vec![request.requester]);
    }
}

/// The listener.
struct Following<K> {
    paths: Paths,
    engine: Shared<K>,
    work: SyncSender<DeviceRequest>,
    follower: Option<Follower>,
    refused: u64,
}

impl<K: Kernels> Following<K> {
    fn run(&mut self) {
        loop {
            let wanted = self.engine.rules().now().policy.devices.follow;
            if !wanted {
                self.end();
                std::thread::sleep(TICK);
                continue;
            }
            if self.follower.is_none() {
                self.begin();
            }
            let Some(follower) = &mut self.follower else {
                std::thread::sleep(TICK);
                continue;
            };
            match follower.next(TICK) {
                Ok(Some(Followed::Request(request))) => self.ask(request),
                Ok(Some(Followed::Overrun)) => {
                    self.say(Level::Warning, "announcements of devices were lost: all without a driver are looked at again");
                }
                Ok(Some(Followed::Other(_)) | None) => {}
                Err(error) => {
                    self.say(Level::Warning, &format!("devices cannot be followed any more: {error}"));
                    self.end();
                    std::thread::sleep(TICK);
                }
            }
            self.tell_of_liars();
        }
    }

    /// A device that finds no room is asked for again by a look at all devices, once there is room.
    fn ask(&mut self, request: DeviceRequest) {
        if let Err(TrySendError::Full(request)) = self.work.try_send(request) {
            // Nothing is read meanwhile; should the kernel's buffer overflow, it says so, and all devices are looked at.
            let _ = self.work.send(request);
        }
    }

    fn begin(&mut self) {
        match Follower::open(&self.paths) {
            Ok(mut follower) => {
                // What came before, and what came while another daemon was dead.
                follower.rescan();
                self.mark(&follower);
                self.follower = Some(follower);
                self.say(Level::Info, "follows devices");
            }
            Err(error) => self.say(Level::Warning, &format!("devices cannot be followed: {error}")),
        }
    }

    fn end(&mut self) {
        if self.follower.take().is_some() {
            // Without the descriptor the link leads nowhere; that it is gone too is only tidy.
            let _ = std::fs::remove_file(self.paths.devices_mark());
            self.say(Level::Info, "follows devices no more");
        }
    }

    /// The link for udev's rules.
    fn mark(&self, follower: &Follower) {
        let (mark, descriptor) = (self.paths.devices_mark(), follower.as_fd().as_raw_fd());
        let _ = std::fs::remove_file(&mark);
        let target = format!("/proc/{}/fd/{descriptor}", std::process::id());
        if let Err(error) = std::os::unix::fs::symlink(target, &mark) {
            self.say(Level::Warning, &format!("udev will load drivers too: `{}`: {error}", mark.display()));
        }
    }

    fn tell_of_liars(&mut self) {
        let Some((refused, Some(last))) = self.follower.as_ref().map(Follower::refused) else { return };
        // One line for the first, and for each power of two after it.
        if refused > self.refused && refused.is_power_of_two() {
            self.say(Level::Warning, &format!("{refused} announcements of devices were refused; of the last one: {last}"));
        }
        self.refused = refused;
    }

    fn say(&self, level: Level, text: &str) {
        self.engine.teller().say(level, text);
    }
}
