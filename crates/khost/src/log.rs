//! The kernel log: a bounded ring of lines with level and time, and a console that shows the urgent ones.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// How urgent a line is: `KERN_EMERG` (0) to `KERN_DEBUG` (7) of `printk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// `KERN_ERR`.
    pub const ERR: Self = Self(3);
    /// `KERN_WARNING`, and what a message without a level has (`DEFAULT_MESSAGE_LOGLEVEL` of Linux 2.0).
    pub const WARNING: Self = Self(4);
    /// `KERN_NOTICE`.
    pub const NOTICE: Self = Self(5);
    /// `KERN_INFO`.
    pub const INFO: Self = Self(6);

    /// A level of 0 to 7; larger numbers count as 7.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(if number > 7 { 7 } else { number })
    }

    /// 0 to 7.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Takes the `<n>` off the front of a message.
    fn split(message: &str) -> (Option<Self>, &str) {
        match message.as_bytes() {
            [b'<', level @ b'0'..=b'7', b'>', ..] => (Some(Self(level - b'0')), message.get(3..).unwrap_or_default()),
            _ => (None, message),
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts from 0 over the life of the kernel.
    pub sequence: u64,
    /// How urgent.
    pub level: Level,
    /// Time since the kernel started.
    pub time: Duration,
    /// Text without a newline.
    pub text: String,
    /// The writer whose next message continues the line, where it has not been ended.
    open: Option<ThreadId>,
}

impl std::fmt::Display for Line {
    /// `[    1.234567] text`, as `dmesg` shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{:5}.{:06}] {}", self.time.as_secs(), self.time.subsec_micros(), self.text)
    }
}

/// Who is shown the urgent lines as they come.
pub type Console = Box<dyn Fn(&Line) + Send + Sync>;

/// What a line costs beside its text.
const LINE_OVERHEAD: usize = std::mem::size_of::<Line>();

/// Longest line; what follows is cut off.
const MAX_LINE: usize = 1024;

struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    next: u64,
}

/// The log.
pub struct Log {
    started: Instant,
    capacity: usize,
    console: Console,
    console_level: AtomicU8,
    ring: Mutex<Ring>,
}

impl Log {
    /// A log that keeps at most `capacity` bytes. Lines more urgent than `console_level` also go to `console`
    /// (`console_loglevel` of Linux: 8 shows everything, 1 only what is beyond hope).
    #[must_use]
    pub fn new(capacity: usize, console_level: u8, console: Console) -> Self {
        let ring = Mutex::new(Ring { lines: VecDeque::new(), bytes: 0, next: 0 });
        Self { started: Instant::now(), capacity, console, console_level: AtomicU8::new(console_level), ring }
    }

    /// Writes a message as `printk` takes it: `<n>` in front of any of its lines sets the level, which else is that of the line
    /// before, or `WARNING`. A message without a newline at its end is continued by the same thread's next one, unless that
    /// opens with a level.
    pub fn write(&self, message: &str) {
        let mut level = Level::WARNING;
        for part in message.split_inclusive('\n') {
            let (own, text) = Level::split(part);
            level = own.unwrap_or(level);
            let (text, ends) = text.strip_suffix('\n').map_or((text, false), |text| (text, true));
            self.append(level, own.is_none(), text, ends);
        }
    }

    /// Writes one whole line.
    pub fn line(&self, level: Level, text: &str) {
        for text in text.lines() {
            self.append(level, false, text, true);
        }
    }

    /// Adds to the open line of this thread, or a new line.
    fn append(&self, level: Level, may_continue: bool, text: &str, ends: bool) {
        let (writer, text) = (std::thread::current().id(), printable(text));
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let open = ring.lines.back_mut().filter(|line| may_continue && line.open == Some(writer));
        let shown = if let Some(line) = open {
            let before = line.text.len();
            line.text.push_str(&text);
            cut(&mut line.text);
            line.open = (!ends).then_some(writer);
            let (line, grown) = (line.clone(), line.text.len().saturating_sub(before));
            ring.bytes = ring.bytes.saturating_add(grown);
            line
        } else {
            let (sequence, mut text) = (ring.next, text);
            cut(&mut text);
            ring.next = sequence.saturating_add(1);
            ring.bytes = ring.bytes.saturating_add(LINE_OVERHEAD).saturating_add(text.len());
            let line = Line { sequence, level, time: self.started.elapsed(), text, open: (!ends).then_some(writer) };
            ring.lines.push_back(line.clone());
            line
        };
        while ring.bytes > self.capacity && ring.lines.len() > 1 {
            let gone = ring.lines.pop_front().map_or(0, |line| line.text.len().saturating_add(LINE_OVERHEAD));
            ring.bytes = ring.bytes.saturating_sub(gone);
        }
        drop(ring);
        if shown.open.is_none() && shown.level.number() < self.console_level.load(Ordering::Relaxed) {
            (self.console)(&shown);
        }
    }

    /// The lines that are still there, oldest first, from `sequence` on.
    #[must_use]
    pub fn lines(&self, sequence: u64) -> Vec<Line> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.lines.iter().filter(|line| line.sequence >= sequence).cloned().collect()
    }

    /// All lines as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines(0).iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// Lines more urgent than this go to the console from now on.
    pub fn set_console_level(&self, level: u8) {
        self.console_level.store(level, Ordering::Relaxed);
    }

    /// Time since the kernel started.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// The text with its control characters made visible: a module's message must not drive the reader's terminal.
fn printable(text: &str) -> String {
    if text.chars().any(|character| character.is_control() && character != '\t') {
        text.chars().fold(String::new(), |mut shown, character| {
            if character.is_control() && character != '\t' {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
            shown
        })
    } else {
        text.to_owned()
    }
}

/// Cuts a line to its greatest length, between two characters.
fn cut(text: &mut String) {
    if text.len() > MAX_LINE {
        let end = (0..=MAX_LINE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Log};
    use std::sync::{Arc, Mutex};

    fn log(capacity: usize) -> (Log, Arc<Mutex<Vec<String>>>) {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&shown);
        (Log::new(capacity, 4, Box::new(move |line| sink.lock().unwrap().push(line.text.clone()))), shown)
    }

    fn texts(log: &Log) -> Vec<(u8, String)> {
        log.lines(0).into_iter().map(|line| (line.level.number(), line.text)).collect()
    }

    #[test]
    fn levels_lines_and_continuations() {
        let (log, shown) = log(1 << 16);
        log.write("<6>one\n");
        log.write("two ");
        log.write("and a half\n<3>three\nfour\n");
        log.write("<6>five");
        log.write("<6>six\n");
        let expected = [(6, "one"), (4, "two and a half"), (3, "three"), (3, "four"), (6, "five"), (6, "six")];
        assert_eq!(texts(&log), expected.map(|(level, text)| (level, text.to_owned())));
        assert_eq!(*shown.lock().unwrap(), ["three", "four"], "the console shows what is more urgent than 4");
    }

    #[test]
    fn another_thread_does_not_continue_a_line() {
        let (log, _) = log(1 << 16);
        log.write("mine");
        std::thread::scope(|scope| {
            scope.spawn(|| log.write("theirs\n"));
        });
        log.write(" too\n");
        assert_eq!(texts(&log).len(), 3);
    }

    #[test]
    fn the_ring_forgets_the_oldest_and_stays_within_its_capacity() {
        let (log, _) = log(4096);
        for number in 0..1000 {
            log.line(Level::INFO, &format!("line {number} {}", "x".repeat(100)));
        }
        let lines = log.lines(0);
        assert!(lines.len() < 30 && lines.len() > 10, "{}", lines.len());
        assert_eq!(lines.last().unwrap().sequence, 999);
        assert_eq!(log.lines(998).len(), 2);
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_shown() {
        let (log, _) = log(1 << 16);
        log.write(&"é".repeat(1000));
        log.write("\n<6>\x1b[31mred\ttab\n");
        let texts = texts(&log);
        assert_eq!(texts[0].1.len(), 1024);
        assert_eq!(texts[1].1, "\\u{1b}[31mred\ttab");
        assert!(log.text().contains("] \\u{1b}[31mred"));
    }
}
