//! The files of a journal: `NAME` is written, `NAME.1` came before it, `NAME.2` before that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file with a number; 0 is the current one.
pub(super) fn part(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    path.with_file_name(name)
}

/// The numbers of the older files that are there, smallest first.
pub(super) fn older(path: &Path) -> io::Result<Vec<u32>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begin = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&begin)).filter(|number| !number.starts_with('0'));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Moves every file one number up; those beyond `keep` are removed. Afterwards there is no current file.
pub(super) fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    for number in older(path)?.into_iter().rev() {
        if number >= keep {
            fs::remove_file(part(path, number))?;
        } else {
            fs::rename(part(path, number), part(path, number + 1))?;
        }
    }
    let moved = if keep == 0 { fs::remove_file(path) } else { fs::rename(path, part(path, 1)) };
    match moved {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
