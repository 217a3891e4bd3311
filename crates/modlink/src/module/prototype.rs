//! The checksum of an export's prototype (genksyms, version 2, without the expansion of types).

use alloc::vec::Vec;

use crc32fast::Hasher;

/// Storage classes, which say nothing about how a symbol is used.
const STORAGE: [&str; 8] = ["extern", "static", "register", "auto", "inline", "__inline", "__inline__", "__extension__"];

/// Words that qualify a type without being one.
const QUALIFIERS: [&str; 6] = ["const", "volatile", "restrict", "__restrict", "signed", "unsigned"];

/// Words that are types by themselves.
const TYPES: [&str; 8] = ["void", "char", "short", "int", "long", "float", "double", "_Bool"];

/// Words before the name of a type.
const TAGGED: [&str; 3] = ["struct", "union", "enum"];

/// The CRC-32 of a declaration: over every token followed by one blank, without storage classes, attributes and the
/// names of parameters. `extern int foo;` and `int foo` have the same one. Types count by their names: what a `struct`
/// holds counts only if the text says it.
#[must_use]
pub fn prototype_crc(prototype: &str) -> u32 {
    let mut hasher = Hasher::new();
    for token in essential(&tokens(prototype)) {
        hasher.update(token.as_bytes());
        hasher.update(b" ");
    }
    hasher.finalize()
}

/// The tokens of C text: words and numbers, literals, `...`, and single marks.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let size = match first {
            '"' | '\'' => literal(rest, first),
            '.' if rest.starts_with("...") => 3,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at_checked(size).unwrap_or((rest, ""));
        tokens.push(token);
        rest = tail.trim_start();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The size of the literal that starts `text` with `quote`.
fn literal(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at.saturating_add(c.len_utf8()),
            _ => {}
        }
    }
    text.len()
}

/// How far a declaration has been read at one depth of parentheses.
#[derive(Clone, Copy)]
struct Scope {
    /// In a list of parameters, whose names do not count.
    parameters: bool,
    /// The type has been read, so that the next word is the name.
    typed: bool,
    /// The word before was `struct`, `union` or `enum`.
    tag: bool,
}

/// The tokens that count.
fn essential<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let mut kept: Vec<&str> = Vec::with_capacity(tokens.len());
    let mut outer: Vec<Scope> = Vec::new();
    let mut scope = Scope { parameters: false, typed: false, tag: false };
    let mut tokens = tokens.iter().copied().peekable();
    // Whether the token before is one behind which a parenthesis opens parameters: a name or `)`.
    let mut named = false;
    while let Some(token) = tokens.next() {
        match token {
            // The end of the declaration; within braces, that of a member.
            ";" if tokens.peek().is_none() => continue,
            ";" => scope.typed = false,
            "__attribute__" | "__attribute" => {
                skip_parentheses(&mut tokens);
                continue;
            }
            _ if STORAGE.contains(&token) => continue,
            "(" => {
                outer.push(scope);
                if named {
                    scope = Scope { parameters: true, typed: false, tag: false };
                }
            }
            ")" => {
                // What a parenthesis opened ends with it; then a declarator has been read.
                scope = outer.pop().unwrap_or(scope);
                scope.typed = true;
                named = true;
                kept.push(token);
                continue;
            }
            "{" => {
                outer.push(scope);
                scope = Scope { parameters: false, typed: false, tag: false };
            }
            "}" => {
                scope = outer.pop().unwrap_or(scope);
                scope.typed = true;
            }
            "," => scope = Scope { typed: false, tag: false, ..scope },
            _ if token.starts_with(is_word) => {
                let name = take_word(&mut scope, token);
                named = name;
                if name && scope.parameters {
                    continue;
                }
                kept.push(token);
                continue;
            }
            _ => {}
        }
        named = false;
        kept.push(token);
    }
    kept
}

/// Reads a word; true if it is the declared name and no part of the type.
fn take_word(scope: &mut Scope, word: &str) -> bool {
    if core::mem::take(&mut scope.tag) {
        scope.typed = true;
        return false;
    }
    if TAGGED.contains(&word) {
        scope.tag = true;
        return false;
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    match word {
        // `unsigned` and `signed` are complete types too: a name may follow.
        "unsigned" | "signed" => scope.typed = true,
        _ if QUALIFIERS.contains(&word) => {}
        _ if TYPES.contains(&word) => scope.typed = true,
        _ if scope.typed => return true,
        _ => scope.typed = true,
    }
    false
}

/// Skips one balanced pair of parentheses and what is between.
fn skip_parentheses<'a>(tokens: &mut core::iter::Peekable<impl Iterator<Item = &'a str>>) {
    let mut depth = 0_u32;
    while let Some(token) = tokens.next_if(|&token| depth > 0 || token == "(") {
        depth = match token {
            "(" => depth.saturating_add(1),
            ")" => depth.saturating_sub(1),
            _ => depth,
        };
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::prototype_crc;

    #[test]
    fn declarations_have_the_checksums_of_genksyms() {
        for (prototype, crc) in [
            ("int foo", 0xa4b0_40f0),
            ("extern int foo;", 0xa4b0_40f0),
            ("static inline int foo __attribute__((unused));", 0xa4b0_40f0),
            ("int arr[10][20]", 0x73d3_cb71),
            // With their types expanded already.
            ("int f(struct s { int a; } *);", 0xc816_ed79),
            ("int f(struct s { struct s *next; int a; } *one, struct s *two);", 0xe25f_cc25),
            ("typedef unsigned long ul g(const char *, ul, ...);", 0x1484_ba29),
            ("int h(struct u { UNKNOWN } *)", 0x8e73_cc6b),
            ("enum e { A, B = 3, C } k", 0xea76_66ea),
        ] {
            assert_eq!(prototype_crc(prototype), crc, "{prototype}");
        }
    }

    #[test]
    fn names_of_parameters_do_not_count() {
        for (one, other) in [
            ("int f(const char *s, size_t n, ...)", "int f(const char *, size_t, ...)"),
            ("void g(unsigned long flags)", "void g(unsigned long)"),
            ("void g(unsigned n)", "void g(unsigned)"),
            ("int h(struct inode *inode, struct file *)", "int h(struct inode *, struct file *)"),
            ("int irq(int (*handler)(int irq, void *data), void *data)", "int irq(int (*)(int, void *), void *)"),
            ("int k(char buf[16])", "int k(char [16])"),
        ] {
            assert_eq!(prototype_crc(one), prototype_crc(other), "{one}");
        }
    }

    #[test]
    fn types_and_the_name_count() {
        for (one, other) in [
            ("int f(int)", "int f(long)"),
            ("int f(int)", "int g(int)"),
            ("int f(ul)", "int f(ull)"),
            ("int f(struct a *)", "int f(struct b *)"),
            ("int f(void)", "int f(void *)"),
            ("int f(const ul)", "int f(ul)"),
        ] {
            assert_ne!(prototype_crc(one), prototype_crc(other), "{one}");
        }
    }
}
