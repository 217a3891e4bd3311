//! Runs both programs with the same arguments.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Listed, Report, Tree};

/// Words for one call: enough to make few calls, few enough for one command line.
const BATCH: usize = 100;

/// Two copies of a tree, one for each program.
pub(super) struct Pair {
    _folder: TempDir,
    pub(super) theirs: PathBuf,
    pub(super) ours: PathBuf,
    configuration: PathBuf,
    release: String,
    modutils: PathBuf,
    oracle: Oracle,
}

/// What kmod reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Oracle {
    /// The same files as ours. `modprobe` and `modinfo` of both then work on the tree that kmod indexed.
    SameFiles,
    /// The same modules uncompressed, since it cannot read ours: in what it says, names of files get this ending, and each program
    /// works on a tree of its own.
    PlainFiles(&'static str),
}

/// What a program answered.
pub(super) struct Answer {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stdout)?;
        self.stderr.lines().try_for_each(|line| writeln!(f, "standard error: {line}"))?;
        writeln!(f, "status: {:?}", self.status)
    }
}

/// Whose program is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Theirs,
    Ours,
}

impl Pair {
    /// `read` is the tree that kmod reads.
    pub(super) fn new(tree: &Tree, read: &Tree, oracle: Oracle, modutils: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pair = Self {
            theirs: folder.path().join("kmod"),
            ours: folder.path().join("ours"),
            configuration: folder.path().join("configuration"),
            release: tree.release().to_owned(),
            modutils: modutils.to_owned(),
            oracle,
            _folder: folder,
        };
        for (name, content) in super::calls::CONFIGURATION {
            let file = pair.configuration.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&file)).expect("a folder");
            fs::write(file, content).expect("a configuration");
        }
        read.lay_out(&pair.theirs).expect("a tree for kmod");
        tree.lay_out(&pair.ours).expect("a tree for ours");
        pair.run(Whose::Theirs, "depmod", &["-b", &text(&pair.theirs), &pair.release]);
        pair.run(Whose::Ours, "depmod", &["-b", &text(&pair.ours), &pair.release]);
        pair
    }

    /// An index file of one of the two trees.
    pub(super) fn index(&self, whose: Whose, name: &str) -> PathBuf {
        let root = if whose == Whose::Theirs { &self.theirs } else { &self.ours };
        root.join("lib/modules").join(&self.release).join(name)
    }

    /// A program that reads nothing from the terminal.
    fn command(&self, whose: Whose, tool: &str) -> Command {
        let mut command = match whose {
            Whose::Theirs => Command::new(format!("/usr/sbin/{tool}")),
            Whose::Ours => Command::new(&self.modutils),
        };
        command.arg0(tool).stdin(Stdio::null()).env_remove("MODUTILS_KERNEL").env_remove("MODPROBE_OPTIONS");
        command
    }

    /// Standard output of a program.
    fn run(&self, whose: Whose, tool: &str, arguments: &[&str]) -> String {
        let done = self.command(whose, tool).args(arguments).output().unwrap_or_else(|e| panic!("{tool} does not start: {e}"));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Whether both programs read the same files.
    pub(super) fn reads_the_same(&self) -> bool {
        self.oracle == Oracle::SameFiles
    }

    /// A whole call: see [`super::calls`] for the words that stand for others.
    pub(super) fn call(&self, whose: Whose, line: &str) -> Answer {
        let root = text(self.root(whose));
        let vfat = fs::read_to_string(self.index(Whose::Theirs, "modules.dep")).unwrap_or_default();
        let vfat = vfat.lines().filter_map(|line| line.split(':').next()).find(|path| kmod::name::from_path(path) == "vfat");
        let file = format!("{root}/lib/modules/{}/{}", self.release, vfat.unwrap_or_default());
        let configuration = text(&self.configuration);
        let word = |word: &str| {
            let said = word.replace("ROOT", &root).replace("RELEASE", &self.release).replace("FILE", &file).replace("CONF", &configuration);
            let mut bytes = said.into_bytes();
            while let Some(at) = bytes.windows(4).position(|four| four == b"BYTE") {
                bytes.splice(at..at + 4, [0xff]);
            }
            OsString::from_vec(bytes)
        };
        let mut words = line.split(' ');
        let mut command = self.command(whose, words.next().unwrap_or_default());
        let done = command.args(words.map(word)).output().unwrap_or_else(|e| panic!("{line}: {e}"));
        let told = |bytes: &[u8]| kmod::text::of_bytes(bytes).into_owned();
        Answer { status: done.status.code(), stdout: told(&done.stdout), stderr: told(&done.stderr) }
    }

    /// The root of the tree that a program works on. Where both can read it, that is the one that kmod wrote.
    fn root(&self, whose: Whose) -> &Path {
        if whose == Whose::Ours && self.oracle != Oracle::SameFiles { &self.ours } else { &self.theirs }
    }

    /// What kmod says, as it would say it of the files that ours reads.
    pub(super) fn renamed(&self, whose: Whose, said: String) -> String {
        let (Whose::Theirs, Oracle::PlainFiles(ending)) = (whose, self.oracle) else { return said };
        let said = said.replace(&text(&self.theirs), &text(&self.ours));
        // Only lines with the path of a module have one to rename.
        let lines = said.split_inclusive('\n').map(|line| {
            if !line.contains("kernel/") {
                return line.to_owned();
            }
            [" ", ":", "\n"].into_iter().fold(line.to_owned(), |line, end| line.replace(&format!(".ko{end}"), &format!(".ko{ending}{end}")))
        });
        lines.collect()
    }

    /// `modprobe` on a tree.
    pub(super) fn modprobe(&self, whose: Whose, arguments: &[&str]) -> String {
        self.modprobe_in(whose, self.root(whose), arguments)
    }

    fn modprobe_in(&self, whose: Whose, root: &Path, arguments: &[&str]) -> String {
        let root = text(root);
        let fixed = ["-n", "-d", root.as_str(), "-S", &self.release];
        self.renamed(whose, self.run(whose, "modprobe", &[&fixed, arguments].concat()))
    }

    /// The names of all modules.
    pub(super) fn modules(&self) -> Vec<String> {
        let dep = fs::read_to_string(self.index(Whose::Theirs, "modules.dep")).unwrap_or_default();
        dep.lines().filter_map(|l| l.split(':').next()).map(kmod::name::from_path).collect()
    }

    /// For each alias a word that it matches: `*` becomes nothing, `?` a letter, a bracket its first character.
    pub(super) fn alias_words(&self) -> Vec<String> {
        let text = fs::read_to_string(self.index(Whose::Theirs, "modules.alias")).unwrap_or_default();
        kmod::index::alias::parse(&text).map(|(pattern, _)| concrete(pattern)).collect()
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of text").to_owned()
}

fn concrete(pattern: &str) -> String {
    let mut word = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => {}
            '?' => word.push('x'),
            '[' => {
                word.extend(rest.next());
                rest.by_ref().take_while(|&c| c != ']').for_each(drop);
            }
            other => word.push(other),
        }
    }
    word
}

/// `modprobe -c`, with the tree of either in the hands of either.
pub(super) fn configuration(pair: &Pair, report: &mut Report) {
    let theirs = pair.modprobe(Whose::Theirs, &["-c"]);
    let ours = pair.modprobe(Whose::Ours, &["-c"]);
    let crossed = pair.modprobe_in(Whose::Theirs, &pair.ours, &["-c"]);
    let ours = blanks(&theirs, &ours, report);
    report.texts("configurations", "modprobe -c", &theirs, &ours);
    report.texts("configurations", "kmod's modprobe -c on our indexes", &theirs, &crossed);
}

/// Ours without the blank before `post:` that kmod 30 forgets.
fn blanks(theirs: &str, ours: &str, report: &mut Report) -> String {
    let forgotten = |line: &str| line.starts_with("softdep ") && line.contains(" pre: ") && line.contains(" post: ");
    if theirs == ours || !ours.lines().any(forgotten) {
        return ours.to_owned();
    }
    report.listed(Listed::SoftdepBlank);
    ours.lines().map(|l| if forgotten(l) { l.replacen(" post: ", "post: ", 1) } else { l.to_owned() } + "\n").collect()
}

/// `modprobe -D` of each module.
pub(super) fn plans(pair: &Pair, modules: &[String], report: &mut Report) {
    let several = modules_with_several_softdeps(pair);
    report.made("plans", modules.len());
    for batch in modules.chunks(BATCH) {
        let words: Vec<&str> = ["-a", "-D"].into_iter().chain(batch.iter().map(String::as_str)).collect();
        let both = [Whose::Theirs, Whose::Ours].map(|w| pair.modprobe(w, &words));
        if both[0] == both[1] {
            continue;
        }
        for module in batch {
            let [theirs, ours] = [Whose::Theirs, Whose::Ours].map(|w| pair.modprobe(w, &["-D", module]));
            if theirs == ours {
                continue;
            }
            let concerned = ours.lines().any(|line| several.contains(&kmod::name::from_path(line.trim_end())));
            if concerned && is_within(&theirs, &ours) {
                report.listed(Listed::AllSoftdeps);
            } else {
                report.different(&format!("modprobe -D {module}"), &theirs, &ours);
            }
        }
    }
}

/// Modules about which more than one line stands, be it the module's own or one of the system's configuration.
fn modules_with_several_softdeps(pair: &Pair) -> HashSet<String> {
    let text = pair.modprobe(Whose::Theirs, &["-c"]);
    let names = text.lines().filter_map(|l| l.strip_prefix("softdep ")?.split(' ').next());
    let mut seen = HashSet::new();
    names.filter(|n| !seen.insert(n.to_owned())).map(str::to_owned).collect()
}

/// Whether all lines of the first text stand in the second, in the same order.
fn is_within(part: &str, whole: &str) -> bool {
    let mut lines = whole.lines();
    part.lines().all(|wanted| lines.any(|line| line == wanted))
}

/// `modprobe -R` of each word.
pub(super) fn aliases(pair: &Pair, words: &[String], report: &mut Report) {
    report.made("aliases", words.len());
    for batch in words.chunks(BATCH) {
        let arguments: Vec<&str> = ["-q", "-a", "-R"].into_iter().chain(batch.iter().map(String::as_str)).collect();
        let [theirs, ours] = [Whose::Theirs, Whose::Ours].map(|w| pair.modprobe(w, &arguments));
        if theirs != ours {
            let what = format!("modprobe -R {} and {} more", batch.first().map_or("", String::as_str), batch.len() - 1);
            report.different(&what, &theirs, &ours);
        }
    }
}

/// What `modinfo` is asked of each module: everything, and what is shown in another form by itself.
const QUESTIONS: [&[&str]; 3] = [&[], &["-p"], &["-F", "parmtype"]];

/// `modinfo` of each module.
pub(super) fn infos(pair: &Pair, modules: &[String], report: &mut Report) {
    report.made("infos", modules.len());
    for (batch, question) in modules.chunks(BATCH).flat_map(|batch| QUESTIONS.map(|question| (batch, question))) {
        let [theirs, full] = [Whose::Theirs, Whose::Ours].map(|whose| {
            let root = text(pair.root(whose));
            let fixed = ["-b", root.as_str(), "-k", &pair.release];
            let arguments: Vec<&str> = fixed.into_iter().chain(question.iter().copied()).chain(batch.iter().map(String::as_str)).collect();
            pair.renamed(whose, pair.run(whose, "modinfo", &arguments))
        });
        let mut ours = String::with_capacity(full.len());
        for line in full.split_inclusive('\n') {
            if line.starts_with("build-id:") && !theirs.contains("build-id:") {
                report.listed(Listed::BuildId);
            } else {
                ours.push_str(line);
            }
        }
        if theirs != ours {
            let words = [question, &batch.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat().join(" ");
            report.different(&format!("modinfo {}…", words.chars().take(80).collect::<String>()), &theirs, &ours);
        }
    }
}
