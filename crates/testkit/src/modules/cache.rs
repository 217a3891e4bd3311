//! Building once: results lie in a folder named after a hash of all that went into them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::Error;
use crate::workspace;

/// The package that has each program that builds call.
const PACKAGES: &[(&str, &str)] = &[
    ("gcc", "gcc"),
    ("gcc-12", "gcc-12"),
    ("clang", "clang"),
    ("ld", "binutils"),
    ("objcopy", "binutils"),
    ("strip", "binutils"),
    ("make", "make"),
    ("openssl", "openssl"),
    ("rustc", "rustc, or rustup"),
];

/// A hash of what a build is made of. The same words give the same hash in every process.
#[derive(Default)]
pub(crate) struct Key(DefaultHasher);

impl Key {
    pub(crate) fn word(&mut self, word: impl Hash) -> &mut Self {
        word.hash(&mut self.0);
        self
    }

    /// Adds a file, by its content.
    pub(crate) fn file(&mut self, path: &Path) -> Result<&mut Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::file(path))?;
        Ok(self.word((path.file_name(), bytes)))
    }

    /// Adds a program, by what it says of its version.
    pub(crate) fn program(&mut self, program: &str) -> Result<&mut Self, Error> {
        static KNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(program).cloned();
        let version = match known {
            Some(version) => version,
            None => run(Command::new(program).arg("--version"))?,
        };
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(program.to_owned(), version.clone());
        Ok(self.word((program, version)))
    }

    /// The file `name` of the folder for this key, where `make` puts it (into the folder that it is given) if it is not there yet.
    ///
    /// Builders at the same time each work in a folder of their own, and the first one to finish gives its folder the final name.
    pub(crate) fn cached(self, name: &str, make: impl FnOnce(&Path) -> Result<(), Error>) -> Result<PathBuf, Error> {
        let shelf = workspace().join("target/modules");
        let folder = shelf.join(format!("{:016x}", self.0.finish()));
        let result = folder.join(name);
        if result.is_file() {
            return Ok(result);
        }
        std::fs::create_dir_all(&shelf).map_err(Error::file(&shelf))?;
        let attempt = tempfile::Builder::new().prefix("building").tempdir_in(&shelf).map_err(Error::file(&shelf))?;
        make(attempt.path())?;
        let attempt = attempt.keep();
        if let Err(error) = std::fs::rename(&attempt, &folder) {
            let _cleaned = std::fs::remove_dir_all(&attempt);
            if !result.is_file() {
                return Err(Error::File { path: folder, error });
            }
        }
        Ok(result)
    }
}

/// Runs a program to its end: its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        let package = PACKAGES.iter().find(|(name, _)| *name == program).map(|(_, package)| *package);
        match package {
            Some(package) if error.kind() == std::io::ErrorKind::NotFound => Error::Missing { program, package },
            _ => Error::File { path: program.into(), error },
        }
    })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Refused { command: format!("{command:?}"), message: String::from_utf8_lossy(&output.stderr).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = run(Command::new("ld").env("PATH", "/nowhere")).expect_err("there is none in that path");
        assert_eq!(error.to_string(), "`ld` is not installed; the package `binutils` has it");
    }
}
