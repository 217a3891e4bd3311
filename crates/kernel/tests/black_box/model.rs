//! The list against a model: random creations, initializations, uses, passes and deletions.

use proptest::prelude::*;
use uapi::{Errno, Syscall};

use crate::image::{Loaded, Sample, returning, sample};
use crate::world::World;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Init { name: usize, fails: bool, autoclean: bool, uses: Vec<usize> },
    Inc(usize),
    Dec(usize),
    Delete(usize),
    Autoclean,
    Disconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    prop_oneof![
        4 => name().prop_map(Step::Create),
        6 => (name(), prop::bool::weighted(0.2), any::<bool>(), prop::collection::vec(name(), 0..3))
            .prop_map(|(name, fails, autoclean, uses)| Step::Init { name, fails, autoclean, uses }),
        2 => name().prop_map(Step::Inc),
        2 => name().prop_map(Step::Dec),
        3 => name().prop_map(Step::Delete),
        2 => Just(Step::Autoclean),
        1 => Just(Step::Disconnect),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Created,
    Failed,
    Running,
}

/// What the model knows of a module.
#[derive(Clone, Debug)]
struct Known {
    name: usize,
    base: u64,
    life: Life,
    autoclean: bool,
    visited: bool,
    users: u64,
    uses: Vec<usize>,
}

/// Oldest first.
#[derive(Default)]
struct Model(Vec<Known>);

impl Model {
    fn at(&mut self, name: usize) -> Option<&mut Known> {
        self.0.iter_mut().find(|known| known.name == name)
    }

    fn referrers(&self, name: usize) -> Vec<&str> {
        self.0.iter().rev().filter(|known| known.uses.contains(&name)).map(|known| NAMES[known.name]).collect()
    }

    fn runs(&self, name: usize) -> bool {
        self.0.iter().any(|known| known.name == name && known.life == Life::Running)
    }

    fn remove(&mut self, name: usize) {
        self.0.retain(|known| known.name != name);
    }

    fn autoclean(&mut self) {
        let order: Vec<usize> = self.0.iter().rev().map(|known| known.name).collect();
        for name in order {
            let referred = !self.referrers(name).is_empty();
            let known = self.at(name).unwrap();
            if referred || known.life != Life::Running || !known.autoclean || known.users != 0 {
                continue;
            }
            if known.visited { known.visited = false } else { self.remove(name) }
        }
    }

    /// The classic text that the kernel must show.
    fn text(&self) -> String {
        let line = |known: &Known| {
            let name = NAMES[known.name];
            let referrers = self.referrers(known.name);
            let referrers = if referrers.is_empty() { String::new() } else { format!("[{}]", referrers.join(" ")) };
            let (state, count) = match known.life {
                Life::Running => ("", format!("\t{}{}", known.users, if known.autoclean { " (autoclean)" } else { "" })),
                Life::Created | Life::Failed => ("  (uninitialized)", String::new()),
            };
            format!("{name}{:18}4{state}\t{referrers}{count}\n", "")
        };
        self.0.iter().rev().map(line).collect()
    }
}

fn module(name: usize, step_fails: bool, autoclean: bool) -> Sample {
    let init = returning(i32::from(step_fails));
    Sample { init, autoclean, more: vec![returning(1)], exports: vec![format!("export_{}", NAMES[name])], ..sample(NAMES[name]) }
}

/// Makes a step in both.
fn take(world: &World, model: &mut Model, step: Step) {
    match step {
        Step::Create(name) => create(world, model, name),
        Step::Init { name, fails, autoclean, uses } => init(world, model, name, fails, autoclean, &uses),
        Step::Inc(name) | Step::Dec(name) => count(world, model, name, &step),
        Step::Delete(name) => delete(world, model, name),
        Step::Autoclean => {
            world.autoclean();
            model.autoclean();
        }
        Step::Disconnect => {
            world.kernel.disconnect(&world.peer);
            model.0.retain(|known| known.life == Life::Running);
        }
    }
}

fn create(world: &World, model: &mut Model, name: usize) {
    let answer = world.create(&sample(NAMES[name]));
    match (model.at(name), answer) {
        (Some(_), Err(errno)) => assert_eq!(errno, Errno::EEXIST),
        (None, Ok((base, memory))) => {
            // The image of every variant has the same code but for init, which is written by `init`.
            drop(memory);
            let known = Known { name, base, life: Life::Created, autoclean: false, visited: false, users: 0, uses: Vec::new() };
            model.0.push(known);
        }
        (known, answer) => panic!("{known:?} {answer:?}"),
    }
}

fn init(world: &World, model: &mut Model, name: usize, fails: bool, autoclean: bool, uses: &[usize]) {
    let Some(base) = model.at(name).filter(|known| known.life == Life::Created).map(|known| known.base) else {
        let request = module(name, fails, autoclean).request(model.at(name).map_or(0, |known| known.base));
        let errno = if model.at(name).is_some() { Errno::EBUSY } else { Errno::ENOENT };
        assert_eq!(world.call(Syscall::InitModule(request)), Err(errno));
        return;
    };
    // Only the running ones can be referred to; the memory is written anew, as its descriptor was dropped: delete and create.
    world.delete(NAMES[name]).unwrap();
    model.remove(name);
    let mut wanted = module(name, fails, autoclean);
    let mut uses: Vec<usize> = uses.iter().copied().filter(|used| model.runs(*used)).collect();
    uses.dedup();
    wanted.references = uses.iter().map(|used| world.identity(NAMES[*used])).collect();
    let fresh = world.create_written(&wanted).unwrap();
    let answer = world.call(Syscall::InitModule(wanted.request(fresh)));
    assert_eq!(answer.is_ok(), !fails, "{answer:?} (created at {base:#x} before)");
    let life = if fails { Life::Failed } else { Life::Running };
    let flags = autoclean && !fails;
    let uses = if fails { Vec::new() } else { uses };
    model.0.push(Known { name, base: fresh, life, autoclean: flags, visited: flags, users: 0, uses });
}

fn count(world: &World, model: &mut Model, name: usize, step: &Step) {
    let Some(known) = model.at(name).filter(|known| known.life == Life::Running) else { return };
    let loaded: Loaded = sample(NAMES[name]).at(known.base);
    match step {
        Step::Dec(_) if known.users > 0 => {
            known.users -= 1;
            world.kernel.call(loaded.dec(), [0; 6]).unwrap();
        }
        Step::Inc(_) => {
            known.users += 1;
            world.kernel.call(loaded.inc(), [0; 6]).unwrap();
        }
        _ => return,
    }
    known.visited = true;
}

fn delete(world: &World, model: &mut Model, name: usize) {
    let answer = world.delete(NAMES[name]).map(drop);
    let referred = !model.referrers(name).is_empty();
    let expected = match model.at(name) {
        None => Err(Errno::ENOENT),
        Some(known) if known.life == Life::Running && (known.users > 0 || referred) => Err(Errno::EBUSY),
        Some(_) => Ok(()),
    };
    assert_eq!(answer, expected);
    if expected.is_ok() {
        model.remove(name);
    }
}

/// Everything that can be seen agrees with the model.
fn compare(world: &World, model: &Model) {
    assert_eq!(world.classic(), model.text());
    for (name, text) in NAMES.iter().enumerate() {
        let visible = world.kernel.get_module_symbol(None, &format!("export_{text}")).is_some();
        assert_eq!(visible, model.runs(name), "exports of {text} are visible iff it runs");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_list_keeps_its_promises(steps in prop::collection::vec(step(), 1..60)) {
        let world = World::new();
        let mut model = Model::default();
        for step in steps {
            take(&world, &mut model, step);
            compare(&world, &model);
        }
    }
}
