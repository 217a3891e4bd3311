//! Runs the harness on an image.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use tempfile::NamedTempFile;
use testkit::{Outcome, modules};

/// Error numbers that the modules answer.
pub(crate) const EIO: i32 = -5;
pub(crate) const ENOENT: i32 = -2;
pub(crate) const EINVAL: i32 = -22;

/// Seconds until a run counts as an endless loop.
const PATIENCE: &str = "300";

/// What the harness says of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: u32,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    /// CRC-32 of the content; `None` for a directory.
    pub(crate) crc: Option<u32>,
    /// 0, or a negative error number.
    pub(crate) error: i32,
}

pub(crate) type Tree = BTreeMap<String, Entry>;

/// Answers of `statfs`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StatFs {
    pub(crate) block_size: u64,
    pub(crate) blocks: u64,
    pub(crate) free: u64,
    pub(crate) name_length: u64,
}

/// An image in a file.
pub(crate) struct Disk {
    file: NamedTempFile,
}

impl Disk {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("an image");
        Self { file }
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let harness = modules::harness().unwrap_or_else(|error| panic!("{error}"));
        let (first, rest) = arguments.split_at(2);
        Outcome::of(Command::new("timeout").arg(PATIENCE).arg(harness).arg(self.file.path()).args(first).args(rest))
    }

    /// Everything on it by its path, or the mount's error.
    pub(crate) fn try_tree(&self, kind: &str, options: &str) -> Result<Tree, i32> {
        let outcome = self.run(&[kind, options, "tree"]);
        if let (Some(1), Some(error)) = (outcome.code, outcome.stdout.strip_prefix("mount\t")) {
            return Err(error.trim().parse().expect("an error number"));
        }
        Ok(outcome.ok().stdout.lines().map(parse_line).collect())
    }

    #[track_caller]
    pub(crate) fn tree(&self, kind: &str) -> Tree {
        self.try_tree(kind, "").expect("it mounts")
    }

    /// Inode number and mode of a path, or the error.
    pub(crate) fn stat(&self, kind: &str, path: &str) -> Result<(u64, u32), i32> {
        let text = self.run(&[kind, "", "stat", path]).ok().stdout;
        let fields: Vec<&str> = text.trim_end().rsplit('\t').collect();
        match fields[1] {
            "error" => Err(fields[0].parse().expect("an error number")),
            number => Ok((number.parse().expect("a number"), u32::from_str_radix(fields[0], 8).expect("a mode"))),
        }
    }

    pub(crate) fn statfs(&self, kind: &str) -> StatFs {
        let text = self.run(&[kind, "", "statfs"]).ok().stdout;
        let numbers: Vec<u64> = text.trim().split('\t').map(|word| word.parse().expect("a number")).collect();
        StatFs { block_size: numbers[0], blocks: numbers[1], free: numbers[2], name_length: numbers[3] }
    }

    /// Four threads at once read `frag1.bin`.
    pub(crate) fn threads(&self) {
        assert_eq!(self.run(&["vfat", "", "threads"]).ok().stdout, "4 threads agree\n");
    }

    /// Reads damaged copies; answers how many of them could be mounted, and how many reads failed.
    pub(crate) fn fuzz(&self, seed: u64, rounds: u64) -> (u64, u64) {
        let text = self.run(&["-", &seed.to_string(), "fuzz", &rounds.to_string()]).ok().stdout;
        let numbers: Vec<u64> = text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers[0], rounds, "{text}");
        (numbers[1], numbers[2])
    }
}

fn parse_line(line: &str) -> (String, Entry) {
    let mut fields = line.rsplit('\t');
    let mut next = || fields.next().unwrap_or_else(|| panic!("a field is missing in `{line}`"));
    let error = next().parse().expect("an error number");
    let crc = u32::from_str_radix(next(), 16).ok();
    let mtime = next().parse().expect("a time");
    let size = next().parse().expect("a size");
    let mode = u32::from_str_radix(next(), 8).expect("a mode");
    (next().to_owned(), Entry { mode, size, mtime, crc, error })
}
