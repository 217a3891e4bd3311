//! What to build, and how.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Key, run};
use super::{Error, rust};
use crate::{Programs, workspace};

/// The folders of samples under `modules/`.
const KINDS: &[&str] = &["fs", "misc", "bad"];

/// Flags of every C module.
const FLAGS: &[&str] = &["-std=gnu11", "-O2", "-ffreestanding", "-Wall", "-Wextra", "-Werror"];

/// Flags by the format of the object.
const ELF_FLAGS: &[&str] = &["-fPIC", "-fvisibility=hidden"];
const AOUT_FLAGS: &[&str] =
    &["-fno-pic", "-fcommon", "-mcmodel=small", "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-fno-stack-protector"];

/// A C compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compiler {
    /// GNU's.
    #[default]
    Gcc,
    /// LLVM's.
    Clang,
}

impl Compiler {
    fn program(self) -> &'static str {
        match self {
            Self::Gcc => "gcc",
            Self::Clang => "clang",
        }
    }
}

/// A format of object files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// ELF, position independent.
    #[default]
    Elf,
    /// a.out (OMAGIC), for low memory.
    Aout,
}

/// A sample module, and how to build it.
#[derive(Clone, Debug)]
pub struct Recipe {
    name: String,
    kind: &'static str,
    source: Source,
    compiler: Compiler,
    format: Format,
    flags: Vec<String>,
    modpost: Option<Modpost>,
}

/// What `modutils modpost` adds to a module.
#[derive(Clone, Debug, Default)]
pub struct Modpost {
    /// The release of the kernel that it is for.
    pub release: Option<String>,
    /// `Module.symvers` files with the checksums of what it uses.
    pub symvers: Vec<PathBuf>,
    /// The file that gets the checksums of what it exports.
    pub write_symvers: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Source {
    /// C files that become one object.
    C(Vec<PathBuf>),
    /// The root of a Rust module.
    Rust(PathBuf),
    /// There is none.
    Absent,
}

impl Recipe {
    /// The sample of that name, by gcc, as ELF.
    #[must_use]
    pub fn sample(name: &str) -> Self {
        let found = KINDS.iter().find_map(|kind| Some((*kind, find(kind, name)?)));
        let (kind, source) = found.unwrap_or(("misc", Source::Absent));
        Self {
            name: name.to_owned(),
            kind,
            source,
            compiler: Compiler::default(),
            format: Format::default(),
            flags: Vec::new(),
            modpost: None,
        }
    }

    /// A C file that lies elsewhere, of the kind `misc`.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self { source: Source::C(vec![path.to_owned()]), kind: "misc", ..Self::sample(&name) }
    }

    /// By this compiler.
    #[must_use]
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = compiler;
        self
    }

    /// In this format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// With further flags, which may undo the usual ones.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// With what `modutils modpost` adds: release, checksums, dependencies.
    #[must_use]
    pub fn modpost(mut self, modpost: Modpost) -> Self {
        self.modpost = Some(modpost);
        self
    }

    /// The module's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that it belongs into below a module tree: `fs`, `misc` or `bad`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Builds it, if that has not been done before; answers the path of `NAME.o`, which is shared: do not write there.
    ///
    /// # Panics
    /// Where it cannot be built; [`try_build`](Self::try_build) says so in the result.
    #[must_use]
    #[track_caller]
    pub fn build(&self) -> PathBuf {
        match self.try_build() {
            Ok(path) => path,
            Err(error) => panic!("the module `{}` cannot be built: {error}", self.name),
        }
    }

    /// Builds it, if that has not been done before; answers the path of `NAME.o`, which is shared: do not write there.
    ///
    /// # Errors
    /// There is no such sample; the compiler is missing or refuses.
    pub fn try_build(&self) -> Result<PathBuf, Error> {
        let object = match &self.source {
            Source::C(files) => self.build_c(files)?,
            Source::Rust(root) => rust::build(&self.name, root)?,
            Source::Absent => return Err(Error::Unknown { name: self.name.clone() }),
        };
        let object = match &self.modpost {
            Some(modpost) => modpost.apply(&self.file_name(), &object)?,
            None => object,
        };
        match self.format {
            Format::Elf => Ok(object),
            Format::Aout => self.to_aout(&object),
        }
    }

    fn file_name(&self) -> String {
        format!("{}.o", self.name)
    }

    /// Builds it and puts a copy into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build); the copy cannot be made.
    pub fn build_into(&self, folder: &Path) -> Result<PathBuf, Error> {
        let built = self.try_build()?;
        let copy = folder.join(self.file_name());
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        std::fs::copy(built, &copy).map_err(Error::file(&copy))?;
        Ok(copy)
    }

    /// All words of the compiler's command line but the files.
    fn arguments(&self) -> Vec<String> {
        let include = |folder: &str| format!("-I{}", workspace().join("modules").join(folder).display());
        let format = match self.format {
            Format::Elf => ELF_FLAGS,
            Format::Aout => AOUT_FLAGS,
        };
        let usual = FLAGS.iter().chain(format).map(|flag| (*flag).to_owned());
        usual.chain([include("include"), include("fs/fat")]).chain(self.flags.iter().cloned()).collect()
    }

    fn build_c(&self, files: &[PathBuf]) -> Result<PathBuf, Error> {
        let compiler = self.compiler.program();
        let mut key = Key::default();
        key.word((&self.name, self.arguments())).program(compiler)?.program("ld")?;
        let own = files.first().and_then(|file| file.parent());
        for file in files.iter().chain(&headers(own)?) {
            key.file(file)?;
        }
        key.cached(&self.file_name(), |folder| {
            let linked = self.compile(compiler, files, folder)?;
            std::fs::rename(&linked, folder.join(self.file_name())).map_err(Error::file(&linked))
        })
    }

    /// Compiles the files and joins them to one ELF object.
    fn compile(&self, compiler: &str, files: &[PathBuf], folder: &Path) -> Result<PathBuf, Error> {
        let mut objects = Vec::new();
        for file in files {
            let object = folder.join(file.with_extension("part").file_name().unwrap_or_default());
            run(Command::new(compiler).args(self.arguments()).arg("-c").arg(file).arg("-o").arg(&object))?;
            objects.push(object);
        }
        if let [only] = objects.as_slice() {
            return Ok(only.clone());
        }
        let linked = folder.join("linked");
        run(Command::new("ld").arg("-r").args(&objects).arg("-o").arg(&linked))?;
        Ok(linked)
    }

    fn to_aout(&self, object: &Path) -> Result<PathBuf, Error> {
        let elf = std::fs::read(object).map_err(Error::file(object))?;
        let aout = modlink::aout::write(&elf).map_err(|error| Error::Aout { name: self.name.clone(), error: Box::new(error) })?;
        store(&self.file_name(), &aout)
    }
}

impl Modpost {
    fn apply(&self, name: &str, object: &Path) -> Result<PathBuf, Error> {
        let folder = tempfile::tempdir().map_err(Error::file(Path::new("a temporary folder")))?;
        let output = folder.path().join(name);
        let mut command = Command::new(Programs::built().path("modutils"));
        command.arg("modpost").arg("-o").arg(&output);
        if let Some(release) = &self.release {
            command.arg("--release").arg(release);
        }
        for file in &self.symvers {
            command.arg("--symvers").arg(file);
        }
        if let Some(file) = &self.write_symvers {
            command.arg("--write-symvers").arg(file);
        }
        run(command.arg(object))?;
        store(name, &std::fs::read(&output).map_err(Error::file(&output))?)
    }
}

/// Keeps a file by its content.
fn store(name: &str, content: &[u8]) -> Result<PathBuf, Error> {
    let mut key = Key::default();
    key.word((name, content));
    key.cached(name, |folder| std::fs::write(folder.join(name), content).map_err(Error::file(folder)))
}

/// The source of a sample of this kind.
fn find(kind: &str, name: &str) -> Option<Source> {
    let place = workspace().join("modules").join(kind).join(name);
    let (file, root) = (place.with_extension("c"), place.join("lib.rs"));
    if root.is_file() {
        return Some(Source::Rust(root));
    }
    if file.is_file() {
        return Some(Source::C(vec![file]));
    }
    let files = files_of(&place, "c").ok()?;
    (!files.is_empty()).then_some(Source::C(files))
}

/// Every header that a module may include: the shared ones, and those in its own folder.
pub(super) fn headers(own: Option<&Path>) -> Result<Vec<PathBuf>, Error> {
    let shared = ["include", "fs/fat"].map(|folder| workspace().join("modules").join(folder));
    let mut found = Vec::new();
    for folder in shared.iter().map(PathBuf::as_path).chain(own) {
        found.extend(files_of(folder, "h").map_err(Error::file(folder))?);
    }
    Ok(found)
}

/// The files of a folder with this extension, in the order of their names.
pub(super) fn files_of(folder: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
