//! The kernel command line: `MODULE.PARAMETER[=VALUE]` is an option of a module, `modprobe.blacklist=A,B` is a blacklist.
//!
//! Quotes may stand around a value or around the whole word; blanks are only allowed inside them. A word with another dot before its
//! `=`, or an `=` before its dot, is not about a module. Neither is one whose quote is never closed: what it would take along is not
//! known.

/// What one word of the command line says about modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A parameter of a module, as `PARAMETER` or `PARAMETER=VALUE`.
    Option {
        /// The module, as written.
        module: String,
        /// The parameter with its value.
        option: String,
    },
    /// A module that must not be loaded by an alias.
    Blacklist {
        /// The module, as written.
        module: String,
    },
}

/// The most that is read of the command line, in bytes: the kernel keeps no more on any architecture that has modules.
pub const LIMIT: usize = 4095;

/// Reads the command line.
///
/// ```
/// use kmod::config::cmdline::{parse, Word};
/// let words = parse("quiet root=a.b loop.max_loop=8 \"m.s=a b\" modprobe.blacklist=x,y");
/// assert_eq!(words.len(), 4);
/// assert_eq!(words[1], Word::Option { module: "m".into(), option: "s=\"a b\"".into() });
/// ```
#[must_use]
pub fn parse(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    for word in super::words(text.get(..LIMIT).unwrap_or(text)) {
        if !word.matches('"').count().is_multiple_of(2) {
            continue;
        }
        let Some((module, option)) = module_option(&word) else { continue };
        match option.strip_prefix("blacklist=").filter(|_| module == "modprobe") {
            Some(list) => {
                found.extend(list.split(',').filter(|m| !m.is_empty()).map(|m| Word::Blacklist { module: m.to_owned() }));
            }
            None => found.push(Word::Option { module, option }),
        }
    }
    found
}

/// Module and parameter of a word; a word that is quoted as a whole gets its quotes put around the value.
fn module_option(word: &str) -> Option<(String, String)> {
    let (word, requote) = match word.strip_prefix('"') {
        Some(inner) => (inner.strip_suffix('"').unwrap_or(inner), true),
        None => (word, false),
    };
    let (module, option) = word.split_once('.')?;
    let (parameter, value) = match option.split_once('=') {
        Some((parameter, value)) => (parameter, Some(value)),
        None => (option, None),
    };
    let plain = |s: &str| !s.is_empty() && !s.contains(['"', '=', ' ', '\t']);
    if !plain(module) || !plain(parameter) || parameter.contains('.') {
        return None;
    }
    let option = match value {
        Some(value) if requote => format!("{parameter}=\"{value}\""),
        _ => option.to_owned(),
    };
    Some((module.to_owned(), option))
}

#[cfg(test)]
mod tests {
    use super::{Word, parse};

    #[test]
    fn a_blacklist_may_have_dashes() {
        let mut config = crate::config::Config::default();
        config.parse_cmdline("modprobe.blacklist=snd-hda,b");
        assert!(config.blacklisted("snd_hda").is_some() && config.blacklisted("b").is_some());
    }

    #[test]
    fn a_quote_that_is_never_closed_says_nothing() {
        let option = |option: &str| vec![Word::Option { module: "m".into(), option: option.into() }];
        assert_eq!(parse("m.a=1 m.b=\"x y\n"), option("a=1"));
        assert_eq!(parse("m.b=\"x y\"\n"), option("b=\"x y\""));
        assert_eq!(parse("\"m.b=x y"), []);
    }
}
