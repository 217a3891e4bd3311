//! Who needs whom: symbols to modules, a topological order, and everything a module needs.

use hashbrown::HashMap;

use super::scan::Scanned;
use crate::{Error, Result};

/// The dependencies of all modules, by number.
#[derive(Debug)]
pub(super) struct Graph {
    /// What each module needs directly, in the order in which its symbol table names them.
    direct: Vec<Vec<usize>>,
    /// The place of each module in an order where users come before what they use.
    place: Vec<usize>,
}

/// Which module exports a symbol. Of several the last counts, as in a table where each replaces the one before.
pub(super) fn providers(modules: &[Scanned]) -> HashMap<&[u8], usize> {
    let mut owner = HashMap::with_capacity(modules.iter().map(|m| m.exports.ends.len()).sum());
    for (number, module) in modules.iter().enumerate() {
        for symbol in module.exports.iter() {
            owner.insert(symbol, number);
        }
    }
    owner
}

impl Graph {
    /// Resolves all symbols and sorts the modules. `in_kernel` tells which symbols the kernel itself has, which no module can take over.
    ///
    /// # Errors
    /// [`Error::Cycles`].
    pub(super) fn build(
        modules: &[Scanned],
        owner: &HashMap<&[u8], usize>,
        in_kernel: &dyn Fn(&[u8]) -> bool,
        name: &dyn Fn(usize) -> String,
    ) -> Result<Self> {
        let mut seen = vec![usize::MAX; modules.len()];
        let mut direct = Vec::with_capacity(modules.len());
        for (number, module) in modules.iter().enumerate() {
            let mut needs = Vec::new();
            for symbol in module.imports.iter().filter(|s| !in_kernel(s)) {
                let Some(&provider) = owner.get(symbol) else { continue };
                if provider != number && seen.get(provider) != Some(&number) {
                    seen[provider] = number;
                    needs.push(provider);
                }
            }
            direct.push(needs);
        }
        let place = sort(&direct, name)?;
        Ok(Self { direct, place })
    }

    /// Everything a module needs, users before what they use.
    pub(super) fn closure(&self, module: usize, seen: &mut [usize], out: &mut Vec<usize>) {
        out.clear();
        let needs = |m: usize| self.direct.get(m).map(Vec::as_slice).unwrap_or_default();
        seen[module] = module;
        out.extend(needs(module).iter().copied().filter(|&m| std::mem::replace(&mut seen[m], module) != module));
        let mut next = 0;
        while let Some(&m) = out.get(next) {
            for &d in needs(m) {
                if std::mem::replace(&mut seen[d], module) != module {
                    out.push(d);
                }
            }
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
fn sort(direct: &[Vec<usize>], name: &dyn Fn(usize) -> String) -> Result<Vec<usize>> {
    let mut users = vec![0usize; direct.len()];
    for &needed in direct.iter().flatten() {
        users[needed] += 1;
    }
    let mut place = vec![usize::MAX; direct.len()];
    let mut free: Vec<usize> = (0..direct.len()).filter(|&m| users[m] == 0).collect();
    let mut sorted = 0;
    while let Some(module) = free.pop() {
        place[module] = sorted;
        sorted += 1;
        for &needed in &direct[module] {
            users[needed] -= 1;
            if users[needed] == 0 {
                free.push(needed);
            }
        }
    }
    if sorted == direct.len() { Ok(place) } else { Err(cycles(direct, &place, name)) }
}

/// Names the circles among the modules that have no place.
fn cycles(direct: &[Vec<usize>], place: &[usize], name: &dyn Fn(usize) -> String) -> Error {
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
            let Some(&needed) = direct[module].get(*next) else {
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
