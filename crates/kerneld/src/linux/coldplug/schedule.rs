//! In which order the steps of many plans are done: each as soon as what it stands on is done, and each once.
//!
//! Pure: nothing is loaded here. Every arrow leads from a module that came into the schedule earlier to one that came later, so
//! there are no circles: a plan lists what a module needs before the module, and of softdeps that contradict each other the one is
//! obeyed that the plan obeys.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kmod::plan::{Action, Step, Why};

use crate::linux::uevents::Turn;

/// A step in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node(usize);

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The module was loaded, or the command run.
    Loaded,
    /// It was there, or is built in.
    Present,
    /// It was not loaded.
    Failed {
        /// The number of the kernel's error, if it gave one.
        errno: Option<i32>,
        /// What went wrong.
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done(Done),
}

/// How a step depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrow {
    /// Without the other, it fails.
    Needs,
    /// The other comes first, whatever becomes of it.
    After,
}

#[derive(Debug)]
struct Entry {
    step: Step,
    state: State,
    turn: Turn,
    /// How many of those before it are not done.
    open: usize,
    then: Vec<(usize, Arrow)>,
}

/// The steps of all plans so far.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    entries: Vec<Entry>,
    by_module: HashMap<String, usize>,
    present: HashSet<String>,
    ready: BTreeSet<(Turn, usize)>,
    running: Vec<usize>,
}

impl Schedule {
    /// An empty schedule for a kernel in which these modules are.
    pub(super) fn new(present: HashSet<String>) -> Self {
        Self { present, ..Self::default() }
    }

    /// Adds the steps of a plan that are not there yet; `dependencies` names the modules that a module uses. A module that failed
    /// before is tried once more: another device wants it now.
    pub(super) fn add(&mut self, steps: &[Step], turn: Turn, mut dependencies: impl FnMut(&str) -> Vec<String>) {
        let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for step in steps {
            match &step.why {
                Why::SoftdepPre { of, .. } => before.entry(of).or_default().push(&step.module),
                Why::SoftdepPost { of, .. } => before.entry(&step.module).or_default().push(of),
                _ => {}
            }
        }
        for step in steps {
            let known = self.by_module.get(&step.module).copied();
            if known.is_some_and(|at| !matches!(self.entries[at].state, State::Done(Done::Failed { .. }))) {
                known.into_iter().for_each(|at| self.hasten(at, turn));
                continue;
            }
            let at = known.unwrap_or(self.entries.len());
            let mut arrows: HashMap<usize, Arrow> = HashMap::new();
            for module in before.get(step.module.as_str()).into_iter().flatten() {
                arrows.extend(self.by_module.get(*module).map(|&from| (from, Arrow::After)));
            }
            for module in dependencies(&step.module) {
                arrows.extend(self.by_module.get(&module).map(|&from| (from, Arrow::Needs)));
            }
            let entry = Entry { step: step.clone(), state: State::Waiting, turn, open: 0, then: Vec::new() };
            match known {
                Some(at) => self.entries[at] = Entry { then: std::mem::take(&mut self.entries[at].then), ..entry },
                None => {
                    self.by_module.insert(step.module.clone(), at);
                    self.entries.push(entry);
                }
            }
            self.connect(at, arrows);
        }
    }

    fn connect(&mut self, at: usize, arrows: HashMap<usize, Arrow>) {
        let mut failed = None;
        for (from, arrow) in arrows.into_iter().filter(|(from, _)| *from != at) {
            match &self.entries[from].state {
                State::Done(Done::Failed { .. }) if arrow == Arrow::Needs => failed = Some(from),
                State::Done(_) => {}
                _ => {
                    // A module that is tried once more may still be waited for by an arrow of its first time.
                    let then = &mut self.entries[from].then;
                    match then.iter_mut().find(|(to, _)| *to == at) {
                        Some(known) => known.1 = arrow,
                        None => then.push((at, arrow)),
                    }
                    self.entries[at].open += 1;
                }
            }
        }
        let step = &self.entries[at].step;
        let settled = match &step.action {
            _ if self.present.contains(&step.module) => Some(Done::Present),
            _ if step.builtin => Some(Done::Present),
            Action::Missing => Some(Done::Failed { errno: None, text: format!("no module has the name `{}`", step.module) }),
            _ => failed.map(|from| needs(&self.entries[from].step.module)),
        };
        match settled {
            Some(done) => self.settle(at, done),
            None if self.entries[at].open == 0 => {
                self.ready.insert((self.entries[at].turn, at));
            }
            None => {}
        }
    }

    /// Gives a step that is waiting its turn earlier, if that is earlier than it was.
    fn hasten(&mut self, at: usize, turn: Turn) {
        let entry = &mut self.entries[at];
        let sooner = entry.turn.min(turn);
        let before = std::mem::replace(&mut entry.turn, sooner);
        if self.ready.remove(&(before, at)) {
            self.ready.insert((sooner, at));
        }
    }

    /// The next step that can be done now.
    pub(super) fn next(&mut self) -> Option<(Node, Step)> {
        let (_, at) = self.ready.pop_first()?;
        self.entries[at].state = State::Running;
        self.running.push(at);
        Some((Node(at), self.entries[at].step.clone()))
    }

    /// Says what became of a step that [`next`](Self::next) gave out.
    pub(super) fn done(&mut self, node: Node, done: Done) {
        self.running.retain(|&at| at != node.0);
        self.settle(node.0, done);
    }

    fn settle(&mut self, at: usize, done: Done) {
        let mut settled = vec![(at, done)];
        while let Some((at, done)) = settled.pop() {
            let Some(entry) = self.entries.get_mut(at).filter(|entry| !matches!(entry.state, State::Done(_))) else { continue };
            let failed = matches!(done, Done::Failed { .. });
            entry.state = State::Done(done);
            let (module, then) = (entry.step.module.clone(), std::mem::take(&mut entry.then));
            for (to, arrow) in then {
                let Some(waiting) = self.entries.get_mut(to) else { continue };
                waiting.open = waiting.open.saturating_sub(1);
                if failed && arrow == Arrow::Needs {
                    settled.push((to, needs(&module)));
                } else if waiting.open == 0 && waiting.state == State::Waiting {
                    self.ready.insert((waiting.turn, to));
                }
            }
        }
    }

    /// Whether nothing is to be done and nothing is being done.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.running.is_empty()
    }

    /// The modules of the steps that are being done.
    pub(super) fn running(&self) -> impl Iterator<Item = &str> {
        self.running.iter().filter_map(|&at| self.entries.get(at)).map(|entry| entry.step.module.as_str())
    }

    /// What became of a module; `None` while it is not done, or not in the schedule.
    pub(super) fn outcome(&self, module: &str) -> Option<&Done> {
        match &self.entries.get(*self.by_module.get(module)?)?.state {
            State::Done(done) => Some(done),
            _ => None,
        }
    }

    /// All steps in the order in which they came, and what became of them.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Node, &Step, Option<&Done>)> {
        self.entries.iter().enumerate().map(|(at, entry)| {
            let done = if let State::Done(done) = &entry.state { Some(done) } else { None };
            (Node(at), &entry.step, done)
        })
    }
}

fn needs(module: &str) -> Done {
    Done::Failed { errno: None, text: format!("it needs `{module}`, which was not loaded") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmod::config::Place;
    use kmod::lookup::Via;
    use proptest::prelude::*;

    fn step(module: &str, why: Why) -> Step {
        let required = !matches!(why, Why::SoftdepPre { .. } | Why::SoftdepPost { .. });
        let action = Action::Insert { path: format!("/{module}.ko").into() };
        Step { module: module.to_owned(), action, options: String::new(), why, required, builtin: false }
    }

    fn asked() -> Why {
        Why::Asked { alias: None, via: Via::Name }
    }

    fn of(module: &str) -> Why {
        Why::Dependency { of: module.to_owned() }
    }

    fn before(module: &str) -> Why {
        Why::SoftdepPre { of: module.to_owned(), place: Place::whole("/d".into()) }
    }

    /// Modules named `b_a` use `a`, `c_b_a` use both.
    fn dependencies(module: &str) -> Vec<String> {
        module.match_indices('_').map(|(at, _)| module[at + 1..].to_owned()).collect()
    }

    fn ready(schedule: &mut Schedule) -> Vec<(Node, String)> {
        std::iter::from_fn(|| schedule.next()).map(|(node, step)| (node, step.module)).collect()
    }

    fn names(ready: &[(Node, String)]) -> Vec<&str> {
        ready.iter().map(|(_, module)| module.as_str()).collect()
    }

    fn failed() -> Done {
        Done::Failed { errno: Some(19), text: "no such device".to_owned() }
    }

    #[test]
    fn what_two_plans_share_is_done_once_and_first() {
        let mut schedule = Schedule::new(HashSet::new());
        schedule.add(&[step("a", of("b_a")), step("b_a", asked())], Turn::Last, dependencies);
        schedule.add(&[step("a", of("c_a")), step("c_a", asked()), step("d", asked())], Turn::Last, dependencies);
        let first = ready(&mut schedule);
        assert_eq!(names(&first), ["a", "d"]);
        schedule.done(first[0].0, Done::Loaded);
        let second = ready(&mut schedule);
        assert_eq!(names(&second), ["b_a", "c_a"]);
        for (node, _) in first.into_iter().skip(1).chain(second) {
            schedule.done(node, Done::Loaded);
        }
        assert!(schedule.is_idle());
    }

    #[test]
    fn what_devices_come_up_behind_goes_first_and_takes_what_it_needs_along() {
        let mut schedule = Schedule::new(HashSet::new());
        schedule.add(&[step("a", asked()), step("b", of("c_b")), step("d", asked())], Turn::Last, dependencies);
        schedule.add(&[step("b", of("c_b")), step("c_b", asked())], Turn::First, dependencies);
        let (bus, first) = schedule.next().unwrap();
        assert_eq!(first.module, "b");
        schedule.done(bus, Done::Loaded);
        assert_eq!(names(&ready(&mut schedule)), ["c_b", "a", "d"]);
    }

    #[test]
    fn a_failure_takes_along_what_needs_it_and_not_what_only_comes_after_it() {
        let mut schedule = Schedule::new(HashSet::new());
        let steps = vec![step("soft", before("c_b_a")), step("a", of("c_b_a")), step("b_a", of("c_b_a")), step("c_b_a", asked())];
        schedule.add(&steps, Turn::Last, dependencies);
        let first = ready(&mut schedule);
        assert_eq!(names(&first), ["soft", "a"]);
        schedule.done(first[0].0, failed());
        schedule.done(first[1].0, failed());
        assert!(schedule.is_idle() && matches!(schedule.outcome("c_b_a"), Some(Done::Failed { errno: None, .. })));
        // Another device wants it: once more, from the bottom.
        schedule.add(&[step("a", of("b_a")), step("b_a", asked())], Turn::Last, dependencies);
        let again = ready(&mut schedule);
        assert_eq!(names(&again), ["a"]);
        schedule.done(again[0].0, Done::Loaded);
        let again = ready(&mut schedule);
        assert_eq!(names(&again), ["b_a"]);
    }

    #[test]
    fn what_is_there_or_built_in_is_not_done_and_softdeps_in_a_circle_do_not_wait_for_each_other() {
        let mut schedule = Schedule::new(HashSet::from(["a".to_owned()]));
        schedule.add(&[step("a", of("b_a")), step("b_a", asked())], Turn::Last, dependencies);
        schedule.add(&[step("y", before("x")), step("x", asked())], Turn::Last, dependencies);
        schedule.add(&[step("x", before("y")), step("y", asked())], Turn::Last, dependencies);
        let builtin = Step { action: Action::Builtin, builtin: true, ..step("built", asked()) };
        let missing = Step { action: Action::Missing, ..step("gone", asked()) };
        schedule.add(&[builtin, missing], Turn::Last, dependencies);
        let first = ready(&mut schedule);
        assert_eq!(names(&first), ["b_a", "y"]);
        schedule.done(first[1].0, failed());
        assert_eq!(names(&ready(&mut schedule)), ["x"]);
        assert_eq!(schedule.outcome("built"), Some(&Done::Present));
        assert!(matches!(schedule.outcome("gone"), Some(Done::Failed { .. })));
    }

    proptest! {
        /// Whatever fails and in whichever order steps end: all are done in the end, none twice, none before what it needs.
        #[test]
        fn every_schedule_ends(plans in prop::collection::vec(prop::collection::vec(0..12_usize, 1..4), 1..12),
                               failing in prop::collection::hash_set(0..12_usize, 0..4), picks in prop::collection::vec(any::<prop::sample::Index>(), 64)) {
            // Module n uses all modules whose number divides its own.
            let uses = |module: &str| -> Vec<String> {
                let number: usize = module[1..].parse().unwrap();
                (1..number).filter(|other| number.is_multiple_of(*other)).map(|other| format!("m{other}")).collect()
            };
            let mut schedule = Schedule::new(HashSet::new());
            let mut waiting: Vec<(Node, String)> = Vec::new();
            let mut ended: HashMap<String, bool> = HashMap::new();
            let mut picks = picks.into_iter();
            for numbers in plans.iter().map(Some).chain(std::iter::repeat_n(None, 64)) {
                for number in numbers.into_iter().flatten() {
                    let module = format!("m{}", number + 1);
                    let mut steps: Vec<Step> = uses(&module).iter().map(|used| step(used, of(&module))).collect();
                    steps.push(step(&module, asked()));
                    schedule.add(&steps, Turn::Last, uses);
                }
                for (node, module) in ready(&mut schedule) {
                    prop_assert!(uses(&module).iter().all(|used| ended.get(used) == Some(&true)), "{module} too early");
                    prop_assert!(ended.get(&module) != Some(&true), "{module} twice");
                    waiting.push((node, module));
                }
                if !waiting.is_empty() {
                    let at = picks.next().map_or(0, |pick| pick.index(waiting.len()));
                    let (node, module) = waiting.remove(at);
                    let fails = failing.contains(&(module[1..].parse::<usize>().unwrap() - 1));
                    ended.insert(module, !fails);
                    schedule.done(node, if fails { failed() } else { Done::Loaded });
                }
            }
            while let Some((node, _)) = waiting.pop().or_else(|| ready(&mut schedule).pop()) {
                schedule.done(node, Done::Loaded);
            }
            prop_assert!(schedule.is_idle());
            prop_assert!(schedule.steps().all(|(_, _, done)| done.is_some()));
        }
    }
}
