//! modinfo: what modules say of themselves.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Parser;
use kmod::config::{Config, Sources, dirs};
use kmod::file::ModuleFile;
use kmod::hosted::Hosted;
use kmod::info::Info;
use kmod::kernel::Kernel;
use kmod::lookup::lookup;
use kmod::name;
use kmod::text;
use kmod::tree::Tree;
use serde_json::{Value, json};

use crate::applet::Run;
use crate::paths::absolute;
use crate::target::{KernelOption, RootOption, Target};
use crate::{Console, Failed, Outcome};

const EXAMPLES: &str = "\
Examples:
  modinfo vfat              # everything
  modinfo -p loop           # its parameters
  modinfo -F firmware iwlwifi
  modinfo ./my.ko fs-vfat   # a file, and whatever an alias stands for
  modinfo --json vfat";

/// Width of the column that keys stand in, colon included.
const KEY_COLUMN: usize = 16;

/// The options that choose one key: of several the last counts.
const WHAT: [&str; 6] = ["author", "description", "license", "parameters", "filename", "field"];

/// Show what modules say of themselves
#[derive(Parser)]
#[command(name = "modinfo", version, after_help = EXAMPLES, infer_long_args = true, args_override_self = true)]
pub(crate) struct Modinfo {
    #[command(flatten)]
    kernel: KernelOption,
    /// Only the author
    #[arg(short, long, overrides_with_all = WHAT)]
    author: bool,
    /// Only the description
    #[arg(short, long, overrides_with_all = WHAT)]
    description: bool,
    /// Only the license
    #[arg(short, long, overrides_with_all = WHAT)]
    license: bool,
    /// Only the parameters
    #[arg(short, long, overrides_with_all = WHAT)]
    parameters: bool,
    /// Only the file name
    #[arg(short = 'n', long, overrides_with_all = WHAT)]
    filename: bool,
    /// Only the values of this key
    #[arg(short = 'F', long, value_name = "KEY", overrides_with_all = WHAT)]
    field: Option<String>,
    /// End each value with a NUL instead of a new line, and write `key=value`
    #[arg(short = '0', long)]
    null: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Words are names of modules, never files or aliases
    #[arg(short, long)]
    modname: bool,
    /// Release of the tree, instead of that of the running kernel
    #[arg(short = 'k', long, value_name = "RELEASE")]
    set_version: Option<String>,
    /// Root of the tree; by default the directory in the environment variable MODULES_ROOT, else /
    #[arg(short, long, value_name = "DIR")]
    basedir: Option<PathBuf>,
    /// Modules: names, aliases or files
    #[arg(value_name = "MODULE | FILE")]
    words: Vec<OsString>,
}

/// A module to show.
enum Subject {
    File(PathBuf),
    Builtin(String),
}

impl Run for Modinfo {
    fn run(self, console: &mut Console) -> Outcome {
        if self.words.is_empty() {
            console.error("missing module or filename.");
            return Err(Failed);
        }
        let mut tree = None;
        let mut out = Vec::new();
        let mut rows = Vec::new();
        let mut outcome = Ok(());
        for word in &self.words {
            let shown = self.subjects(word, &mut tree, console).and_then(|subjects| {
                let infos = subjects.iter().map(|s| self.info(s, &tree));
                infos.collect::<kmod::Result<Vec<_>>>().map_err(|error| {
                    console.error(error);
                    Failed
                })
            });
            match shown {
                Ok(infos) if self.json => rows.extend(infos.iter().map(|(name, info)| row(name.as_deref(), info))),
                Ok(infos) => infos.iter().for_each(|(name, info)| self.show(name.as_deref(), info, &mut out)),
                Err(Failed) => outcome = Err(Failed),
            }
        }
        for problem in tree.iter().flat_map(|(tree, _)| tree.take_problems()) {
            console.warning(problem);
        }
        if self.json {
            return console.print_json(&Value::Array(rows)).and(outcome);
        }
        console.write(&out).and(outcome)
    }
}

impl Modinfo {
    /// The modules that a word stands for. The tree is only opened for the first word that needs it.
    fn subjects(&self, word: &OsStr, tree: &mut Option<(Tree, Config)>, console: &mut Console) -> Result<Vec<Subject>, Failed> {
        let path = Path::new(word);
        let word = &*text::of_os(word);
        if !self.modname && name::is_module_file(word) && path.is_file() {
            return Ok(vec![Subject::File(absolute(path))]);
        }
        if tree.is_none() {
            *tree = Some(self.open(console)?);
        }
        let Some((tree, config)) = tree else { return Err(Failed) };
        let found =
            if self.modname { by_name(tree, word) } else { lookup(tree, config, word).map(|f| f.into_iter().map(|m| m.module).collect()) };
        let found = found.and_then(|names| names.iter().map(|n| subject(tree, n)).collect::<kmod::Result<Vec<_>>>());
        match found {
            Ok(found) if found.iter().any(Option::is_some) => Ok(found.into_iter().flatten().collect()),
            Ok(_) => {
                let kind = if self.modname { "Module name" } else { "Module" };
                console.error(format_args!("{kind} {word} not found."));
                Err(Failed)
            }
            Err(error) => {
                console.error(error);
                Err(Failed)
            }
        }
    }

    fn open(&self, console: &mut Console) -> Result<(Tree, Config), Failed> {
        let mut fail = |error: &dyn std::fmt::Display| {
            console.error(error);
            Failed
        };
        let root = absolute(&self.basedir.clone().unwrap_or_else(|| RootOption::default().directory()));
        let (release, config_root) = match (self.kernel.target(), &self.set_version) {
            (Target::Hosted(_), Some(release)) => (release.clone(), root.clone()),
            (Target::Hosted(socket), None) => (Hosted::connect(&socket).and_then(|mut k| k.release()).map_err(|e| fail(&e))?, root.clone()),
            (Target::Linux, release) => (release.clone().unwrap_or_else(kmod::linux::release), PathBuf::from("/")),
        };
        let directory = root.join("lib/modules").join(&*text::to_path(&release));
        let sources = Sources { paths: dirs::standard(&config_root, "modprobe.d"), tree: None, cmdline: None };
        // Only aliases matter here.
        let (config, _) = Config::load_readable(&sources);
        Ok((Tree::new(directory), config))
    }

    /// What is known of a module, with its name if it is built in.
    fn info(&self, subject: &Subject, tree: &Option<(Tree, Config)>) -> kmod::Result<(Option<String>, Info)> {
        match (subject, tree) {
            (Subject::File(path), _) if self.filename || self.field.as_deref() == Some("filename") => {
                Ok((None, Info { file: Some(path.clone()), ..Info::default() }))
            }
            (Subject::File(path), _) => Ok((None, Info::of_file(&ModuleFile::open(path)?)?)),
            (Subject::Builtin(module), Some((tree, _))) => {
                let found = tree.builtin_infos().into_iter().find(|i| i.module == *module);
                Ok((Some(module.clone()), found.map(|f| Info::of_modinfo(&f.modinfo)).unwrap_or_default()))
            }
            (Subject::Builtin(module), None) => Ok((Some(module.clone()), Info::default())),
        }
    }

    /// The one key that is wanted.
    fn key(&self) -> Option<&str> {
        let flags = [
            (self.author, "author"),
            (self.description, "description"),
            (self.license, "license"),
            (self.parameters, "parm"),
            (self.filename, "filename"),
        ];
        self.field.as_deref().or_else(|| flags.into_iter().find(|(set, _)| *set).map(|(_, key)| key))
    }

    fn show(&self, builtin: Option<&str>, info: &Info, out: &mut Vec<u8>) {
        let end = if self.null { b'\0' } else { b'\n' };
        let file = info.file.as_ref().map_or(OsStr::new("(builtin)"), |file| file.as_os_str());
        let mut value = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            out.push(end);
        };
        match self.key() {
            Some("filename") => value(file.as_bytes()),
            Some("parm") => info.parameters.iter().for_each(|p| value(&p.line_of_list())),
            Some("parmtype") => info.types.iter().for_each(|kind| value(kind)),
            Some("name") if builtin.is_some() => value(&text::to_bytes(builtin.unwrap_or_default())),
            Some(key) => info.values(key).for_each(value),
            None => {
                let mut pair = |key: &str, bytes: &[u8]| {
                    out.extend_from_slice(&text::to_bytes(key));
                    if self.null {
                        out.push(b'=');
                    } else {
                        out.push(b':');
                        // A key of text takes as many columns as it has letters.
                        let width = key.chars().count() + 1;
                        out.extend(std::iter::repeat_n(b' ', KEY_COLUMN.saturating_sub(width)));
                    }
                    out.extend_from_slice(bytes);
                    out.push(end);
                };
                builtin.iter().for_each(|name| pair("name", &text::to_bytes(name)));
                pair("filename", file.as_bytes());
                info.fields.iter().for_each(|(key, bytes)| pair(key, bytes));
                info.parameters.iter().for_each(|p| pair("parm", &p.line()));
            }
        }
    }
}

fn by_name(tree: &Tree, word: &str) -> kmod::Result<Vec<String>> {
    let name = name::from_word(word);
    let known = tree.dependencies(&name)?.is_some() || tree.is_builtin(&name)?;
    Ok(if known { vec![name] } else { Vec::new() })
}

/// The file of a module, or that it is built in; `None` if an alias gives a name that no module has.
fn subject(tree: &Tree, module: &str) -> kmod::Result<Option<Subject>> {
    if let Some(line) = tree.dependencies(module)? {
        return Ok(Some(Subject::File(tree.file(&line.path))));
    }
    Ok(tree.is_builtin(module)?.then(|| Subject::Builtin(module.to_owned())))
}

fn row(builtin: Option<&str>, info: &Info) -> Value {
    let told = |bytes: &[u8]| text::of_bytes(bytes).into_owned();
    let fields: Vec<_> = info.fields.iter().map(|(key, value)| json!({"key": key, "value": told(value).replace("\n\t\t", "")})).collect();
    let parameters: Vec<_> = info
        .parameters
        .iter()
        .rev()
        .map(|p| json!({"name": p.name, "description": p.description.as_deref().map(told), "type": p.kind}))
        .collect();
    json!({"filename": info.file.as_deref().map(text::of_path), "builtin": builtin, "fields": fields, "parameters": parameters})
}
