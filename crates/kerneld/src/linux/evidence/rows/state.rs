//! What the kernel's module list and `/sys/module` say.

use std::fs;

use demand::Paths;
use kmod::name;

use super::super::{Baseline, State, Subject, Surroundings, parameters as read_parameters};
use super::held;

/// Reference count 0, no holders, live, not permanent.
pub(in super::super) fn count(paths: &Paths, around: &Surroundings, subject: &Subject) -> State {
    let loaded = match &around.loaded {
        Ok(loaded) => loaded,
        Err(why) => return State::Unreadable(why.clone()),
    };
    let Some(module) = loaded.iter().find(|module| name::from_word(&module.name) == subject.name) else {
        return State::Unreadable(format!("`{}` is not in the module list", subject.name));
    };
    let mut facts = Vec::new();
    match module.refcnt {
        None => return State::Unreadable("the kernel keeps no counts: it cannot unload".to_owned()),
        Some(0) => {}
        Some(1) => facts.push("1 reference".to_owned()),
        Some(count) => facts.push(format!("{count} references")),
    }
    if !module.holders.is_empty() {
        facts.push(format!("used by {}", module.holders.join(", ")));
    }
    if module.state != "Live" {
        facts.push(format!("its state is {}", module.state));
    }
    if module.flags.split(',').any(|flag| flag == "permanent") {
        facts.push("it has no exit routine: it stays until the machine ends".to_owned());
    }
    // Modules that use it have their names there too; a folder that is not there does not contradict the list.
    let folder = paths.file("/sys/module").join(&subject.name).join("holders");
    if module.holders.is_empty() && fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        facts.push("it has holders".to_owned());
    }
    held(facts)
}

/// Parameters that are not what they were when the module came.
pub(in super::super) fn parameters(paths: &Paths, subject: &Subject, baseline: Option<&Baseline>) -> State {
    let now = read_parameters(paths, &subject.name);
    let Some(baseline) = baseline else {
        let none = now.is_empty();
        return if none { State::Clear } else { State::Unreadable("what they were at first is not known".to_owned()) };
    };
    let changed = now.iter().filter(|(name, value)| baseline.parameters.get(*name) != Some(*value));
    held(changed.map(|(name, value)| format!("{name}={}", value.escape_debug())).collect())
}

/// Letters that the module has added to the kernel's taint: of another origin, forced, staging, a patch.
pub(in super::super) fn taint(paths: &Paths, subject: &Subject) -> State {
    match fs::read_to_string(paths.file("/sys/module").join(&subject.name).join("taint")) {
        Ok(letters) if letters.trim().is_empty() => State::Clear,
        Ok(letters) => State::Holds(vec![format!("taint {}", letters.trim())]),
        Err(error) => State::Unreadable(format!("/sys/module/{}/taint: {error}", subject.name)),
    }
}
