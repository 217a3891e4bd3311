//! `depmod -A`: can the files be left as they are?

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::{FILES, Request, find};
use crate::config::DepmodConfig;
use crate::index::dep;
use crate::index::pending::Pending;
use crate::{Result, text};

/// Whether the index files are all there, list exactly the modules of the tree, and are newer than every one of these and than the
/// kernel's own lists. Nothing but names and times is looked at: [`super::check`] looks at everything.
///
/// # Errors
/// [`crate::Error::Io`] if the tree cannot be read.
pub fn is_current(request: &Request, config: &DepmodConfig) -> Result<bool> {
    let directory = request.output();
    if Pending::read(&directory).is_some() {
        return Ok(false);
    }
    let Some(made) = modified(&directory.join("modules.dep")) else { return Ok(false) };
    // Not every tree has device nodes, so that file may be missing.
    if FILES.iter().any(|f| *f != "modules.devname" && !directory.join(f).exists()) {
        return Ok(false);
    }
    let tree = request.tree();
    let found = find::find(request, config, &mut Vec::new())?;
    let lines = fs::read(directory.join("modules.dep")).unwrap_or_default();
    let lines = text::of_bytes(&lines);
    let mut listed = dep::parse(&lines).map(|l| l.path);
    let same = found.iter().all(|f| listed.next().as_deref() == Some(f.listed.as_str())) && listed.next().is_none();
    let inputs = ["modules.order", "modules.builtin", "modules.builtin.modinfo"].map(|f| tree.join(f));
    let older = |path: &Path| modified(path).is_none_or(|time| time <= made);
    Ok(same && found.iter().all(|f| older(&f.path(&tree))) && inputs.iter().all(|i| older(i)))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}
