//! Paths: mount points as names, and the walk below one.

use uapi::Errno;

use super::{Inode, SuperBlock};

/// Longest name in bytes (`NAME_MAX`).
pub const MAX_NAME: usize = 255;
/// Longest path in bytes (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// A path made absolute and free of empty, `.` and `..` components, as mount points are kept: `/` or `/a/b`.
///
/// # Errors
/// `EINVAL` for an empty path or a NUL byte, `ENAMETOOLONG`.
pub(super) fn normalize(path: &str) -> Result<String, Errno> {
    if path.is_empty() || path.contains('\0') {
        return Err(Errno::EINVAL);
    }
    if path.len() > MAX_PATH || path.split('/').any(|name| name.len() > MAX_NAME) {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    Ok(format!("/{}", names.join("/")))
}

/// The part of the normalized `path` below the normalized mount point, or `None` where it is not below it.
pub(super) fn below<'a>(point: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(point)?;
    (point == "/" || rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Follows the names of a normalized path from the root of a file system.
///
/// # Errors
/// `ENOENT`; `ENOTDIR` where a name is looked for in something else; what the file system answers.
pub(super) fn walk(super_block: &dyn SuperBlock, path: &str) -> Result<Inode, Errno> {
    let mut at = super_block.root();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        if !at.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        at = super_block.lookup(&at, name.as_bytes())?;
    }
    Ok(at)
}
