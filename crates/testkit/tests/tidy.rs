//! The invariants that a test can hold: which crate may import which, where `unsafe` may stand, what no file may contain.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each crate may import of ours, in its normal and build dependencies. Development dependencies are free: tests may use
/// anything.
const LAYERS: &[(&str, &[&str])] = &[
    ("modlink", &[]),
    ("uapi", &[]),
    ("kernel", &["modlink", "uapi"]),
    ("khost", &["kernel", "uapi"]),
    ("kmod", &["modlink", "uapi"]),
    ("demand", &["kmod", "uapi"]),
    ("tools", &["demand", "kmod", "uapi"]),
    ("kerneld", &["demand", "kmod", "uapi"]),
];

/// Dev-only crates, which may import anything and which nothing may import outside tests.
const DEV_ONLY: &[&str] = &["testkit", "xtask"];

/// The files in which `unsafe` may stand. A path that ends in `/` is a folder.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("crates/kernel/src/memory.rs", "maps module memory"),
    ("crates/kernel/src/call.rs", "calls into module code"),
    ("crates/kernel/src/oops.rs", "catches faults of module code"),
    ("crates/kernel/src/gdb.rs", "the debugger's JIT interface"),
    ("crates/kernel/src/credentials.rs", "credentials of a peer whose process id may be 0, which rustix cannot say"),
    ("crates/khost/src/exports/", "functions that C modules call"),
    ("crates/kmod/src/hosted/map.rs", "maps the memory of a module to fill it"),
    ("crates/kmod/src/linux/sys.rs", "system calls that no crate wraps, and index files as mappings"),
    ("crates/tools/src/main.rs", "the attribute that names C's `main`"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// All Rust files below a folder, build output aside.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("a file of the workspace").to_string_lossy().into_owned()
}

/// The code of a Rust file without comments, strings and character literals, so that words are code words.
fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string_length(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("b'\"'") {
            rest.find("\"'").map_or(rest.len(), |end| end + 2)
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = &rest[skip..];
    }
    out
}

fn string_length(text: &str) -> usize {
    let mut escaped = true;
    for (at, character) in text.char_indices() {
        match character {
            '"' if !escaped => return at + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    text.len()
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}

#[test]
fn imports_point_down_only() {
    let metadata =
        cargo_metadata::MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata");
    let ours: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if DEV_ONLY.contains(&name) {
            continue;
        }
        let allowed = layers.get(name).unwrap_or_else(|| panic!("crate `{name}` has no row in LAYERS"));
        for dependency in &package.dependencies {
            let normal = dependency.kind != cargo_metadata::DependencyKind::Development;
            if normal && ours.contains(&dependency.name) && !allowed.contains(&dependency.name.as_str()) {
                wrong.push(format!("`{name}` imports `{}`", dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(LAYERS.iter().all(|(name, _)| ours.contains(*name)), "LAYERS names a crate that is gone");
}

#[test]
fn unsafe_code_stays_behind_its_fence() {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in files {
        let name = relative(&file);
        if name.contains("/tests/") || !has_word(&code_only(&std::fs::read_to_string(&file).expect("a readable file")), "unsafe") {
            continue;
        }
        match UNSAFE_FILES.iter().find(|(allowed, _)| if allowed.ends_with('/') { name.starts_with(allowed) } else { name == *allowed }) {
            Some((allowed, _)) => {
                used.insert(*allowed);
            }
            None => wrong.push(name),
        }
    }
    assert!(wrong.is_empty(), "`unsafe` outside the fence: {wrong:#?}");
    let idle: Vec<_> = UNSAFE_FILES.iter().filter(|(allowed, _)| !used.contains(allowed)).collect();
    assert!(idle.is_empty(), "the fence has rows that nothing needs: {idle:#?}");
}

#[test]
fn every_crate_says_what_it_thinks_of_unsafe() {
    for (name, _) in LAYERS {
        let text = std::fs::read_to_string(root().join(format!("crates/{name}/src/lib.rs"))).expect("lib.rs");
        // A `main.rs` is a program of its own, beside the library.
        let inside = |path: &str| path.starts_with(&format!("crates/{name}/")) && !path.ends_with("/main.rs");
        let fenced = UNSAFE_FILES.iter().any(|(path, _)| inside(path));
        let wanted = if fenced { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
        assert!(text.contains(wanted), "`{name}` must say `{wanted}`");
    }
}

#[test]
fn libraries_neither_print_nor_exit() {
    let words = ["println!", "eprintln!", "print!(", "eprint!(", "process::exit"];
    let mut wrong = Vec::new();
    for library in ["modlink", "uapi", "kernel", "kmod"] {
        let mut files = Vec::new();
        rust_files(&root().join(format!("crates/{library}/src")), &mut files);
        for file in files {
            let code = code_only(&std::fs::read_to_string(&file).expect("a readable file"));
            wrong.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", relative(&file))));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_two_concepts_under_one_roof() {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    rust_files(&root().join("xtask"), &mut files);
    let long: Vec<_> = files
        .iter()
        .filter(|file| !relative(file).contains("/tests/"))
        .map(|file| (relative(file), std::fs::read_to_string(file).expect("a readable file").lines().count()))
        .filter(|(_, lines)| *lines > 450)
        .collect();
    assert!(long.is_empty(), "over 450 lines: {long:#?}");
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        wrong.extend(
            text.lines()
                .enumerate()
                .filter(|(_, line)| marks.iter().any(|mark| has_word(line, mark)))
                .map(|(at, _)| format!("{}:{}", relative(&file), at + 1)),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The tests of the book's rows: `row_NN_what` as row and what.
fn tests_of_rows() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("crates/testkit/tests")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rows_")) {
            let text = std::fs::read_to_string(path).expect("a readable file");
            let names = text.lines().filter_map(|line| line.strip_prefix("fn row_")?.split('(').next()?.split_once('_'));
            found.extend(names.map(|(row, what)| (row.to_owned(), what.to_owned())));
        }
    }
    found
}

#[test]
fn every_row_of_the_book_has_tests_and_the_docs_list_each() {
    let docs = std::fs::read_to_string(root().join("docs/classic.md")).expect("a readable file");
    let mut listed = BTreeSet::new();
    for line in docs.lines() {
        let cells: Vec<&str> = line.split(" |").collect();
        let Some(row) = line.strip_prefix("| ").and_then(|rest| rest.get(..2)).filter(|row| row.parse::<u8>().is_ok()) else { continue };
        let tests = cells.get(cells.len().saturating_sub(2)).copied().unwrap_or_default();
        listed.extend(tests.split('`').skip(1).step_by(2).map(|what| (row.to_owned(), what.to_owned())));
    }
    let tests: BTreeSet<_> = tests_of_rows().into_iter().collect();
    assert_eq!(tests, listed, "the tests, and those that docs/classic.md lists");
    let rows: BTreeSet<_> = tests.iter().map(|(row, _)| row.clone()).collect();
    assert_eq!(rows, (1..=43).map(|row| format!("{row:02}")).collect());
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    let documents = |folder: &str| {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.extension().is_some_and(|extension| extension == "md"))
    };
    for document in documents("").chain(documents("docs")) {
        let text = std::fs::read_to_string(&document).expect("a readable file");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let missing = targets.filter(|target| !target.contains("://") && !document.with_file_name("").join(target).exists());
        wrong.extend(missing.map(|target| format!("{}: {target}", relative(&document))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_names_a_registry_or_a_path_of_one_machine() {
    let marks =
        [["deb.deb", "ian.org"].concat(), ["crates", ".io/"].concat(), ["registry.npm", "js.org"].concat(), ["/wo", "rk/"].concat()];
    let listed = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git runs");
    let mut wrong = Vec::new();
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty() && !name.ends_with("Cargo.lock")) {
        let text = std::fs::read(root().join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        wrong.extend(marks.iter().filter(|mark| begins_in(&text, mark)).map(|mark| format!("{name}: {mark}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a text has a mark; one that is an absolute path has to begin where it stands.
fn begins_in(text: &str, mark: &str) -> bool {
    let inside = |before: char| before.is_alphanumeric() || "._-".contains(before);
    text.match_indices(mark).any(|(at, _)| !mark.starts_with('/') || !text[..at].ends_with(inside))
}
