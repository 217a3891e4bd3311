//! insmod on the running Linux kernel, which links modules itself.

use std::path::Path;

use kmod::Error;
use kmod::error::{IoAction, errno_text, os_text};
use kmod::explain::{Reason, Refusal, explain, facts, passed_over};
use kmod::kernel::{Insert, Kernel};
use kmod::linux::log::LogMark;
use kmod::linux::{Linux, release};
use kmod::tree::Tree;
use uapi::Errno;

use super::{Insmod, fail};
use crate::console::Verbosity;
use crate::parameter::quoted;
use crate::{Console, Failed, Outcome};

impl Insmod {
    /// Options that only a hosted kernel can follow, if given.
    fn hosted_only(&self) -> Option<&'static str> {
        let options = [
            (self.name.is_some(), "-o"),
            (self.autoclean, "-k"),
            (self.map, "-m"),
            (self.noexport, "-x"),
            (self.poll, "-p"),
            (self.noload, "-n"),
        ];
        options.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }

    /// Hands the file to Linux.
    pub(super) fn insert_linux(&self, path: &Path, console: &mut Console) -> Outcome {
        if let Some(option) = self.hosted_only() {
            console.set_verbosity(Verbosity::Normal);
            return fail(console, format_args!("{option} works on a hosted kernel only (--kernel)"));
        }
        let _lock = match self.locked(path) {
            Ok(lock) => lock,
            Err(error) => return fail(console, format_args!("could not load module {}: {error}", path.display())),
        };
        let parameters: Vec<String> = self.parameters.iter().map(|word| quoted(word)).collect();
        let mut request = self.request(path);
        request.parameters = &parameters;
        // What classic insmod calls `-f` overrides releases only; Linux's tools mean both checks.
        request.force.modversion |= self.force;
        console.info(format_args!("insmod {} {}", path.display(), parameters.join(" ")));
        let log = LogMark::now();
        match insert(&request) {
            Err(error) if self.lock && error.errno() == Errno::EEXIST.number() => Ok(()),
            Err(error) => {
                console.error(message(path, &error));
                for reason in reasons(&request, &error, &log.lines()) {
                    console.error(format_args!("{}: {reason}", path.display()));
                }
                Err(Failed)
            }
            Ok(()) => {
                let log = log.lines();
                if !log.is_empty() {
                    for reason in passed_over(&log, &parameters.join(" "), &facts::of_module(path)) {
                        console.warning(format_args!("{}: {reason}", path.display()));
                    }
                }
                Ok(())
            }
        }
    }
}

/// What the file, the kernel and its log tell of a refusal by the kernel.
fn reasons(request: &Insert<'_>, error: &Error, log: &[String]) -> Vec<Reason> {
    let Error::Refused { errno, .. } = error else { return Vec::new() };
    let tree = Tree::new(Path::new("/lib/modules").join(release()));
    let parameters = request.parameters.join(" ");
    let refusal = Refusal { errno: *errno, parameters: &parameters, force: request.force, log };
    explain(&refusal, &facts::of_module(request.path), &facts::of_kernel(Some(&tree)), &tree)
}

/// `finit_module(2)`.
fn insert(request: &Insert<'_>) -> Result<(), Error> {
    Linux.insert(request).map(drop)
}

/// The message, with what an error number means for modules (`init_module(2)`).
fn message(path: &Path, error: &Error) -> String {
    let path = path.display();
    let errno = match error {
        Error::Io { action: IoAction::Open, source, .. } => return format!("could not load module {path}: {}", os_text(source)),
        Error::Refused { errno, .. } => *errno,
        other => other.errno(),
    };
    let meaning = match errno {
        number::ENOEXEC => "Invalid module format".to_owned(),
        number::ENOENT => "Unknown symbol in module".to_owned(),
        number::ESRCH => "Module has wrong symbol version".to_owned(),
        number::EINVAL => "Invalid parameters".to_owned(),
        other => errno_text(other),
    };
    format!("could not insert module {path}: {meaning}")
}

/// The numbers that mean something else for modules than their texts say (`errno(3)`).
mod number {
    pub(super) const ENOENT: i32 = 2;
    pub(super) const ESRCH: i32 = 3;
    pub(super) const ENOEXEC: i32 = 8;
    pub(super) const EINVAL: i32 = 22;
}

#[cfg(test)]
mod tests {
    use super::message;
    use kmod::Error;
    use std::path::Path;

    #[test]
    fn error_numbers_are_told_in_the_words_of_modules() {
        let told = |errno| message(Path::new("x.ko"), &Error::Refused { module: "x".into(), errno });
        for (errno, text) in [
            (8, "Invalid module format"),
            (2, "Unknown symbol in module"),
            (3, "Module has wrong symbol version"),
            (22, "Invalid parameters"),
            (17, "File exists"),
            (1, "Operation not permitted"),
        ] {
            assert_eq!(told(errno), format!("could not insert module x.ko: {text}"));
        }
    }
}
