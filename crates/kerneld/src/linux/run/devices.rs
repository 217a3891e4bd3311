//! The thread that hears of devices, if the policy wants drivers loaded here (`[devices] follow`), and the workers that load them.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use demand::{Outcome, Paths};

use super::engine::Shared;
use super::kernels::Kernels;
use crate::Level;
use crate::linux::uevents::{DeviceRequest, Followed, Follower};

/// How often a thread that hears nothing looks around.
const LOOK: Duration = Duration::from_secs(5);

/// Requests that wait for a worker; then no more are read, and what is announced meanwhile waits in the socket.
const WAITING: usize = 256;

/// Starts them. What is there when the daemon starts counts as announced. They end with the process.
pub(super) fn start<K: Kernels>(paths: &Paths, engine: Shared<K>) -> io::Result<()> {
    let settings = engine.rules().now().policy.devices;
    if !settings.follow {
        return Ok(());
    }
    let mut follower = Follower::open(paths)?;
    follower.rescan();
    let (requests, queue) = sync_channel(WAITING);
    let queue = Arc::new(Mutex::new(queue));
    for number in 0..settings.workers.clamp(1, 64) {
        let (engine, queue) = (engine.clone(), queue.clone());
        std::thread::Builder::new().name(format!("device-{number}")).spawn(move || work(&engine, &queue))?;
    }
    std::thread::Builder::new().name("devices".to_owned()).spawn(move || follow(&engine, &mut follower, &requests)).map(drop)
}

fn follow<K: Kernels>(engine: &Shared<K>, follower: &mut Follower, requests: &SyncSender<DeviceRequest>) {
    loop {
        match follower.next(LOOK) {
            Ok(Some(Followed::Request(request))) => {
                if requests.send(request).is_err() {
                    return;
                }
            }
            Ok(Some(Followed::Overrun)) => {
                engine.teller().say(Level::Warning, "announcements of devices were lost; all devices are looked at again")
            }
            Ok(Some(Followed::Other(_)) | None) => {}
            Err(error) => {
                engine.teller().say(Level::Error, &format!("devices are no longer heard of: {error}"));
                return;
            }
        }
    }
}

fn work<K: Kernels>(engine: &Shared<K>, queue: &Mutex<Receiver<DeviceRequest>>) {
    loop {
        // One waits with the lock in hand, the others for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(DeviceRequest { name, requester }) = next else { return };
        // The outcome is in the journal; a device does not wait for it.
        let _outcome: Outcome = engine.handle(&name, vec![requester]);
    }
}
