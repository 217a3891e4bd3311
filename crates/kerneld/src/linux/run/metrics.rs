//! The numbers in the text form of Prometheus (exposition format 0.0.4), for a socket and a file.

use std::fmt::{Display, Write as _};
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use demand::Mode;

use super::engine::Engine;
use super::kernels::Kernels;
use super::status::Birth;
use super::tally::{BOUNDS, Durations};
use crate::linux::control::Until;

/// How long somebody who asks may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// All numbers as text.
pub(crate) fn text<K: Kernels>(engine: &Engine<K>, birth: &Birth, busy: usize) -> String {
    let status = birth.status(engine);
    let numbers = engine.tally().numbers();
    let mut text = Text::default();
    text.head("kerneld_requests_total", "counter", "Requests for modules, by class, verdict and result.");
    for count in &status.requests {
        let verdict = serde_json::to_string(&count.verdict).unwrap_or_default();
        let labels = format!("class=\"{}\",verdict={verdict},result=\"{}\"", count.class, count.result.word());
        text.line("kerneld_requests_total", &labels, count.requests);
    }
    for (name, about, value) in [
        ("kerneld_denials_total", "Requests that the rules deny, in force or not.", status.denials),
        ("kerneld_modules_loaded_total", "Modules that were put into the kernel.", status.modules),
        ("kerneld_unknown_requesters_total", "Requests whose requester could not be found.", status.unknown_requesters),
        ("kerneld_messages_refused_total", "Messages that were not understood or not allowed.", status.refused),
        ("kerneld_helper_decisions_total", "Requests that helpers decided without the daemon.", status.journal.from_helpers),
        ("kerneld_journal_records_total", "Lines written to the journal.", status.journal.journal.written),
        ("kerneld_journal_counted_total", "Requests counted in the line of another.", status.journal.journal.counted),
        (
            "kerneld_journal_lost_total",
            "Requests without a line in the journal.",
            status.journal.journal.lost.saturating_add(status.journal.overrun).saturating_add(status.journal.lost_by_helpers),
        ),
    ] {
        text.head(name, "counter", about);
        text.line(name, "", value);
    }
    for (name, about, value) in [
        ("kerneld_enforcing", "1 in mode enforce.", u64::from(status.summary.mode == Mode::Enforce)),
        (
            "kerneld_policy_valid",
            "0 while the policy's files cannot be used and an older policy is in force.",
            u64::from(status.policy.fault.is_none()),
        ),
        (
            "kerneld_policy_compiled",
            "0 while helpers have an older policy than the daemon.",
            u64::from(status.policy.compile_fault.is_none()),
        ),
        (
            "kerneld_asked",
            "0 while kernel.modprobe, which was the helper of kerneld, is another program.",
            u64::from(!status.asked_elsewhere),
        ),
        ("kerneld_policy_rules", "Rules of the policy in force.", count(status.policy.rules)),
        ("kerneld_grants", "Temporary grants that count now.", count(status.grants)),
        ("kerneld_tracing", "1 where requesters are told by the kernel's trace event.", u64::from(status.tracing_fault.is_none())),
        ("kerneld_loading", "Loads that are under way.", count(status.loading)),
        ("kerneld_workers_busy", "Requests that are being served.", count(busy)),
        ("kerneld_journal_waiting", "Lines that wait for the disk.", status.journal.journal.waiting),
        ("kerneld_uptime_seconds", "Seconds since the daemon started.", status.summary.uptime),
    ] {
        text.head(name, "gauge", about);
        text.line(name, "", value);
    }
    text.head("kerneld_request_duration_seconds", "histogram", "From the arrival of a request to its answer.");
    text.histogram("kerneld_request_duration_seconds", "work=\"decided\"", &numbers.decided);
    text.histogram("kerneld_request_duration_seconds", "work=\"loaded\"", &numbers.carried);
    text.0
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, about: &str) {
        // Writing to a text does not fail.
        let _ = write!(self.0, "# HELP {name} {about}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, labels: &str, durations: &Durations) {
        for (bound, within) in BOUNDS.iter().zip(durations.within) {
            self.line(&format!("{name}_bucket"), &format!("{labels},le=\"{}\"", seconds(*bound)), within);
        }
        self.line(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), durations.count);
        self.line(&format!("{name}_sum"), labels, seconds(durations.microseconds));
        self.line(&format!("{name}_count"), labels, durations.count);
    }
}

/// Microseconds as seconds, without rounding.
fn seconds(microseconds: u64) -> String {
    let text = format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Answers one HTTP request, whatever it asks for, with the numbers.
pub(crate) fn answer(connection: &UnixStream, text: &str) -> io::Result<()> {
    let mut request = [0; 4096];
    // What is asked does not matter; a client that only reads is answered too.
    let _ = Until::after(connection, PATIENCE).read(&mut request);
    let mut connection = Until::after(connection, PATIENCE);
    let head = format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n", text.len());
    connection.write_all(head.as_bytes())?;
    connection.write_all(text.as_bytes())
}

/// Writes the numbers as a file for the textfile collector of a node exporter: whole or not at all. Whoever may read the file that is there
/// may read the new one; the first one is for everybody, since a collector has a user of its own.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mode = std::fs::metadata(path).map_or(0o644, |about| about.permissions().mode() & 0o777);
    // Collectors read files that end in `.prom` only.
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)?;
    std::fs::set_permissions(&beside, Permissions::from_mode(mode))?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_with_a_user_of_its_own_can_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kerneld.prom");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        // As under a umask that leaves nothing to others.
        std::fs::write(path.with_extension("new"), "").unwrap();
        std::fs::set_permissions(path.with_extension("new"), Permissions::from_mode(0o600)).unwrap();
        write(&path, "a 1\n").unwrap();
        assert_eq!((mode(), std::fs::read_to_string(&path).unwrap().as_str()), (0o644, "a 1\n"));
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write(&path, "a 2\n").unwrap();
        assert_eq!(mode(), 0o640, "who may read it is the administrator's to say");
    }

    #[test]
    fn durations_are_exact() {
        for (microseconds, text) in [(0, "0"), (50, "0.00005"), (1_000_000, "1"), (60_000_000, "60"), (1_500_000, "1.5")] {
            assert_eq!(seconds(microseconds), text);
        }
    }
}
