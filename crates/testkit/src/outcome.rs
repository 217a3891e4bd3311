//! What a program that was run had to say.

/// The end of a run: status and both outputs.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end, with an empty standard input.
    ///
    /// # Panics
    /// Where the program cannot be started.
    #[must_use]
    pub fn of(command: &mut std::process::Command) -> Self {
        let text = format!("{command:?}");
        let output = command.stdin(std::process::Stdio::null()).output().unwrap_or_else(|error| panic!("cannot run {text}: {error}"));
        Self {
            command: text,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Itself, where the program ended well.
    ///
    /// # Panics
    /// Where it did not.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Itself, where the program ended with this code.
    ///
    /// # Panics
    /// Where it did not.
    #[must_use]
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ended with {:?}\nstdout: {}\nstderr: {}", self.command, self.code, self.stdout, self.stderr)
    }
}
