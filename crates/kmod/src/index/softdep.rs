//! `modules.softdep`: `softdep NAME TEXT`, where the text is `pre: A B post: C` as the module says it.

/// The first line of the file.
pub const HEADER: &str = "# Soft dependencies extracted from modules themselves.\n";

/// Appends one line.
pub fn write(out: &mut String, module: &str, text: &str) {
    for part in ["softdep ", module, " ", text, "\n"] {
        out.push_str(part);
    }
}

/// What is to be loaded before and after a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Softdep {
    /// Before.
    pub pre: Vec<String>,
    /// After.
    pub post: Vec<String>,
}

impl Softdep {
    /// Reads `pre: A B post: C`; words before the first of the two marks have no meaning and are dropped.
    ///
    /// ```
    /// let soft = kmod::index::softdep::Softdep::parse("pre: crc32c post: a b");
    /// assert_eq!((soft.pre.len(), soft.post.len()), (1, 2));
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut soft = Self::default();
        let mut list = None;
        for word in text.split_ascii_whitespace() {
            match (word, &mut list) {
                ("pre:", _) => list = Some(false),
                ("post:", _) => list = Some(true),
                (_, Some(false)) => soft.pre.push(word.to_owned()),
                (_, Some(true)) => soft.post.push(word.to_owned()),
                (_, None) => {}
            }
        }
        soft
    }
}
