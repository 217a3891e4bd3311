//! The requests: one for each modalias and kind of device that has it.

use std::collections::HashMap;
use std::time::Instant;

use demand::alone::LastPolicy;
use demand::judge::{Judged, judge};
use demand::resolve::Resolver;
use demand::stamp::now;
use demand::{RequestName, Requester};
use kmod::plan::Step;

use crate::linux::uevents::DeviceRequest;

/// What a policy can tell devices with one modalias apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    bus: String,
    removable: Option<String>,
}

/// A request that was decided on.
#[derive(Debug)]
pub(super) struct Request {
    /// The modalias.
    pub(super) name: RequestName,
    /// The first device that asked.
    pub(super) requester: Requester,
    /// How many devices of the kind asked.
    pub(super) devices: u64,
    /// What was decided.
    pub(super) judged: Judged,
    /// When it came.
    pub(super) came: Instant,
    /// The same, in microseconds since 1970.
    pub(super) time: u64,
}

/// What is new about a device.
#[derive(Debug)]
pub(super) enum New {
    /// Nothing: others like it have asked for the same.
    Nothing,
    /// It asks for what nobody asked for before, and nothing is to be loaded.
    Settled,
    /// These steps are to be done.
    Steps(Vec<Step>),
}

/// All requests so far, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Requests {
    all: Vec<Request>,
    known: HashMap<(RequestName, Kind), usize>,
}

impl Requests {
    /// Takes a device in: its name is looked up and decided on, unless a device like it has asked before.
    pub(super) fn add(&mut self, device: &DeviceRequest, resolver: &Resolver, last: &LastPolicy) -> New {
        let facts = device.requester.device.clone().unwrap_or_default();
        let key = (device.name.clone(), Kind { bus: facts.bus, removable: facts.removable });
        if let Some(request) = self.known.get(&key).and_then(|&at| self.all.get_mut(at)) {
            request.devices += 1;
            return New::Nothing;
        }
        let (came, time) = (Instant::now(), now());
        let resolved = resolver.resolve(&device.name);
        let requester = device.requester.clone();
        let judged = judge(&last.policy, &last.grants, &device.name, std::slice::from_ref(&requester), &resolved, time);
        let new = if judged.steps.is_empty() { New::Settled } else { New::Steps(judged.steps.clone()) };
        self.known.insert(key, self.all.len());
        self.all.push(Request { name: device.name.clone(), requester, devices: 1, judged, came, time });
        new
    }

    /// The requests.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.all.iter()
    }
}
