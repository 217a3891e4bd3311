//! `modules.weakdep`: `weakdep NAME A B`, modules that an initramfs should hold too, though nothing loads them on this one's behalf.

/// The first line of the file.
pub const HEADER: &str = "# Weak dependencies extracted from modules themselves.\n";

/// Appends one line.
pub fn write(out: &mut String, module: &str, text: &str) {
    for part in ["weakdep ", module, " ", text, "\n"] {
        out.push_str(part);
    }
}
