//! Module names: one module is written `snd-hda-intel` or `snd_hda_intel`, and lives in `snd-hda-intel.ko.xz`.

use std::borrow::Cow;
use std::path::Path;

use crate::{Error, Result, text};

/// File name endings of modules: today's, their compressed forms, and the classic `.o`.
///
/// A compressed file is *recognised* by its first bytes ([`crate::file::Compression`]); the ending only says that a file of a tree
/// is a module at all.
pub const SUFFIXES: [&str; 5] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst", ".o"];

/// Writes dashes as underscores, except inside `[...]`, where a dash is a range.
///
/// ```
/// assert_eq!(kmod::name::normalise("usb:v046Dp[0-9]*-x").unwrap(), "usb:v046Dp[0-9]*_x");
/// assert!(kmod::name::normalise("a[b").is_err());
/// ```
///
/// # Errors
/// [`Error::UnmatchedBracket`].
pub fn normalise(pattern: &str) -> Result<String> {
    normalised(pattern).map(Cow::into_owned)
}

/// [`normalise`] that copies only what it changes: most aliases stay as they are.
pub(crate) fn normalised(pattern: &str) -> Result<Cow<'_, str>> {
    if !pattern.bytes().any(|b| matches!(b, b'-' | b'[' | b']')) {
        return Ok(Cow::Borrowed(pattern));
    }
    let mut inside = false;
    let mut out = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match (c, inside) {
            ('[', false) => inside = true,
            (']', true) => inside = false,
            (']', false) => return Err(Error::UnmatchedBracket { pattern: pattern.to_owned() }),
            _ => {}
        }
        out.push(if c == '-' && !inside { '_' } else { c });
    }
    if inside { Err(Error::UnmatchedBracket { pattern: pattern.to_owned() }) } else { Ok(Cow::Owned(out)) }
}

/// The module name of a word: every dash becomes an underscore, and the name ends before the first dot.
#[must_use]
pub fn from_word(word: &str) -> String {
    let name = word.split_once('.').map_or(word, |(name, _)| name);
    name.replace('-', "_")
}

/// The module name of a path: [`from_word`] of its last component.
#[must_use]
pub fn from_path(path: &str) -> String {
    from_word(path.rsplit('/').next().unwrap_or(path))
}

/// Whether a file of this name is taken for a module.
#[must_use]
pub fn is_module_file(file_name: &str) -> bool {
    SUFFIXES.iter().any(|s| file_name.len() > s.len() && file_name.ends_with(s))
}

/// `path` without the ending of a compression: the form in which `modules.order` lists it.
#[must_use]
pub fn uncompressed(path: &str) -> &str {
    [".gz", ".xz", ".zst"].iter().find_map(|s| path.strip_suffix(s).filter(|p| p.ends_with(".ko"))).unwrap_or(path)
}

/// Whether the word names a file rather than a module: it begins with `/` or `./`.
#[must_use]
pub fn is_path(word: &str) -> bool {
    word.starts_with('/') || word.starts_with("./")
}

/// [`from_path`] of a [`Path`].
#[must_use]
pub fn from_file(path: &Path) -> String {
    from_word(&text::of_os(path.file_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (path, name) in
            [("kernel/sound/snd-hda-intel.ko.xz", "snd_hda_intel"), ("fs/fat.o", "fat"), ("a.b.ko", "a"), ("plain", "plain")]
        {
            assert_eq!(from_path(path), name);
        }
        assert_eq!(uncompressed("a.ko.zst"), "a.ko");
        assert_eq!(uncompressed("a.tar.gz"), "a.tar.gz");
        assert!(is_module_file("x.ko") && !is_module_file(".ko") && !is_module_file("x.ko.sig"));
    }
}
