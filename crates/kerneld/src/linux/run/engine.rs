//! A request from its name to its outcome: who, what, whether, load, record. Every way into the daemon (the kernel's helper, devices)
//! ends here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use demand::carry::{Carried, carry};
use demand::judge::{Judged, judge};
use demand::who::Finder;
use demand::{Class, DecidedBy, Outcome, Paths, Record, RequestName, Requester, stamp};
use kmod::plan::Step;

use super::chronicle::Chronicle;
use super::flights::{Flights, Key};
use super::kernels::Kernels;
use super::locks::ModuleLocks;
use super::plans::Plans;
use super::rules::Rules;
use super::tally::Tally;
use super::teller::Teller;
use crate::linux::leases::Keeper;

/// Everything that serving a request takes. Shared by all threads of the daemon.
#[derive(Debug)]
pub struct Engine<K> {
    kernels: K,
    stamp: stamp::Stamp,
    sequence: AtomicU64,
    finder: Finder,
    plans: Plans,
    locks: ModuleLocks,
    flights: Flights,
    rules: Rules,
    chronicle: Chronicle,
    tally: Tally,
    teller: Teller,
    leases: Keeper,
}

impl<K: Kernels> Engine<K> {
    /// An engine for the kernel that `kernels` leads to.
    ///
    /// # Errors
    /// Where the thread that writes the journal cannot be started.
    pub fn new(paths: &Paths, kernels: K, teller: Teller) -> std::io::Result<Self> {
        let release = kmod::kernel::Kernel::release(&mut kernels.kernel()).unwrap_or_default();
        let rules = Rules::load(paths);
        let now = rules.now();
        Ok(Self {
            chronicle: Chronicle::start(paths, now.policy.journal.into())?,
            locks: ModuleLocks::new(now.policy.load_within),
            leases: Keeper::new(paths, &stamp::Stamp::of(paths, &release), now.policy.leases.clone()),
            stamp: stamp::Stamp::of(paths, &release),
            plans: Plans::new(paths.clone(), release),
            finder: Finder::open(paths),
            sequence: AtomicU64::new(0),
            flights: Flights::default(),
            tally: Tally::default(),
            kernels,
            rules,
            teller,
        })
    }

    /// Finds who made the kernel start a helper with this name; or who started the helper, if it was not the kernel.
    pub(crate) fn requesters(&self, name: &RequestName, helper: u32) -> Vec<Requester> {
        self.finder.starter_of(helper).unwrap_or_else(|| self.finder.requesters(name))
    }

    /// Serves a request of these requesters (none: nobody was found), and records it.
    pub fn handle(&self, name: &RequestName, requesters: Vec<Requester>) -> Outcome {
        self.serve(name, requesters, Instant::now(), &mut || {})
    }

    /// The same for a request that arrived a while ago; `accepted` is called once it is clear that something is loaded, before it is.
    pub(crate) fn serve(&self, name: &RequestName, requesters: Vec<Requester>, since: Instant, accepted: &mut dyn FnMut()) -> Outcome {
        let time = stamp::now();
        let requesters = if requesters.is_empty() { vec![Requester::unknown()] } else { requesters };
        let rules = self.rules.now();
        let resolved = self.plans.resolve(name);
        let judged = judge(&rules.policy, &rules.grants, name, &requesters, &resolved, time);
        let Judged { decision, steps, ends, plan } = judged;
        let (plan, outcome, recorded) = match ends {
            Some(outcome) => (plan, outcome.clone(), outcome),
            None => {
                accepted();
                self.load(name, &requesters, &steps, rules.policy.load_within)
            }
        };
        let record = Record {
            time,
            boot: self.stamp.boot.clone(),
            release: self.stamp.release.clone(),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            request: name.clone(),
            class: Class::of(name.as_str()),
            requesters,
            decision,
            plan,
            outcome: recorded,
            duration: u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX),
            by: DecidedBy::Daemon,
            repeated: 1,
        };
        self.leases.note(&record);
        self.tally.count(&record);
        self.teller.tell(&record);
        let changed = record.plan.iter().any(|step| step.loaded);
        self.chronicle.take(record);
        if changed {
            self.chronicle.settle();
        }
        outcome
    }

    /// Loads, or waits for an identical load: the steps, what came of them, and what the record says of that.
    fn load(&self, name: &RequestName, who: &[Requester], steps: &[Step], patience: Duration) -> (Vec<demand::PlanStep>, Outcome, Outcome) {
        // No module of these goes between "it is there" and its first use.
        let _demand = self.leases.demand(steps.iter().map(|step| step.module.as_str()));
        let key = Key { name: name.clone(), modules: steps.iter().map(|step| step.module.clone()).collect() };
        let work = || {
            // What the start of a module asks for meanwhile is asked by the same requesters.
            let _acting = self.finder.acting_for(who);
            carry(&mut self.kernels.kernel(), steps, &self.locks)
        };
        match self.flights.fly(key, patience, work) {
            Ok(Carried { plan, outcome }) => (plan, outcome.clone(), outcome),
            Err(Some(Carried { plan, outcome })) => {
                let plan = plan.into_iter().map(|step| demand::PlanStep { loaded: false, ..step }).collect();
                (plan, outcome, Outcome::Shared)
            }
            Err(None) => {
                let text = format!("another load for the same name was not done within {} ms", patience.as_millis());
                let failed = Outcome::Failed { errno: None, text };
                (Vec::new(), failed.clone(), failed)
            }
        }
    }

    /// The policy in force.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The journal.
    pub(crate) fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// The numbers.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The log of the system.
    pub(crate) fn teller(&self) -> &Teller {
        &self.teller
    }

    /// The boot and the kernel.
    pub(crate) fn stamp(&self) -> &stamp::Stamp {
        &self.stamp
    }

    /// The modules that came on demand.
    pub(crate) fn leases(&self) -> &Keeper {
        &self.leases
    }

    /// Loads that are under way.
    pub(crate) fn loading(&self) -> usize {
        self.flights.count()
    }

    /// Why requesters cannot be told by tracing; `None` where they can.
    pub(crate) fn tracing_fault(&self) -> Option<String> {
        self.finder.tracing().err().map(ToString::to_string)
    }

    /// The locks that every load takes: whoever unloads has to take them too.
    #[must_use]
    pub fn locks(&self) -> &ModuleLocks {
        &self.locks
    }

    /// A handle of the kernel.
    #[must_use]
    pub fn kernel(&self) -> K::Kernel {
        self.kernels.kernel()
    }

    /// Reads policy, grants and configuration again.
    pub(crate) fn reload(&self) -> super::rules::PolicyState {
        self.plans.forget();
        let state = self.rules.reload();
        self.chronicle.set_limits(self.rules.now().policy.journal.into());
        self.locks.set_patience(self.rules.now().policy.load_within);
        self.leases.reconfigure(self.rules.now().policy.leases.clone());
        self.teller.policy(&state);
        state
    }
}

/// One engine for all threads.
pub(crate) type Shared<K> = Arc<Engine<K>>;
