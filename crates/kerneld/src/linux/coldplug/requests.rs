//! The requests: one for each modalias and kind of device that has it.

use std::collections::HashMap;
use std::time::Instant;

use demand::{Decision, RequestName, Requester, RuleRef, Verdict};
use kmod::plan::Plan;

use super::planner::{Planned, Planner};
use crate::linux::judge::{Judge, without};
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
    /// What was decided; `None` where no module has the name.
    pub(super) decision: Option<Decision>,
    /// What is loaded for it.
    pub(super) plan: Plan,
    /// When it came.
    pub(super) came: Instant,
}

/// What is new about a device.
#[derive(Debug)]
pub(super) enum New {
    /// Nothing: others like it have asked for the same.
    Nothing,
    /// It asks for what nobody asked for before, and nothing is to be loaded.
    Settled,
    /// These steps are to be done.
    Plan(Plan),
}

/// All requests so far, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Requests {
    all: Vec<Request>,
    known: HashMap<(RequestName, Kind), usize>,
}

impl Requests {
    /// Takes a device in.
    ///
    /// # Errors
    /// Those of damaged indexes.
    pub(super) fn add(&mut self, device: &DeviceRequest, planner: &Planner, judge: &Judge) -> kmod::Result<New> {
        let facts = device.requester.device.clone().unwrap_or_default();
        let key = (device.name.clone(), Kind { bus: facts.bus, removable: facts.removable });
        if let Some(request) = self.known.get(&key).and_then(|&at| self.all.get_mut(at)) {
            request.devices += 1;
            return Ok(New::Nothing);
        }
        let mut request = Request {
            name: device.name.clone(),
            requester: device.requester.clone(),
            devices: 1,
            decision: None,
            plan: Plan::default(),
            came: Instant::now(),
        };
        match planner.plan(device.name.as_str())? {
            Planned::Nothing => {}
            Planned::Forbidden(error) => {
                let rule = RuleRef { name: "forbid".to_owned(), place: Some(error.to_string()) };
                let decided = judge.decide(&device.name, std::slice::from_ref(&device.requester), &Plan::default());
                request.decision = Some(Decision { verdict: Verdict::Deny, rule, mode: demand::Mode::Enforce, ..decided });
            }
            Planned::Steps(plan) => {
                let decision = judge.decide(&device.name, std::slice::from_ref(&device.requester), &plan);
                if decision.loads() {
                    let left_out = if decision.mode == demand::Mode::Enforce { decision.left_out.as_slice() } else { &[] };
                    request.plan = without(&plan, left_out);
                }
                request.decision = Some(decision);
            }
        }
        let new = if request.plan.steps.is_empty() { New::Settled } else { New::Plan(request.plan.clone()) };
        self.known.insert(key, self.all.len());
        self.all.push(request);
        Ok(new)
    }

    /// The requests.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.all.iter()
    }
}
