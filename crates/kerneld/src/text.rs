//! Texts of the kernel's messages, checked once where they enter. They are hostile: a user picks the file-system type of a mount
//! and the name of a network interface, and what he picks ends up in the argument list of a program that root runs.

use std::net::Ipv4Addr;

/// Longest text of a request in bytes that a helper is run for (kerneld of Linux 2.0 read so many, and cut the rest off; a text
/// cut off means something else, so a longer one is refused here).
pub const MAX_REQUEST: usize = 1024;

/// Longest name of a module or alias in bytes.
const MAX_ALIAS: usize = 255;

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextError {
    /// Nothing at all.
    Empty,
    /// Too many bytes.
    TooLong {
        /// How many there were.
        length: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A byte that the text may not hold.
    BadByte {
        /// The byte.
        byte: u8,
    },
    /// A byte that the text may not begin with (`-` would make it an option).
    BadStart {
        /// The byte.
        byte: u8,
    },
    /// Not four numbers with dots between them.
    NotAnAddress,
}

impl std::fmt::Display for TextError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { length, limit } => write!(f, "it has {length} bytes, the limit is {limit}"),
            Self::BadByte { byte } => write!(f, "it holds `{}`", byte.escape_ascii()),
            Self::BadStart { byte } => write!(f, "it begins with `{}`", byte.escape_ascii()),
            Self::NotAnAddress => f.write_str("it is not a dotted quad"),
        }
    }
}

impl std::error::Error for TextError {}

/// The name of a module, or an alias such as `block-major-2`, `net-pf-5`, `eth0:1` or `crypto-xts(aes)`: a letter, digit or `_`,
/// then those and `. + - : , ( ) @ = ~`. No `/`, no pattern, no blank, no quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleAlias(String);

impl ModuleAlias {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TextError`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, TextError> {
        within(text, MAX_ALIAS)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-:,()@=~".contains(&byte);
        if let Some(byte) = text.bytes().find(|byte| !allowed(*byte)) {
            return Err(TextError::BadByte { byte });
        }
        match text.bytes().next() {
            Some(byte) if !byte.is_ascii_alphanumeric() && byte != b'_' => Err(TextError::BadStart { byte }),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A destination that there is no route to, as a dotted quad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quad(Ipv4Addr);

impl Quad {
    /// Checks an address.
    ///
    /// # Errors
    /// [`TextError::NotAnAddress`].
    pub fn new(text: &str) -> Result<Self, TextError> {
        text.parse().map(Self).map_err(|_| TextError::NotAnAddress)
    }
}

impl std::fmt::Display for Quad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A command for the shell. What it does is the kernel's business; here it only has to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand(String);

impl ShellCommand {
    /// Checks a command: not empty, at most [`MAX_REQUEST`] bytes, no NUL.
    ///
    /// # Errors
    /// [`TextError`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, TextError> {
        within(text, MAX_REQUEST)?;
        if text.bytes().any(|byte| byte == 0) {
            return Err(TextError::BadByte { byte: 0 });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Not empty and not over the limit.
fn within(text: &str, limit: usize) -> Result<(), TextError> {
    match text.len() {
        0 => Err(TextError::Empty),
        length if length > limit => Err(TextError::TooLong { length, limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{ModuleAlias, Quad, ShellCommand, TextError};

    #[test]
    fn every_name_that_linux_2_0_asked_for_is_one() {
        for name in [
            "vfat",
            "iso9660",
            "block-major-2",
            "char-major-10-135",
            "binfmt-0064",
            "binfmt--310",
            "net-pf-5",
            "tty-ldisc-1",
            "nls_cp437",
            "nls_iso8859-1",
            "md-personality-3",
            "netalias-2",
            "scsi_hostadapter",
            "eth0",
            "eth0:1",
            "rarp",
            "dlci",
            "crypto-xts(aes)",
            "pci:v00008086d00001229sv00000000sd00000000bc02sc00i00",
        ] {
            assert_eq!(ModuleAlias::new(name).map(|alias| alias.as_str().to_owned()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn hostile_names_are_refused_with_the_reason() {
        let long = "x".repeat(256);
        let table: &[(&str, TextError)] = &[
            ("", TextError::Empty),
            ("-r", TextError::BadStart { byte: b'-' }),
            ("--config=x", TextError::BadStart { byte: b'-' }),
            (".hidden", TextError::BadStart { byte: b'.' }),
            ("../../tmp/evil.o", TextError::BadByte { byte: b'/' }),
            ("a b", TextError::BadByte { byte: b' ' }),
            ("a\nb", TextError::BadByte { byte: b'\n' }),
            ("a\0b", TextError::BadByte { byte: 0 }),
            ("a;reboot", TextError::BadByte { byte: b';' }),
            ("*", TextError::BadByte { byte: b'*' }),
            ("$(id)", TextError::BadByte { byte: b'$' }),
            ("fät", TextError::BadByte { byte: 0xc3 }),
            (&long, TextError::TooLong { length: 256, limit: 255 }),
        ];
        for (text, error) in table {
            assert_eq!(ModuleAlias::new(text), Err(*error), "{text:?}");
        }
    }

    #[test]
    fn a_route_is_asked_for_by_four_numbers() {
        assert_eq!(Quad::new("192.168.0.1").map(|quad| quad.to_string()), Ok("192.168.0.1".to_owned()));
        for bad in ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ", "-1.2.3.4", "::1", "host", "1.2.3.4;id", "010.1.1.1"] {
            assert_eq!(Quad::new(bad), Err(TextError::NotAnAddress), "{bad:?}");
        }
    }

    #[test]
    fn a_command_is_whole_or_refused() {
        assert!(ShellCommand::new("echo hi; exit 3").is_ok());
        assert_eq!(ShellCommand::new(""), Err(TextError::Empty));
        assert_eq!(ShellCommand::new("a\0b"), Err(TextError::BadByte { byte: 0 }));
        assert_eq!(ShellCommand::new(&"x".repeat(1025)), Err(TextError::TooLong { length: 1025, limit: 1024 }));
    }
}
