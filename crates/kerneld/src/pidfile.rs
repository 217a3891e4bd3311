//! The pid file: one line, the process id of the daemon that wrote it last.

use std::path::{Path, PathBuf};

use crate::Error;

/// Written now, and removed when the daemon ends in good order, unless another has written it since.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file.
    pub(crate) fn write(path: &Path) -> Result<Self, Error> {
        let written = std::fs::write(path, line());
        written.map(|()| Self(path.to_owned())).map_err(|error| Error::File { path: path.to_owned(), error })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if std::fs::read_to_string(&self.0).is_ok_and(|text| text == line()) {
            // What cannot be removed stays, and names a process that is gone.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// The content.
fn line() -> String {
    format!("{}\n", std::process::id())
}
