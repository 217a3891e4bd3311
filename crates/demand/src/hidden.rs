//! Characters that do not show as themselves: on a terminal they move the cursor, turn the direction of a line, or are not seen at all.
//! Names of programs, units and devices are chosen by those whom a record is about, so that none of them may hold any.

/// Characters that are not control characters (`char::is_control`) and are hidden all the same: Unicode's categories Cf, Zl and Zp as far
/// as they lie below the tags, which end the table.
const HIDDEN: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{e0000}', '\u{e007f}'),
];

/// Whether a character does not show as itself.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control() || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// A text with the numbers of hidden characters in their places.
///
/// ```
/// assert_eq!(demand::clean("a\nb\u{1b}[2J \u{202e}ü"), "a\\nb\\u{1b}[2J \\u{202e}ü");
/// ```
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}
