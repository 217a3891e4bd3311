//! The classic arguments of kerneld(8): plain words without dashes.

use crate::{Delay, Served};

/// One word of the command line or of the configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// `keep`: never unload.
    Keep,
    /// `delay=SECONDS`.
    Delay(Delay),
    /// `type=N`.
    Type(Served),
    /// `debug`.
    Debug,
}

/// A word that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordError {
    /// No such word.
    Unknown {
        /// What stood there.
        word: String,
    },
    /// `delay=` without a number from 1 to 2³¹ − 1.
    Delay {
        /// What stood there.
        value: String,
    },
    /// `type=` without a number of 32 bits.
    Type {
        /// What stood there.
        value: String,
    },
}

impl std::fmt::Display for WordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { word } => write!(f, "`{word}` is none of `keep`, `delay=SECONDS`, `type=N`, `debug`"),
            Self::Delay { value } => {
                write!(f, "`delay={value}`: the delay is a number of seconds, at least 1 (`keep` turns the timer off)")
            }
            Self::Type { value } => write!(f, "`type={value}`: the type is a number, such as 2 for requests to load a module"),
        }
    }
}

impl std::error::Error for WordError {}

impl std::str::FromStr for Word {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word.split_once('=') {
            None if word == "keep" => Ok(Self::Keep),
            None if word == "debug" => Ok(Self::Debug),
            Some(("delay", value)) => Delay::parse(value).map(Self::Delay).ok_or_else(|| WordError::Delay { value: value.to_owned() }),
            Some(("type", value)) => {
                value.parse().map(|number| Self::Type(Served::new(number))).map_err(|_| WordError::Type { value: value.to_owned() })
            }
            _ => Err(WordError::Unknown { word: word.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Word, WordError};
    use crate::{Delay, Served};

    #[test]
    fn words_are_those_of_the_man_page() {
        assert_eq!("keep".parse(), Ok(Word::Keep));
        assert_eq!("debug".parse(), Ok(Word::Debug));
        assert_eq!("delay=180".parse(), Ok(Word::Delay(Delay::from_seconds(180).unwrap())));
        assert_eq!("type=6".parse(), Ok(Word::Type(Served::new(6))));
        assert_eq!("type=-255".parse(), Ok(Word::Type(Served::default())));
    }

    #[test]
    fn other_words_are_errors_that_name_them() {
        assert_eq!("nosysv".parse::<Word>(), Err(WordError::Unknown { word: "nosysv".into() }));
        assert_eq!("keep=1".parse::<Word>(), Err(WordError::Unknown { word: "keep=1".into() }));
        assert_eq!("delay".parse::<Word>(), Err(WordError::Unknown { word: "delay".into() }));
        assert_eq!("delay=0".parse::<Word>(), Err(WordError::Delay { value: "0".into() }));
        assert_eq!("type=all".parse::<Word>(), Err(WordError::Type { value: "all".into() }));
        assert!(WordError::Unknown { word: "nosysv".into() }.to_string().contains("`nosysv`"));
    }
}
