//! What learning does not change: the settings of the policy that is there. Only its rules are learnt anew.

use std::fmt::{self, Write};
use std::io;

use demand::Paths;
use demand::policy::{Glob, LeaseMode, Leases, Policy, PolicyError, show_duration};

use super::need::Needs;
use super::write::quoted;

/// Settings as the text of a policy; empty where they are what they are without a file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Keys that stand before all tables.
    pub(super) keys: String,
    /// Tables.
    pub(super) tables: String,
}

/// The settings of a system's policy file; drop-ins stay in force beside what is learnt.
pub(super) fn learn(paths: &Paths, needs: &mut Needs) -> Result<Kept, fmt::Error> {
    match Policy::load_file(&paths.policy()) {
        Ok(policy) => settings(&policy),
        Err(PolicyError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => {
            let first = error.to_string();
            let first = first.lines().next().unwrap_or_default();
            needs.gaps.insert(format!("the policy that is there cannot be read, so its settings are not kept: {first}"));
            Ok(Kept::default())
        }
    }
}

fn settings(policy: &Policy) -> Result<Kept, fmt::Error> {
    let usual = Policy::default();
    let mut kept = Kept::default();
    for (key, own, usual) in
        [("answer-within", policy.answer_within, usual.answer_within), ("load-within", policy.load_within, usual.load_within)]
    {
        if own != usual {
            writeln!(kept.keys, "{key} = \"{}\"", show_duration(own))?;
        }
    }
    let out = &mut kept.tables;
    if policy.journal != usual.journal {
        writeln!(out, "\n[journal]\nsize = {}\nkeep = {}", policy.journal.size, policy.journal.keep)?;
    }
    if let Some(group) = &policy.control.group {
        writeln!(out, "\n[control]\ngroup = {}", quoted(group))?;
    }
    if policy.devices != usual.devices {
        writeln!(out, "\n[devices]\nfollow = {}\nworkers = {}", policy.devices.follow, policy.devices.workers)?;
    }
    if policy.leases != usual.leases {
        leases(out, &policy.leases)?;
    }
    Ok(kept)
}

fn leases(out: &mut String, leases: &Leases) -> fmt::Result {
    let mode = match leases.mode {
        LeaseMode::Off => "off",
        LeaseMode::Report => "report",
        LeaseMode::Unload => "unload",
    };
    writeln!(out, "\n[leases]\nmode = \"{mode}\"\nperiod = \"{}\"", show_duration(leases.period))?;
    let classes = leases.classes.iter().map(|class| quoted(class.word())).collect::<Vec<_>>();
    let keep = leases.keep.iter().map(Glob::as_str).map(quoted).collect::<Vec<_>>();
    // There are no empty lists in a policy: the key is left out.
    for (key, words) in [("classes", classes), ("keep", keep)].into_iter().filter(|(_, words)| !words.is_empty()) {
        writeln!(out, "{key} = [{}]", words.join(", "))?;
    }
    writeln!(out, "pin-after = {}\npin-within = \"{}\"", leases.pin_after, show_duration(leases.pin_within))?;
    if !leases.periods.is_empty() {
        writeln!(out, "\n[leases.periods]")?;
        for (class, period) in &leases.periods {
            writeln!(out, "{} = \"{}\"", class.word(), show_duration(*period))?;
        }
    }
    Ok(())
}
