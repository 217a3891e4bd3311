//! `modules.alias`: `alias PATTERN NAME`, as the modules themselves say it, in the order of the modules.
//!
//! In `modules.alias.bin` the key is the normalised pattern and the value the module's name.

/// The first line of the file.
pub const HEADER: &str = "# Aliases extracted from modules themselves.\n";

/// Appends one line.
pub fn write(out: &mut String, pattern: &str, module: &str) {
    for part in ["alias ", pattern, " ", module, "\n"] {
        out.push_str(part);
    }
}

/// Pattern and module of each line.
pub fn parse(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("alias ")?.rsplit_once(' '))
}
