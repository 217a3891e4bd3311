//! `query_module(2)` (Linux 2.1.18).

use uapi::{KernelSym, ModuleInfo, Query, QueryAnswer};

use super::module_name;
use crate::error::Error;
use crate::kernel::Kernel;
use crate::list::ModuleList;
use crate::module::{Module, State};

/// Bytes of `struct module_info` with 8-byte words.
const INFO_SIZE: u64 = 32;

/// Bytes of a symbol's entry (`struct module_symbol`) before the strings.
const SYMBOL_SIZE: u64 = 16;

/// Answers a question with what fits into `buffer` bytes, or says how many it would take.
pub(crate) fn query(kernel: &Kernel, name: Option<&str>, which: Query, buffer: u64) -> Result<QueryAnswer, Error> {
    if which == Query::Probe {
        return Ok(QueryAnswer::Present);
    }
    let name = name.map(module_name).transpose()?;
    let list = kernel.list();
    let module = match &name {
        Some(name) => Some(list.find(name.as_str()).ok_or_else(|| Error::NotFound { name: name.to_string() })?),
        None => None,
    };
    let answer = match (which, module) {
        (Query::Modules, _) => QueryAnswer::Names(list.newest_first().map(|module| module.name.to_string()).collect()),
        (Query::Symbols, module) => QueryAnswer::Symbols(symbols(&list, module)),
        (Query::Deps, Some(module)) => QueryAnswer::Names(running_names(&list, module, &module.uses)),
        (Query::Refs, Some(module)) => QueryAnswer::Names(running_names(&list, module, &module.referrers)),
        (Query::Info, Some(module)) => QueryAnswer::Info(info(module)),
        (Query::Probe, _) => QueryAnswer::Present,
        (which @ (Query::Deps | Query::Refs | Query::Info), None) => return Err(Error::QueryKernel { which }),
    };
    let needed = needed(&answer);
    Ok(if needed > buffer { QueryAnswer::NoSpace { needed } } else { answer })
}

/// Names for a running module; nothing for others.
fn running_names(list: &ModuleList, module: &Module, ids: &[crate::module::ModuleId]) -> Vec<String> {
    if module.state == State::Running { list.names(ids) } else { Vec::new() }
}

/// The symbols of a running module, or of the kernel.
fn symbols(list: &ModuleList, module: Option<&Module>) -> Vec<KernelSym> {
    match module {
        Some(module) if module.state == State::Running => module.symbols.to_vec(),
        Some(_) => Vec::new(),
        None => list.tables().iter().flat_map(|table| table.symbols.iter().cloned()).collect(),
    }
}

/// `QM_INFO`.
fn info(module: &Module) -> ModuleInfo {
    ModuleInfo {
        address: module.base,
        size: module.layout.core_size(),
        state: module.state.shown(),
        autoclean: module.autoclean(),
        visited: module.visited(),
        users: module.users().cast_unsigned(),
    }
}

/// Bytes that the answer takes in the form of the system call.
fn needed(answer: &QueryAnswer) -> u64 {
    let string = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1);
    match answer {
        QueryAnswer::Present | QueryAnswer::NoSpace { .. } => 0,
        QueryAnswer::Info(_) => INFO_SIZE,
        QueryAnswer::Names(names) => names.iter().map(|name| string(name)).fold(0, u64::saturating_add),
        QueryAnswer::Symbols(symbols) => {
            symbols.iter().map(|symbol| string(&symbol.name).saturating_add(SYMBOL_SIZE)).fold(0, u64::saturating_add)
        }
    }
}
