//! `khost ls`, `cat`, `statfs`.

use std::io::Write;

use clap::Args;
use serde::Serialize;
use uapi::Client;

use super::client::{Target, ask};
use super::output;
use crate::error::Error;
use crate::request::{self, FileInfo};
use crate::vfs::Detail;

/// List files
#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Show type, permissions, size and time (UTC)
    #[arg(short = 'l', long)]
    long: bool,
    /// Go down into directories
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Files or directories below a mount point
    #[arg(required = true)]
    paths: Vec<String>,
}

/// Write files to the standard output
#[derive(Debug, Args)]
pub(super) struct Cat {
    /// Files below a mount point
    #[arg(required = true)]
    paths: Vec<String>,
}

/// Show how full a file system is
#[derive(Debug, Args)]
pub(super) struct Statfs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A path on the file system
    path: String,
}

/// Deepest directory that `-R` goes into: no file system that is whole comes near it.
const MAX_DEPTH: usize = 128;

/// A file as JSON shows it.
#[derive(Debug, Serialize)]
struct Shown {
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    mode: u32,
    size: u64,
    mtime: i64,
    inode: u64,
}

/// A directory (or a single file) with what is in it.
struct Listing {
    path: String,
    entries: Vec<FileInfo>,
}

impl Ls {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let mut client = target.connect()?;
        let mut all = Vec::new();
        let headings = self.recursive || self.paths.len() > 1;
        for path in &self.paths {
            let file = ask(&mut client, &request::Stat { path: path.clone() }, || format!("`{path}`"))?;
            if file.is_directory() {
                self.directory(&mut client, path, 0, &mut |listing| {
                    if self.json {
                        all.extend(shown(&listing));
                        return Ok(());
                    }
                    self.print(&listing, headings, output)
                })?;
            } else {
                let listing = Listing { path: String::new(), entries: vec![FileInfo { name: path.clone().into_bytes(), ..file }] };
                if self.json {
                    all.extend(shown(&listing));
                } else {
                    self.print(&listing, false, output)?;
                }
            }
        }
        if self.json { output::json(output, &all) } else { Ok(()) }
    }

    /// Hands over a directory and, if asked for, those below it.
    fn directory(
        &self,
        client: &mut Client,
        path: &str,
        depth: usize,
        found: &mut dyn FnMut(Listing) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let detail = if self.long || self.json { Detail::Inodes } else { Detail::Names };
        let entries = entries(client, path, detail)?;
        let below: Vec<String> =
            entries.iter().filter(|entry| self.recursive && entry.is_directory()).map(|entry| joined(path, &entry.name)).collect();
        found(Listing { path: path.to_owned(), entries })?;
        for path in below {
            if depth < MAX_DEPTH {
                self.directory(client, &path, depth.saturating_add(1), found)?;
            }
        }
        Ok(())
    }

    fn print(&self, listing: &Listing, heading: bool, output: &mut dyn Write) -> Result<(), Error> {
        if heading {
            output::line(output, &format!("{}:", output::name(listing.path.as_bytes())))?;
        }
        let width = listing.entries.iter().map(|entry| entry.size.to_string().len()).max().unwrap_or(0);
        for entry in &listing.entries {
            let name = output::name(&entry.name);
            if self.long {
                let (mode, time) = (mode(entry.mode), output::time(entry.mtime));
                output::line(output, &format!("{mode} {:>width$} {time} {name}", entry.size))?;
            } else {
                output::line(output, &name)?;
            }
        }
        if heading { output::line(output, "") } else { Ok(()) }
    }
}

/// All entries of a directory, by name.
fn entries(client: &mut Client, path: &str, detail: Detail) -> Result<Vec<FileInfo>, Error> {
    let (mut entries, mut position) = (Vec::new(), Some(0));
    while let Some(at) = position {
        let page = ask(client, &request::List { path: path.to_owned(), position: at, detail }, || format!("`{path}`"))?;
        entries.extend(page.entries);
        // A position that does not go forward would go round for ever.
        position = page.next.filter(|next| *next > at);
    }
    entries.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(entries)
}

/// The path of an entry.
fn joined(path: &str, name: &[u8]) -> String {
    format!("{}/{}", path.trim_end_matches('/'), String::from_utf8_lossy(name))
}

fn shown(listing: &Listing) -> impl Iterator<Item = Shown> {
    listing.entries.iter().map(|entry| Shown {
        path: if listing.path.is_empty() { String::from_utf8_lossy(&entry.name).into_owned() } else { joined(&listing.path, &entry.name) },
        kind: if entry.is_directory() { "directory" } else { "file" },
        mode: entry.mode,
        size: entry.size,
        mtime: entry.mtime,
        inode: entry.number,
    })
}

/// `drwxr-xr-x`, as `ls -l` shows a mode.
fn mode(mode: u32) -> String {
    let kind = match mode & crate::vfs::S_IFMT {
        crate::vfs::S_IFDIR => 'd',
        crate::vfs::S_IFREG => '-',
        _ => '?',
    };
    let bits = (0..9_u32).rev().zip("rwxrwxrwx".chars());
    std::iter::once(kind).chain(bits.map(|(bit, letter)| if mode & (1 << bit) == 0 { '-' } else { letter })).collect()
}

impl Cat {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let mut client = target.connect()?;
        for path in self.paths {
            let mut offset = 0_u64;
            loop {
                let request = request::Read { path: path.clone(), offset, length: request::MAX_READ };
                let bytes = ask(&mut client, &request, || format!("`{path}`"))?.bytes;
                if bytes.is_empty() {
                    break;
                }
                offset = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                output::bytes(output, &bytes)?;
            }
        }
        Ok(())
    }
}

impl Statfs {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        let path = self.path;
        let statistics = target.ask(&request::Statfs { path: path.clone() }, || format!("`{path}`"))?;
        if self.json {
            return output::json(output, &statistics);
        }
        let rows = [
            ("type", format!("{:#x}", statistics.magic)),
            ("block size", statistics.block_size.to_string()),
            ("blocks", statistics.blocks.to_string()),
            ("free", statistics.free.to_string()),
            ("files", statistics.files.to_string()),
            ("name length", statistics.name_length.to_string()),
        ];
        rows.into_iter().try_for_each(|(what, value)| output::line(output, &format!("{what:<12} {value}")))
    }
}
