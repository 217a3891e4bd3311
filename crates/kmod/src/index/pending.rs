//! `.depmod-pending`: the record of a set of index files that is being put into place.
//!
//! ```text
//! depmod set 1
//! replace modules.dep 1048 526626 1763768521 40022113 over 977 526001 1763750001 1200300
//! replace modules.devname 1049 476 1763768521 40022113 over nothing
//! remove modules.weakdep over 980 55 1763750001 1200300
//! end
//! ```
//!
//! The numbers are inode, size in bytes, seconds and nanoseconds of the last modification. The record gets its name before the finished
//! files get theirs (`.depmod-stage-` and the name that they will have), and these before the first of them takes its place. So
//! the files themselves say how far it went: as long as each change of the record is [done or ready](State), the whole new
//! set is there, partly under other names; otherwise nothing has been replaced yet, or somebody else has written since, and the record
//! means nothing.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file's name.
pub(crate) const FILE: &str = ".depmod-pending";

/// What the name of a finished file begins with until it takes its place.
pub(crate) const STAGE: &str = ".depmod-stage-";

const FIRST: &str = "depmod set 1";
const LAST: &str = "end";
const NOTHING: &str = "nothing";

/// What tells whether a file is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    pub(crate) inode: u64,
    /// In bytes.
    pub(crate) size: u64,
    /// Seconds and nanoseconds of the last modification.
    pub(crate) modified: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self { inode: metadata.ino(), size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }

    /// Of the file with this name, not of one that it links to; `None` if there is none.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    fn read<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Option<Self>> {
        let first = words.next()?;
        if first == NOTHING {
            return Some(None);
        }
        let mut word = || words.next();
        let (inode, size) = (first.parse().ok()?, word()?.parse().ok()?);
        Some(Some(Self { inode, size, modified: (word()?.parse().ok()?, word()?.parse().ok()?) }))
    }
}

/// One file of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its name.
    pub(crate) name: String,
    /// What it becomes; `None` if it goes.
    pub(crate) new: Option<Stamp>,
    /// What it was; `None` if it was not there.
    pub(crate) old: Option<Stamp>,
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The file is in its place, or gone.
    Done,
    /// The old file is in its place, and the new one is ready.
    Ready,
    /// Neither.
    Unknown,
}

impl Change {
    /// Where the new file is until it takes its place.
    pub(crate) fn staged(&self, directory: &Path) -> PathBuf {
        staged(directory, &self.name)
    }

    /// How far it is.
    pub(crate) fn state(&self, directory: &Path) -> State {
        let there = Stamp::at(&directory.join(&self.name));
        let ready = || self.new.is_none() || Stamp::at(&self.staged(directory)) == self.new;
        match there {
            _ if there == self.new => State::Done,
            _ if there == self.old && ready() => State::Ready,
            _ => State::Unknown,
        }
    }
}

/// Where a finished file is until it takes its place.
pub(crate) fn staged(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{STAGE}{name}"))
}

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) changes: Vec<Change>,
}

impl Pending {
    /// The record of a directory: `None` if there is none, one without changes if it is damaged.
    pub(crate) fn read(directory: &Path) -> Option<Self> {
        let text = fs::read(directory.join(FILE)).ok()?;
        Some(std::str::from_utf8(&text).ok().and_then(Self::parse).unwrap_or_default())
    }

    /// The text of the record.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{FIRST}\n");
        let stamp = |out: &mut String, stamp: Option<Stamp>| match stamp {
            Some(Stamp { inode, size, modified: (seconds, nanoseconds) }) => {
                // Writing to a string cannot fail.
                let _ = write!(out, " {inode} {size} {seconds} {nanoseconds}");
            }
            None => out.extend([" ", NOTHING]),
        };
        for change in &self.changes {
            out.push_str(if change.new.is_some() { "replace " } else { "remove " });
            out.push_str(&change.name);
            if change.new.is_some() {
                stamp(&mut out, change.new);
            }
            out.push_str(" over");
            stamp(&mut out, change.old);
            out.push('\n');
        }
        out.push_str(LAST);
        out.push('\n');
        out
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next().filter(|first| *first == FIRST)?;
        let mut changes = Vec::new();
        loop {
            let line = lines.next()?;
            if line == LAST {
                return lines.next().is_none().then_some(Self { changes });
            }
            let mut words = line.split(' ');
            let command = words.next()?;
            // A name is joined to the directory, so it must not lead out of it.
            let name = words.next().filter(|name| name.starts_with("modules.") && !name.contains('/'))?.to_owned();
            let new = match command {
                "replace" => Some(Stamp::read(&mut words)??),
                "remove" => None,
                _ => return None,
            };
            words.next().filter(|over| *over == "over")?;
            let old = Stamp::read(&mut words)?;
            words.next().is_none().then_some(())?;
            changes.push(Change { name, new, old });
        }
    }

    /// Whether the whole new set is there.
    pub(crate) fn is_decided(&self, directory: &Path) -> bool {
        !self.changes.is_empty() && self.changes.iter().all(|change| change.state(directory) != State::Unknown)
    }
}

/// Index files of a directory as a reader should see them: an interrupted set is read from where its files are.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    decided: Option<Pending>,
}

impl View {
    /// Looks whether a set is being put into place.
    pub(crate) fn of(directory: &Path) -> Self {
        Self { decided: Pending::read(directory).filter(|pending| pending.is_decided(directory)) }
    }

    /// Where a file may be read, the best place first; the next counts where there is nothing.
    pub(crate) fn places(&self, directory: &Path, name: &str) -> Vec<PathBuf> {
        let mut places = Vec::with_capacity(2);
        let change = self.decided.as_ref().and_then(|pending| pending.changes.iter().find(|change| change.name == name));
        if let Some(change) = change.filter(|change| change.state(directory) == State::Ready) {
            places.push(change.staged(directory));
            // A file that is about to go is not read; one that is replaced may take its place just now.
            if change.new.is_none() {
                return places;
            }
        }
        places.push(directory.join(name));
        places
    }

    /// Opens or reads a file at the first of its places that has one.
    ///
    /// # Errors
    /// What `open` answers for the last place.
    pub(crate) fn first<T, E>(
        &self,
        directory: &Path,
        name: &str,
        is_absent: impl Fn(&E) -> bool,
        open: impl Fn(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        let places = self.places(directory, name);
        let (last, before) = match places.split_last() {
            Some((last, before)) => (last.clone(), before),
            None => (directory.join(name), &[][..]),
        };
        for place in before {
            match open(place) {
                Err(error) if is_absent(&error) => {}
                other => return other,
            }
        }
        open(&last)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// Those of reading a file.
    pub(crate) fn read(&self, directory: &Path, name: &str) -> io::Result<Vec<u8>> {
        self.first(directory, name, |e: &io::Error| e.kind() == io::ErrorKind::NotFound, |path| fs::read(path))
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Pending, Stamp};

    #[test]
    fn a_record_is_read_as_written_and_nothing_less() {
        let stamp = |inode| Some(Stamp { inode, size: 5, modified: (-7, 9) });
        let change = |name: &str, new, old| Change { name: name.to_owned(), new, old };
        let changes = vec![
            change("modules.dep", stamp(1), stamp(2)),
            change("modules.devname", stamp(3), None),
            change("modules.weakdep", None, stamp(4)),
        ];
        let text = Pending { changes: changes.clone() }.text();
        assert_eq!(Pending::parse(&text), Some(Pending { changes }), "{text}");
        for end in 0..text.len() - 1 {
            assert_eq!(Pending::parse(&text[..end]), None, "cut at {end}");
        }
        for bad in ["modules.dep", "modules.dep 1"] {
            assert_eq!(Pending::parse(&text.replace(bad, "../modules.dep")), None);
        }
    }

    /// Any text is a record or none, and what is read is what would be written.
    #[test]
    fn damaged_records_are_not_believed() {
        let stamp = Some(Stamp { inode: 1, size: 5, modified: (-7, 9) });
        let change = |name: &str, old| Change { name: name.to_owned(), new: stamp, old };
        let text = Pending { changes: vec![change("modules.dep", stamp), change("modules.alias", None)] }.text();
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % below
        };
        for _ in 0..10_000 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=next(2) {
                let at = next(bytes.len());
                bytes[at] = b" \n0/.-~z"[next(8)];
            }
            let Ok(mutant) = String::from_utf8(bytes) else { continue };
            if let Some(read) = Pending::parse(&mutant) {
                assert!(read.changes.iter().all(|c| !c.name.contains('/')), "{mutant}");
                assert_eq!(Pending::parse(&read.text()), Some(read), "{mutant}");
            }
        }
    }
}
