//! The text of a trace pipe, event by event.
//!
//! The names in it come from users: a type of file system may hold blanks and line ends, so may the name of a task. A record
//! therefore counts only with the whole head that the kernel writes (`kernel/trace/trace_output.c`, `trace_print_context`), which is
//! longer than what fits into a name: a name has at most 55 bytes (`MODULE_NAME_LEN`), a task's 15, and a head with its event's name
//! has no less than 66. So nobody can forge an event of somebody else.

/// `comm` is right-aligned in this many characters, before `-PID`.
const COMM_WIDTH: usize = 16;

/// `PID` is left-aligned in this many characters.
const PID_WIDTH: usize = 7;

/// A record that is longer than this is none.
const LONGEST: usize = 1024;

/// A task asks for a module (`module:module_request`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The thread.
    pub tid: u32,
    /// Its name.
    pub comm: String,
    /// Microseconds of the trace clock.
    pub time: u64,
    /// The name that is asked for.
    pub name: String,
    /// Whether the task waits for the answer.
    pub waits: bool,
    /// The function that asks.
    pub call_site: String,
}

/// What a pipe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A request.
    Request(Event),
    /// Events were lost.
    Lost,
}

/// Takes the text of a pipe as it comes.
#[derive(Debug, Default)]
pub struct Parser {
    /// A record that has not ended: whole lines.
    open: Vec<u8>,
    /// A line that has not ended.
    line: Vec<u8>,
}

impl Parser {
    /// Takes more text, answers the events that are complete.
    pub fn feed(&mut self, text: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            let room = (LONGEST + 1).saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                seen.extend(self.line(&line));
            }
        }
        seen
    }

    /// Takes a whole line: what it means is not to depend on where the text was cut.
    fn line(&mut self, line: &[u8]) -> Option<Seen> {
        // A real head begins a new record, whatever the one before lacks.
        if Head::parse(line).is_some() || self.open.len() > LONGEST {
            self.open.clear();
        }
        if line.len() > LONGEST {
            self.open.clear();
            return None;
        }
        self.open.extend_from_slice(line);
        let seen = if is_loss(&self.open) {
            Some(Seen::Lost)
        } else if tail(&self.open).is_some() {
            request(&self.open).map(Seen::Request)
        } else {
            return None;
        };
        self.open.clear();
        seen
    }
}

/// `CPU:1 [LOST 12 EVENTS]`.
fn is_loss(record: &[u8]) -> bool {
    record.starts_with(b"CPU:") && record.trim_ascii_end().ends_with(b" EVENTS]")
}

/// The name, `wait` and `call_site` of a record that is whole: `… module_request: NAME wait=1 call_site=FUNCTION`. A function of a
/// module has that behind it: `alg_bind [af_alg]`.
fn tail(record: &[u8]) -> Option<(&[u8], bool, &str)> {
    let text = record.strip_suffix(b"\n")?;
    let at = |mark: &[u8]| text.windows(mark.len()).rposition(|window| window == mark);
    let (rest, waits, call_site) = [(b" wait=1 call_site=", true), (b" wait=0 call_site=", false)]
        .into_iter()
        .filter_map(|(mark, waits)| at(mark).map(|at| (at, at + mark.len(), waits)))
        .max()
        .and_then(|(at, end, waits)| Some((text.get(..at)?, waits, std::str::from_utf8(text.get(end..)?).ok()?)))?;
    let (function, module) = call_site.split_once(' ').unwrap_or((call_site, ""));
    let symbol = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let bracketed = module.is_empty() || (module.starts_with('[') && module.ends_with(']'));
    (!function.is_empty() && symbol(function) && symbol(module) && bracketed).then_some((rest, waits, call_site))
}

fn request(record: &[u8]) -> Option<Event> {
    let (rest, waits, call_site) = tail(record)?;
    let head = Head::parse(rest)?;
    let name = std::str::from_utf8(rest.get(head.length..)?.strip_prefix(b"module_request: ")?).ok()?;
    Some(Event { tid: head.tid, comm: head.comm, time: head.time, name: name.to_owned(), waits, call_site: call_site.to_owned() })
}

/// What stands before the name of the event.
#[derive(Debug)]
pub struct Head {
    /// The name of the task.
    pub comm: String,
    /// The thread.
    pub tid: u32,
    /// Microseconds of the trace clock.
    pub time: u64,
    /// Bytes of the head, with the blank behind its colon.
    pub length: usize,
}

impl Head {
    /// Takes the head of a record apart: `%16s-%-7d [%03d] FLAGS SECONDS.MICROSECONDS: `.
    #[must_use]
    pub fn parse(record: &[u8]) -> Option<Self> {
        // The name of a task may hold anything, blanks, dashes and brackets too: every dash far enough behind the start is tried.
        let dashes = (COMM_WIDTH..record.len().min(COMM_WIDTH + 64)).filter(|at| record.get(*at) == Some(&b'-'));
        dashes.into_iter().find_map(|dash| Self::at(record, dash))
    }

    fn at(record: &[u8], dash: usize) -> Option<Self> {
        let mut rest = Cursor { text: record, at: dash + 1 };
        let tid = rest.number()?;
        let width = rest.at - dash - 1;
        rest.blanks((PID_WIDTH.saturating_sub(width)) + 1)?;
        rest.byte(b'[')?;
        let digits = rest.at;
        rest.number()?;
        if rest.at - digits < 3 {
            return None;
        }
        rest.byte(b']')?;
        rest.byte(b' ')?;
        let flags = rest.while_is(|byte| byte.is_ascii_graphic());
        if flags < 4 {
            return None;
        }
        rest.while_is(|byte| byte == b' ');
        let seconds = rest.number()?;
        rest.byte(b'.')?;
        let digits = rest.at;
        let micros = rest.number()?;
        if rest.at - digits != 6 {
            return None;
        }
        rest.byte(b':')?;
        rest.byte(b' ')?;
        let comm = String::from_utf8_lossy(record.get(..dash)?.trim_ascii_start()).into_owned();
        let time = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
        Some(Self { comm, tid: u32::try_from(tid).ok()?, time, length: rest.at })
    }
}

/// A place in a record.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn while_is(&mut self, is: impl Fn(u8) -> bool) -> usize {
        let length = self.text.get(self.at..).unwrap_or_default().iter().take_while(|byte| is(**byte)).count();
        self.at += length;
        length
    }

    fn number(&mut self) -> Option<u64> {
        let from = self.at;
        self.while_is(|byte| byte.is_ascii_digit());
        std::str::from_utf8(self.text.get(from..self.at)?).ok()?.parse().ok()
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.text.get(self.at) == Some(&wanted)).then(|| self.at += 1)
    }

    fn blanks(&mut self, wanted: usize) -> Option<()> {
        (self.while_is(|byte| byte == b' ') == wanted).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(comm: &str, tid: u32, rest: &str) -> String {
        format!("{comm:>16}-{tid:<7} [000] .....    12.345678: {rest}\n")
    }

    fn names(text: &str) -> Vec<(u32, String)> {
        let seen = Parser::default().feed(text.as_bytes());
        let requests = seen.into_iter().filter_map(|seen| if let Seen::Request(event) = seen { Some(event) } else { None });
        requests.map(|event| (event.tid, event.name)).collect()
    }

    #[test]
    fn a_line_of_6_1_is_read_in_full() {
        let text = "            trig-88      [000] .....    12.345678: module_request: net-pf-3 wait=1 call_site=__sock_create\n";
        let wanted = Event {
            tid: 88,
            comm: "trig".to_owned(),
            time: 12_345_678,
            name: "net-pf-3".to_owned(),
            waits: true,
            call_site: "__sock_create".to_owned(),
        };
        assert_eq!(Parser::default().feed(text.as_bytes()), [Seen::Request(wanted)]);
    }

    #[test]
    fn functions_of_modules_ask_too() {
        let text = line("hash", 9, "module_request: algif-hash wait=1 call_site=alg_bind [af_alg]");
        let seen = Parser::default().feed(text.as_bytes());
        assert!(
            matches!(&seen[..], [Seen::Request(event)] if event.name == "algif-hash" && event.call_site == "alg_bind [af_alg]"),
            "{seen:?}"
        );
    }

    #[test]
    fn text_may_come_in_any_parts() {
        let text = format!(
            "{}CPU:1 [LOST 12 EVENTS]\n{}",
            line("mount", 9, "module_request: fs-vfat wait=1 call_site=get_fs_type"),
            line("a", 10, "module_request: tcp_bbr wait=0 call_site=x")
        );
        let whole = Parser::default().feed(text.as_bytes());
        assert!(matches!(whole.as_slice(), [Seen::Request(_), Seen::Lost, Seen::Request(Event { waits: false, .. })]), "{whole:?}");
        for at in 0..text.len() {
            let mut parser = Parser::default();
            let mut seen = parser.feed(&text.as_bytes()[..at]);
            seen.extend(parser.feed(&text.as_bytes()[at..]));
            assert_eq!(seen, whole, "cut at {at}");
        }
    }

    #[test]
    fn names_of_tasks_may_hold_anything() {
        for comm in ["a b-7 [000]", "x-1", "a\nb", "-", "CPU:0 [LOST", "a: b", "module_request:"] {
            let text = line(comm, 88, "module_request: net-pf-3 wait=1 call_site=f");
            assert_eq!(names(&text), [(88, "net-pf-3".to_owned())], "{comm:?}");
        }
    }

    #[test]
    fn no_name_of_55_bytes_makes_an_event_of_another_task() {
        let forged = [
            "x\n-1 [000] ..... 9.000000: module_request: fs-vfat",
            "x wait=1 call_site=f\n-1 [0] . 9.9: module_request: y",
            "x\n                -1       [000] ..... 1.000000: mod",
            "x wait=1 call_site=f\n",
            "CPU:0 [LOST 1 EVENTS]\n",
        ];
        for name in forged {
            let name = &name[..name.len().min(52)];
            let text = line("evil", 66, &format!("module_request: fs-{name} wait=1 call_site=get_fs_type"));
            let after = line("mount", 7, "module_request: fs-ext4 wait=1 call_site=get_fs_type");
            let seen = names(&format!("{text}{after}"));
            assert!(seen.iter().all(|(tid, _)| [66, 7].contains(tid)), "{name:?}: {seen:?}");
            assert!(seen.contains(&(7, "fs-ext4".to_owned())), "{name:?}: {seen:?}");
        }
    }

    /// What the fuzzer does, with numbers that are always the same: nothing panics, and every event has a head of its own.
    #[test]
    fn damaged_text_never_panics() {
        let clean = format!(
            "{}CPU:1 [LOST 12 EVENTS]\n{}",
            line("mount", 9, "module_request: fs-vfat wait=1 call_site=get_fs_type"),
            line("a", 10, "module_request: tcp_bbr wait=0 call_site=x")
        );
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..10_000 {
            let mut bytes = clean.clone().into_bytes();
            for _ in 0..=next() % 8 {
                let at = usize::try_from(next()).unwrap_or_default() % bytes.len();
                match next() % 3 {
                    0 => bytes[at] = u8::try_from(next() & 0xff).unwrap_or_default(),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b" \n-[]:=0"[usize::try_from(next() % 8).unwrap_or_default()]),
                }
            }
            let seen = Parser::default().feed(&bytes);
            assert!(seen.len() <= 8);
        }
    }
}
