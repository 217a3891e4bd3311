//! The name of a module, from its file.

use std::path::Path;

/// Endings that belong to the file and not to the module: those of classic insmod (`.o`, `.mod`), and today's.
const SUFFIXES: [&str; 3] = [".o", ".mod", ".ko"];

/// Endings of compressed files, which may stand behind one of [`SUFFIXES`].
const COMPRESSIONS: [&str; 3] = [".gz", ".xz", ".zst"];

/// The internal name of the module in the file at `path`: the last component without its ending.
///
/// Unlike Linux's names, dashes stay dashes: classic kernels compare names exactly.
#[must_use]
pub fn module_name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = COMPRESSIONS.iter().find_map(|ending| file.strip_suffix(ending)).filter(|name| ends(name)).unwrap_or(&file);
    let stem = SUFFIXES.iter().find_map(|ending| plain.strip_suffix(ending)).filter(|stem| !stem.is_empty());
    stem.unwrap_or(plain).to_owned()
}

/// Whether a file name has the ending of an object.
fn ends(name: &str) -> bool {
    SUFFIXES.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::module_name;
    use std::path::Path;

    #[test]
    fn endings_of_files_are_taken_off() {
        let cases = [
            ("/lib/modules/2.0.40/fs/vfat.o", "vfat"),
            ("vfat.ko", "vfat"),
            ("./nls-cp437.ko.xz", "nls-cp437"),
            ("old.mod", "old"),
            ("vfat", "vfat"),
            ("a.b.o", "a.b"),
            ("notes.gz", "notes.gz"),
            (".o", ".o"),
            ("/", ""),
        ];
        for (path, name) in cases {
            assert_eq!(module_name(Path::new(path)), name, "{path}");
        }
    }
}
