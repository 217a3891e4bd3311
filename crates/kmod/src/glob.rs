//! `fnmatch(3)` with no flags, for aliases such as `pci:v00008086d*sv*sd*bc03sc[0-9]*i*`.
//!
//! `*` and `?` match slashes and leading dots too; `[...]` takes ranges, `!` or `^` and the named classes of POSIX; a backslash takes
//! the next character literally; a `[` that is never closed is an ordinary character.

use crate::text;

/// Whether `text` as a whole matches `pattern`. They are compared byte by byte, those that are no text among them (see [`text`]).
///
/// Takes at most `pattern.len() * text.len()` steps: only the last `*` is ever retried, which is enough because a later star can
/// always absorb what an earlier one would have.
///
/// ```
/// use kmod::glob::matches;
/// assert!(matches("fs-*", "fs-vfat"));
/// assert!(matches("x[[:digit:]a-c]?", "xb!"));
/// assert!(!matches("x[!0-9]", "x5"));
/// ```
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    // Most patterns are plain names, and most names are others.
    if let (Some(literal), Some(first)) = (pattern.as_bytes().first(), text.as_bytes().first())
        && literal != first
        && !b"*?[\\".contains(literal)
    {
        return false;
    }
    bytes_match(&text::to_bytes(pattern), &text::to_bytes(text))
}

fn bytes_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, t));
            p += 1;
            continue;
        }
        if let Some(next) = step(pattern, p, text[t]) {
            (p, t) = (next, t + 1);
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            (p, t) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|&c| c == b'*')
}

/// Whether `text` holds a character that makes it a pattern.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Matches one character against the pattern at `p`; the position behind what was used.
fn step(pattern: &[u8], p: usize, c: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => match bracket(pattern, p + 1, c) {
            Some((next, true)) => Some(next),
            Some((_, false)) => None,
            None => (c == b'[').then_some(p + 1),
        },
        b'\\' => match pattern.get(p + 1) {
            Some(&literal) => (literal == c).then_some(p + 2),
            None => None,
        },
        literal => (literal == c).then_some(p + 1),
    }
}

/// A bracket expression whose first character is at `p`: the position behind its `]`, and whether `c` is in it.
fn bracket(pattern: &[u8], mut p: usize, c: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(p), Some(b'!' | b'^'));
    p += usize::from(negated);
    let mut found = false;
    let mut first = true;
    loop {
        match *pattern.get(p)? {
            b']' if !first => return Some((p + 1, found != negated)),
            b'[' if pattern.get(p + 1) == Some(&b':') && class_end(pattern, p + 2).is_some() => {
                let end = class_end(pattern, p + 2)?;
                found |= in_class(&pattern[p + 2..end], c);
                p = end + 2;
            }
            _ => {
                let (low, after) = literal(pattern, p)?;
                p = after;
                let range = pattern.get(p) == Some(&b'-') && pattern.get(p + 1).is_some_and(|&e| e != b']');
                if range {
                    let (high, after) = literal(pattern, p + 1)?;
                    p = after;
                    found |= (low..=high).contains(&c);
                } else {
                    found |= low == c;
                }
            }
        }
        first = false;
    }
}

/// One character of a bracket expression, and the position behind it.
fn literal(pattern: &[u8], p: usize) -> Option<(u8, usize)> {
    match *pattern.get(p)? {
        b'\\' => Some((*pattern.get(p + 1)?, p + 2)),
        c => Some((c, p + 1)),
    }
}

/// Where the `:]` of a named class stands, looking from its name's first letter.
fn class_end(pattern: &[u8], from: usize) -> Option<usize> {
    let length = pattern.get(from..)?.iter().position(|c| !c.is_ascii_lowercase())?;
    let end = from + length;
    (pattern.get(end) == Some(&b':') && pattern.get(end + 1) == Some(&b']')).then_some(end)
}

/// The named classes of POSIX, in the C locale.
fn in_class(name: &[u8], c: u8) -> bool {
    match name {
        b"alnum" => c.is_ascii_alphanumeric(),
        b"alpha" => c.is_ascii_alphabetic(),
        b"blank" => c == b' ' || c == b'\t',
        b"cntrl" => c.is_ascii_control(),
        b"digit" => c.is_ascii_digit(),
        b"graph" => c.is_ascii_graphic(),
        b"lower" => c.is_ascii_lowercase(),
        b"print" => c.is_ascii_graphic() || c == b' ',
        b"punct" => c.is_ascii_punctuation(),
        b"space" => c.is_ascii_whitespace() || c == 0x0b,
        b"upper" => c.is_ascii_uppercase(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use crate::text;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*b*c", "axxbxxbc", true),
            ("a*b*c", "axxcxxb", false),
            ("[]a]", "]", true),
            ("[!]a]", "]", false),
            ("[a-c-]", "-", true),
            ("[^a]", "b", true),
            ("[a", "[a", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("[[:xdigit:]][[:punct:]]", "f:", true),
            ("[[:nosuch:]]", "n", false),
            ("[[:alpha]", ":", true),
            ("*a*a*a*a*a*a*a*b", &"a".repeat(3000), false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text:.20}");
        }
        for (pattern, text, expected) in [("a?", &b"a\xff"[..], true), ("a??", b"a\xff", false), ("*", b"\xff\xfe", true)] {
            assert_eq!(matches(pattern, &text::of_bytes(text)), expected, "{pattern} {text:?}");
        }
    }
}
