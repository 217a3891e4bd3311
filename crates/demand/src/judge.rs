//! From a name and who asked to what is done: the policy's word on every module that the name stands for. Daemon and helper share it.

use kmod::plan::{Step, Why};

use crate::policy::{Grant, Policy, Question, Wanted};
use crate::resolve::{Planned, Resolved, Way, is_required, without};
use crate::{Class, Decision, Mode, Outcome, PlanStep, RequestName, Requester, RuleRef, Verdict};

/// What is to be done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What the rules say of it as a whole.
    pub decision: Decision,
    /// What is carried out; empty where there is nothing to do.
    pub steps: Vec<Step>,
    /// What comes of it, where nothing is carried out.
    pub ends: Option<Outcome>,
    /// For the record, where nothing is carried out: what would have been.
    pub plan: Vec<PlanStep>,
}

/// Decides on a request. `now` is in microseconds since 1970.
///
/// Each module that the name stands for is decided by itself; what is denied is left out of the others' steps. The request as a whole
/// is denied where nothing is left.
#[must_use]
pub fn judge(policy: &Policy, grants: &[Grant], name: &RequestName, requesters: &[Requester], resolved: &Resolved, now: u64) -> Judged {
    let ask = |modules: &[Wanted<'_>]| policy.decide(grants, &Question { name, class: Class::of(name.as_str()), requesters, modules, now });
    if resolved.targets.is_empty() {
        return Judged { decision: ask(&[]), steps: Vec::new(), ends: Some(Outcome::Unknown), plan: Vec::new() };
    }
    let mut whole = Whole::default();
    for target in &resolved.targets {
        match &target.way {
            Way::Plan { steps, left_out } => {
                let mut decision = ask(&wanted(steps));
                add(&mut decision.left_out, left_out);
                whole.planned(decision, &target.module, steps);
            }
            Way::Stopped { rule, module, place } => {
                let mut decision = ask(&[Wanted { module: &target.module, asked: true, required: true }]);
                decision.verdict = Verdict::Deny;
                decision.rule = RuleRef { name: (*rule).to_owned(), place: Some(place.clone()) };
                decision.module = Some(module.clone()).filter(|module| *module != target.module);
                whole.kept_out(decision, &target.module, Outcome::Denied);
            }
            Way::Faulty { errno, text } => {
                let decision = ask(&[Wanted { module: &target.module, asked: true, required: true }]);
                whole.kept_out(decision, &target.module, Outcome::Failed { errno: Some(*errno), text: text.clone() });
            }
        }
    }
    whole.judged().unwrap_or_else(|| Judged { decision: ask(&[]), steps: Vec::new(), ends: Some(Outcome::Unknown), plan: Vec::new() })
}

/// The steps as the policy is asked about them.
fn wanted(steps: &[Planned]) -> Vec<Wanted<'_>> {
    let mut all = Vec::with_capacity(steps.len());
    for planned in steps {
        let module = planned.step.module.as_str();
        all.push(Wanted { module, asked: matches!(planned.step.why, Why::Asked { .. }), required: is_required(steps, module) });
    }
    all
}

/// The targets so far.
#[derive(Default)]
struct Whole {
    /// The strictest decision among targets that are loaded.
    loads: Option<Decision>,
    steps: Vec<Step>,
    /// The first of those that are not, what became of it, and what would have been done.
    kept_out: Option<(Decision, Outcome)>,
    left_out: Vec<String>,
    plan: Vec<PlanStep>,
}

impl Whole {
    fn planned(&mut self, decision: Decision, module: &str, steps: &[Planned]) {
        if !decision.loads() {
            self.plan.extend(steps.iter().map(|planned| PlanStep::planned(&planned.step)));
            return self.kept_out(decision, module, Outcome::Denied);
        }
        let kept = if decision.mode == Mode::Enforce { without(steps, &decision.left_out) } else { steps.to_vec() };
        for planned in kept {
            if !self.steps.iter().any(|step| step.module == planned.step.module) {
                self.steps.push(planned.step);
            }
        }
        match &mut self.loads {
            Some(before) if before.verdict >= decision.verdict => add(&mut before.left_out, &decision.left_out),
            before => {
                let earlier = before.take().map(|before| before.left_out).unwrap_or_default();
                let decision = before.insert(decision);
                add(&mut decision.left_out, &earlier);
            }
        }
    }

    fn kept_out(&mut self, decision: Decision, module: &str, outcome: Outcome) {
        self.left_out.push(module.to_owned());
        self.kept_out.get_or_insert((decision, outcome));
    }

    fn judged(self) -> Option<Judged> {
        match (self.loads, self.kept_out) {
            (Some(mut decision), _) => {
                add(&mut decision.left_out, &self.left_out);
                Some(Judged { decision, steps: self.steps, ends: None, plan: Vec::new() })
            }
            (None, Some((decision, outcome))) => Some(Judged { decision, steps: Vec::new(), ends: Some(outcome), plan: self.plan }),
            (None, None) => None,
        }
    }
}

/// Adds what is not there yet.
fn add(list: &mut Vec<String>, more: &[String]) {
    for module in more {
        if !list.contains(module) {
            list.push(module.clone());
        }
    }
}
