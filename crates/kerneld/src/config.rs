//! The configuration file: the classic words, and programs as `key=PATH`; one a line, `#` begins a comment. Read at start and at
//! SIGHUP; the command line wins over it.

use std::path::PathBuf;

use crate::{Word, WordError};

/// Longest configuration file in bytes: a device or a wrong file is not read for ever.
pub const MAX_CONFIG: u64 = 64 << 10;

/// What a file says; `None` where it is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `keep`, `debug`, `delay=`.
    pub words: Vec<Word>,
    /// `modprobe=`.
    pub modprobe: Option<PathBuf>,
    /// `request-route=`.
    pub request_route: Option<PathBuf>,
    /// `blanker=`.
    pub blanker: Option<PathBuf>,
    /// `root=`.
    pub root: Option<PathBuf>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// More than [`MAX_CONFIG`] bytes.
    TooLong,
    /// Neither a word nor a `key=` that is known.
    Word {
        /// Which line, from 1.
        line: usize,
        /// Why.
        error: WordError,
    },
    /// `type=`, which holds for the life of a daemon and belongs on the command line.
    Fixed {
        /// Which line, from 1.
        line: usize,
    },
    /// A path that does not begin with `/`.
    Relative {
        /// Which line, from 1.
        line: usize,
        /// The path.
        path: PathBuf,
    },
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than {MAX_CONFIG} bytes"),
            Self::Word { line, error } => write!(f, "line {line}: {error}"),
            Self::Fixed { line } => write!(f, "line {line}: `type=` holds for the life of a daemon; say it on the command line"),
            Self::Relative { line, path } => write!(f, "line {line}: `{}` does not begin with `/`", path.display()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Reads the text of a configuration file.
///
/// # Errors
/// [`ConfigError`] for the first line that makes no sense.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let program = match content.split_once('=') {
            Some(("modprobe", path)) => Some((&mut config.modprobe, path)),
            Some(("request-route", path)) => Some((&mut config.request_route, path)),
            Some(("blanker", path)) => Some((&mut config.blanker, path)),
            Some(("root", path)) => Some((&mut config.root, path)),
            _ => None,
        };
        match program {
            Some((_, path)) if !path.starts_with('/') => return Err(ConfigError::Relative { line, path: path.into() }),
            Some((place, path)) => *place = Some(path.into()),
            None => match content.parse() {
                Ok(Word::Type(_)) => return Err(ConfigError::Fixed { line }),
                Ok(word) => config.words.push(word),
                Err(error) => return Err(ConfigError::Word { line, error }),
            },
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::{Config, ConfigError, parse};
    use crate::{Delay, Word, WordError};

    #[test]
    fn a_file_holds_words_and_programs() {
        let config = parse("# idle\ndelay=180 # as in the book\n\n keep\nmodprobe=/opt/modprobe\nrequest-route=/etc/route\n").unwrap();
        let words = vec![Word::Delay(Delay::from_seconds(180).unwrap()), Word::Keep];
        let (modprobe, request_route) = (Some("/opt/modprobe".into()), Some("/etc/route".into()));
        assert_eq!(config, Config { words, modprobe, request_route, ..Config::default() });
    }

    #[test]
    fn an_error_names_its_line() {
        assert_eq!(parse("keep\ntype=2"), Err(ConfigError::Fixed { line: 2 }));
        assert_eq!(parse("\nblanker=bin/x"), Err(ConfigError::Relative { line: 2, path: "bin/x".into() }));
        let error = WordError::Unknown { word: "modules=/x".into() };
        assert_eq!(parse("modules=/x"), Err(ConfigError::Word { line: 1, error }));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(keep|debug|delay=|type=|root=|/|#|=|\n|[ -~]|\\PC){0,40}") {
            if let Ok(config) = parse(&text) {
                let lines = text.lines().count();
                proptest::prop_assert!(config.words.len() <= lines);
            }
        }
    }
}
