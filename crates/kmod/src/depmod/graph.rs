//! Who needs whom: symbols to modules, a topological order, and everything a module needs.

use super::facts::{Facts, Module};
use crate::{Error, Result};

/// The dependencies of all modules, by number.
#[derive(Debug)]
pub(super) struct Graph {
    direct: Direct,
    /// The place of each module in an order where users come before what they use.
    place: Vec<usize>,
}

/// What each module needs directly, in the order in which its symbol table names them: one list for all.
#[derive(Debug, Default)]
struct Direct {
    needed: Vec<usize>,
    /// Where each module's part of the list ends.
    ends: Vec<usize>,
}

impl Direct {
    fn of(&self, module: usize) -> &[usize] {
        let start = module.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(module).and_then(|&end| self.needed.get(start..end)).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

/// Which module exports each symbol. Of several the last counts, as in a table where each replaces the one before.
pub(super) fn providers(facts: &Facts, modules: &[Module]) -> Vec<Option<usize>> {
    let mut owner = vec![None; facts.symbols.len()];
    for (number, module) in modules.iter().enumerate() {
        for symbol in facts.exports(module) {
            if let Some(owner) = owner.get_mut(symbol.number()) {
                *owner = Some(number);
            }
        }
    }
    owner
}

impl Graph {
    /// Sorts the modules. `provider` tells of each symbol which module others get it from: none for those of the kernel itself, which
    /// no module can take over.
    ///
    /// # Errors
    /// [`Error::Cycles`].
    pub(super) fn build(facts: &Facts, modules: &[Module], provider: &[Option<usize>], name: &dyn Fn(usize) -> String) -> Result<Self> {
        let mut seen = vec![usize::MAX; modules.len()];
        let mut direct = Direct::default();
        for (number, module) in modules.iter().enumerate() {
            for symbol in facts.imports(module) {
                let Some(&Some(provider)) = provider.get(symbol.number()) else { continue };
                if provider != number && seen.get(provider) != Some(&number) {
                    seen[provider] = number;
                    direct.needed.push(provider);
                }
            }
            direct.ends.push(direct.needed.len());
        }
        let place = sort(&direct, name)?;
        Ok(Self { direct, place })
    }

    /// Everything a module needs, users before what they use.
    pub(super) fn closure(&self, module: usize, seen: &mut [usize], out: &mut Vec<usize>) {
        out.clear();
        seen[module] = module;
        let mut add = |of: usize, out: &mut Vec<usize>| {
            for &needed in self.direct.of(of) {
                if std::mem::replace(&mut seen[needed], module) != module {
                    out.push(needed);
                }
            }
        };
        add(module, out);
        let mut next = 0;
        while let Some(&of) = out.get(next) {
            add(of, out);
            next += 1;
        }
        out.sort_unstable_by_key(|&m| self.place[m]);
    }

    /// Number of modules.
    pub(super) fn len(&self) -> usize {
        self.direct.len()
    }
}

/// Takes modules that nothing (left) uses from a stack: the order of `modules.dep` lines depends on that it is one.
fn sort(direct: &Direct, name: &dyn Fn(usize) -> String) -> Result<Vec<usize>> {
    let mut users = vec![0usize; direct.len()];
    for &needed in &direct.needed {
        users[needed] += 1;
    }
    let mut place = vec![usize::MAX; direct.len()];
    let mut free: Vec<usize> = (0..direct.len()).filter(|&m| users[m] == 0).collect();
    let mut sorted = 0;
    while let Some(module) = free.pop() {
        place[module] = sorted;
        sorted += 1;
        for &needed in direct.of(module) {
            users[needed] -= 1;
            if users[needed] == 0 {
                free.push(needed);
            }
        }
    }
    if sorted == direct.len() { Ok(place) } else { Err(cycles(direct, &place, name)) }
}

/// Names the circles among the modules that have no place.
fn cycles(direct: &Direct, place: &[usize], name: &dyn Fn(usize) -> String) -> Error {
    // What the circles use is without a place too, but not part of them: a walk that stays on its path finds only the circles.
    let mut state = vec![Visit::New; direct.len()];
    let mut found: Vec<Vec<usize>> = Vec::new();
    for start in (0..direct.len()).filter(|&m| place[m] == usize::MAX) {
        let mut path = vec![(start, 0)];
        while let Some((module, next)) = path.last_mut() {
            let module = *module;
            if *next == 0 && state[module] == Visit::Done {
                path.pop();
                continue;
            }
            state[module] = Visit::OnPath;
            let Some(&needed) = direct.of(module).get(*next) else {
                state[module] = Visit::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match state[needed] {
                Visit::New => path.push((needed, 0)),
                Visit::OnPath => {
                    let from = path.iter().position(|&(m, _)| m == needed).unwrap_or_default();
                    found.push(path[from..].iter().map(|&(m, _)| m).chain([needed]).collect());
                }
                Visit::Done => {}
            }
        }
    }
    let mut members: Vec<usize> = found.iter().flatten().copied().collect();
    members.sort_unstable();
    members.dedup();
    Error::Cycles { cycles: found.iter().map(|c| c.iter().map(|&m| name(m)).collect()).collect(), modules: members.len() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    OnPath,
    Done,
}
