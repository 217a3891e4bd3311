//! Modules that no kernel package has: compiled against a guest's kernel, from its package of headers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::{Flavour, Machine};
use crate::debian::{self, FetchError};
use crate::modules::cache::Key;
use crate::modules::{Error, cache};
use crate::workspace;

/// The packages that headers consist of, by the beginnings of their names.
const PARTS: &[&str] = &["linux-headers-", "linux-kbuild-", "linux-compiler-"];

/// The compiler that Debian 12 builds its kernels with; the headers call it by this name.
const COMPILER: &str = "gcc-12";

/// The types of a module for BPF programs: describing them takes the package pahole.
const NO_TYPES: &str = "CONFIG_DEBUG_INFO_BTF_MODULES=";

/// A key that no kernel knows, for `openssl req`.
const KEY: &[&str] = &["req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "36500", "-subj", "/CN=A key of our own"];

/// Held while a makefile is changed.
static POINTING: Mutex<()> = Mutex::new(());

/// The headers of a machine's kernel.
#[derive(Clone, Debug)]
pub struct Headers {
    /// The folder to call `make` in.
    folder: PathBuf,
    /// Where the packages are unpacked.
    tree: PathBuf,
    release: String,
}

impl Headers {
    /// Fetches them, once.
    ///
    /// # Errors
    /// [`FetchError`] where a package cannot be had, and for user-mode Linux, which has none.
    pub fn new(machine: &Machine) -> Result<Self, FetchError> {
        let release = machine.release();
        let name = format!("linux-headers-{release}");
        let failed = |reason: String| FetchError { package: name.clone(), reason };
        if machine.flavour() == Flavour::Uml {
            return Err(failed("Debian has no headers of user-mode Linux".to_owned()));
        }
        let mut packages = debian::depends(&name)?;
        packages.retain(|package| PARTS.iter().any(|part| package.starts_with(part)));
        packages.push(name.clone());
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        // The tree is named after the package, and so are those of kernels: they never meet.
        let tree = debian::bundle(&name, &packages)?.canonicalize().map_err(|error| failed(error.to_string()))?;
        let headers = Self { folder: tree.join("usr/src").join(&name), tree, release };
        headers.point_to_themselves().map_err(|error| failed(error.to_string()))?;
        Ok(headers)
    }

    /// The one absolute path in the headers is that of their other half: it has to be where they are unpacked.
    fn point_to_themselves(&self) -> std::io::Result<()> {
        // One thread at a time: a draft is named after the process.
        let _one = POINTING.lock().unwrap_or_else(PoisonError::into_inner);
        let makefile = self.folder.join("Makefile");
        let text = std::fs::read_to_string(&makefile)?;
        let Some((before, inside)) = text.split_once("include /").and_then(|(before, path)| Some((before, path.split_once("usr/src/")?.1)))
        else {
            return Ok(());
        };
        let wanted = format!("{before}include {}/usr/src/{inside}", self.tree.display());
        if text == wanted {
            return Ok(());
        }
        let draft = makefile.with_extension(format!("draft{}", std::process::id()));
        std::fs::write(&draft, wanted)?;
        std::fs::rename(draft, makefile)
    }

    /// Compiles all modules of `modules/guest`, and answers the folder of `NAME.ko` files, without what only debuggers read. It is kept.
    ///
    /// # Errors
    /// Where a program is missing or finds fault.
    pub fn modules(&self) -> Result<PathBuf, Error> {
        let source = workspace().join("modules/guest");
        let mut files = entries(&source)?;
        files.sort();
        let mut key = Key::default();
        key.word(("guest", &self.release)).program(COMPILER)?;
        for file in &files {
            key.file(file)?;
        }
        let built = key.cached("Module.symvers", |folder| {
            for file in &files {
                let to = folder.join(file.file_name().unwrap_or_default());
                std::fs::copy(file, &to).map_err(Error::file(&to))?;
            }
            let mut make = Command::new("make");
            make.arg("-C").arg(&self.folder).arg(format!("M={}", folder.display())).arg(NO_TYPES).arg("modules");
            // What make says of this machine's environment is not the build's.
            cache::run(make.env_remove("MAKEFLAGS").env_remove("MFLAGS"))?;
            for module in entries(folder)?.iter().filter(|file| file.extension().is_some_and(|end| end == "ko")) {
                cache::run(Command::new("strip").arg("--strip-debug").arg(module))?;
            }
            Ok(())
        })?;
        Ok(built.parent().unwrap_or(&source).to_owned())
    }

    /// A module with a signature by a key that was made for this purpose, and that no kernel knows.
    ///
    /// # Errors
    /// Where a program is missing or finds fault.
    pub fn signed(&self, module: &Path) -> Result<Vec<u8>, Error> {
        let folder = tempfile::tempdir().map_err(Error::file(module))?;
        let [key, certificate, signed] = ["key.pem", "certificate.pem", "signed.ko"].map(|name| folder.path().join(name));
        cache::run(Command::new("openssl").args(KEY).arg("-keyout").arg(&key).arg("-out").arg(&certificate))?;
        let mut sign = Command::new(self.folder.join("scripts/sign-file"));
        cache::run(sign.arg("sha256").args([&key, &certificate]).args([module, signed.as_path()]))?;
        std::fs::read(&signed).map_err(Error::file(&signed))
    }
}

/// The files of a folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::file(folder))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}
