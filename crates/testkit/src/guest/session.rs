//! Sessions: commands for a guest's shell, and what has to come of each. A session is a text like a terminal's:
//!
//! ```text
//! # a heading
//! $ rmmod nosuch
//! ? 1
//! > not currently loaded
//! ```
//!
//! `$` begins a command; `? N` is its exit status (0 where it is not given); `>` is a text that its output has to contain, `!` one that it
//! must not contain; `=` lines are its whole output. Outputs are standard output and standard error as they come.

use super::{Archive, Run};

/// The commands in their order.
#[derive(Clone, Debug, Default)]
pub struct Session {
    steps: Vec<Step>,
}

/// One command, and what has to come of it.
#[derive(Clone, Debug, Default)]
struct Step {
    heading: Option<String>,
    command: String,
    status: i32,
    contains: Vec<String>,
    lacks: Vec<String>,
    whole: Vec<String>,
}

/// What came of a command.
#[derive(Clone, Debug)]
struct Done {
    status: i32,
    output: String,
}

/// What begins and ends an output on the console.
const BEGIN: &str = "@@BEGIN ";
const END: &str = "@@END ";

/// The shell's own applets come before the path in Debian's busybox: functions make the names mean the tools under test.
const SHADOWED: &[&str] = &["insmod", "rmmod", "lsmod", "modprobe", "depmod", "modinfo"];

impl Session {
    /// Reads a session.
    ///
    /// # Panics
    /// Where a line begins with none of the marks, or comes before the first command.
    #[must_use]
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let mut heading = None;
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let (mark, rest) = line.split_at_checked(1).expect("a mark");
            let rest = rest.strip_prefix(' ').unwrap_or(rest).to_owned();
            match (mark, steps.last_mut()) {
                ("#", _) => heading = Some(rest),
                ("$", _) => steps.push(Step { heading: heading.take(), command: rest, ..Step::default() }),
                ("?", Some(step)) => step.status = rest.parse().unwrap_or_else(|_| panic!("no status: {line}")),
                (">", Some(step)) => step.contains.push(rest),
                ("!", Some(step)) => step.lacks.push(rest),
                ("=", Some(step)) => step.whole.push(rest),
                _ => panic!("not a line of a session: {line}"),
            }
        }
        Self { steps }
    }

    /// Puts the commands into an initramfs, and answers the script that runs them all.
    #[must_use]
    pub fn script(&self, archive: &mut Archive) -> String {
        let functions: String = SHADOWED.iter().map(|tool| format!("{tool}() {{ /sbin/{tool} \"$@\"; }}\n")).collect();
        // Only what would end the machine may mix with the outputs.
        let mut script = "dmesg -n 1\n".to_owned();
        for (at, step) in self.steps.iter().enumerate() {
            archive.file(&format!("steps/{at}.sh"), 0o644, format!("{functions}{}\n", step.command).as_bytes());
            script.push_str(&format!(
                "sh /steps/{at}.sh >/steps/out 2>&1; rc=$?; echo; echo '{BEGIN}{at}'; cat /steps/out; echo; echo \"{END}{at} $rc\"\n"
            ));
        }
        script
    }

    /// A transcript of the run, and how it differs from what the session promises.
    #[must_use]
    pub fn judge(&self, run: &Run) -> (String, Vec<String>) {
        let mut transcript = String::new();
        let mut differences = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            if let Some(heading) = &step.heading {
                transcript.push_str(&format!("\n== {heading}\n"));
            }
            transcript.push_str(&format!("$ {}\n", step.command));
            let Some(done) = outcome(&run.console, at) else {
                differences.push(format!("`{}` did not come to its end; the console:\n{}", step.command, run.console));
                break;
            };
            let newline = if done.output.is_empty() || done.output.ends_with('\n') { "" } else { "\n" };
            transcript.push_str(&format!("{}{newline}", done.output));
            if let Some(difference) = step.difference(&done) {
                differences.push(format!("$ {}\n{}[status {}]\n{difference}", step.command, done.output, done.status));
            }
        }
        if differences.is_empty() && run.status != Some(0) {
            differences.push(format!("the guest ended with {:?}; the console:\n{}", run.status, run.console));
        }
        (transcript, differences)
    }

    /// Checks a run.
    ///
    /// # Panics
    /// With all differences, where there are any.
    #[track_caller]
    pub fn check(&self, run: &Run) {
        let (_, differences) = self.judge(run);
        assert!(differences.is_empty(), "{} of {} steps differ:\n\n{}", differences.len(), self.steps.len(), differences.join("\n\n"));
    }
}

impl Step {
    /// What is not as promised.
    fn difference(&self, done: &Done) -> Option<String> {
        let mut wrong = Vec::new();
        if done.status != self.status {
            wrong.push(format!("the status should be {}", self.status));
        }
        wrong.extend(self.contains.iter().filter(|text| !done.output.contains(*text)).map(|text| format!("there should be: {text}")));
        wrong.extend(self.lacks.iter().filter(|text| done.output.contains(*text)).map(|text| format!("there should not be: {text}")));
        let whole = self.whole.join("\n");
        if !self.whole.is_empty() && done.output.trim_end() != whole {
            wrong.push(format!("the output should be:\n{whole}"));
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    }
}

/// What the console shows of one command.
fn outcome(console: &str, at: usize) -> Option<Done> {
    let (_, rest) = console.split_once(&format!("\n{BEGIN}{at}\n"))?;
    let (output, rest) = rest.split_once(&format!("\n{END}{at} "))?;
    let status = rest.lines().next()?.trim().parse().ok()?;
    Some(Done { status, output: output.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{Run, Session};

    fn run(console: &str) -> Run {
        Run { status: Some(0), console: console.to_owned(), marks: Vec::new() }
    }

    const TEXT: &str = "# first\n$ lsmod\n> fat\n! ext4\n\n$ false\n? 1\n= a\n= b\n";

    #[test]
    fn a_run_as_promised_has_no_differences() {
        let seen = run("\n@@BEGIN 0\nfat 1\n\n@@END 0 0\n\n@@BEGIN 1\na\nb\n\n@@END 1 1\n");
        let (transcript, differences) = Session::parse(TEXT).judge(&seen);
        assert_eq!(differences, Vec::<String>::new());
        assert_eq!(transcript, "\n== first\n$ lsmod\nfat 1\n$ false\na\nb\n");
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let session = Session::parse(TEXT);
        for (console, wanted) in [
            ("\n@@BEGIN 0\nvfat ext4\n@@END 0 0\n\n@@BEGIN 1\na\nb\n@@END 1 1\n", "should not be: ext4"),
            ("\n@@BEGIN 0\nnone\n@@END 0 0\n\n@@BEGIN 1\na\nb\n@@END 1 1\n", "should be: fat"),
            ("\n@@BEGIN 0\nfat\n@@END 0 3\n\n@@BEGIN 1\na\nb\n@@END 1 1\n", "status should be 0"),
            ("\n@@BEGIN 0\nfat\n@@END 0 0\n\n@@BEGIN 1\na\n@@END 1 1\n", "output should be"),
            ("\n@@BEGIN 0\nfat\n@@END 0 0\n\n@@BEGIN 1\na\n", "did not come to its end"),
        ] {
            let (_, differences) = session.judge(&run(console));
            assert!(differences.len() == 1 && differences[0].contains(wanted), "{wanted}: {differences:?}");
        }
    }
}
