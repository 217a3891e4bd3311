//! The file-system modules as an ordinary program under the address and undefined-behaviour sanitizers (`modules/tests/harness`).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;
use super::cache::{Key, run};
use super::recipe::{files_of, headers};
use crate::workspace;

/// The modules in it. Each has its entry points renamed, so that they do not clash.
const MODULES: &[&str] = &["fat", "vfat", "msdos"];

const FLAGS: &[&str] = &[
    "-std=gnu11",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
];

/// Builds the program, if that has not been done before; answers its path.
///
/// # Errors
/// gcc is missing, has no sanitizers, or finds fault.
pub fn harness() -> Result<PathBuf, Error> {
    let folder = workspace().join("modules");
    let tests = folder.join("tests/harness");
    let mut units: Vec<(Option<&str>, PathBuf)> = Vec::new();
    let mut shared = headers(Some(&tests))?;
    for name in MODULES {
        let place = folder.join("fs").join(name);
        shared.extend(files_of(&place, "h").map_err(Error::file(&place))?);
        units.extend(files_of(&place, "c").map_err(Error::file(&place))?.into_iter().map(|file| (Some(*name), file)));
    }
    units.extend(files_of(&tests, "c").map_err(Error::file(&tests))?.into_iter().map(|file| (None, file)));
    let mut key = Key::default();
    key.word(("harness", FLAGS)).program("gcc")?;
    for file in units.iter().map(|(_, file)| file).chain(&shared) {
        key.file(file)?;
    }
    key.cached("harness", |work| {
        let mut link = Command::new("gcc");
        link.args(FLAGS);
        for (number, (module, file)) in units.iter().enumerate() {
            let object = work.join(format!("{number}.part"));
            run(compile(&folder, *module, file).arg("-o").arg(&object))?;
            link.arg(object);
        }
        run(link.arg("-pthread").arg("-o").arg(work.join("harness"))).map(|_| ())
    })
}

fn compile(folder: &Path, module: Option<&str>, file: &Path) -> Command {
    let mut command = Command::new("gcc");
    command.args(FLAGS).arg("-c").arg(file);
    command.arg("-I").arg(folder.join("include")).arg("-I").arg(folder.join("fs/fat"));
    for name in ["init_module", "cleanup_module"] {
        command.args(module.map(|module| format!("-D{name}={module}_{name}")));
    }
    command.args(module.map(|module| format!("-Dmod_use_count_={module}_use_count")));
    command
}
