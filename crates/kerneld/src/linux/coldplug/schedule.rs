//! In which order the steps of many plans are done: each as soon as what it stands on is done, and each once.
//!
//! Pure: nothing is loaded here. Every arrow leads from a module that came into the schedule earlier to one that came later, so
//! there are no circles: a plan lists what a module needs before the module, and of softdeps that contradict each other the one is
//! obeyed that the plan obeys.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use kmod::plan::{Action, Plan, Step, Why};

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
    ready: VecDeque<usize>,
    running: Vec<usize>,
}

impl Schedule {
    /// An empty schedule for a kernel in which these modules are.
    pub(super) fn new(present: HashSet<String>) -> Self {
        Self { present, ..Self::default() }
    }

    /// Adds the steps of a plan that are not there yet; `dependencies` names the modules that a module uses. A module that failed
    /// before is tried once more: another device wants it now.
    pub(super) fn add(&mut self, plan: &Plan, mut dependencies: impl FnMut(&str) -> Vec<String>) {
        let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for step in &plan.steps {
            match &step.why {
                Why::SoftdepPre { of, .. } => before.entry(of).or_default().push(&step.module),
                Why::SoftdepPost { of, .. } => before.entry(&step.module).or_default().push(of),
                _ => {}
            }
        }
        for step in &plan.steps {
            let known = self.by_module.get(&step.module).copied();
            if known.is_some_and(|at| !matches!(self.entries[at].state, State::Done(Done::Failed { .. }))) {
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
            let entry = Entry { step: step.clone(), state: State::Waiting, open: 0, then: Vec::new() };
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
            Action::Builtin => Some(Done::Present),
            Action::Missing => Some(Done::Failed { errno: None, text: format!("no module has the name `{}`", step.module) }),
            _ => failed.map(|from| needs(&self.entries[from].step.module)),
        };
        match settled {
            Some(done) => self.settle(at, done),
            None if self.entries[at].open == 0 => self.ready.push_back(at),
            None => {}
        }
    }

    /// The next step that can be done now.
    pub(super) fn next(&mut self) -> Option<(Node, Step)> {
        let at = self.ready.pop_front()?;
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
                    self.ready.push_back(to);
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
