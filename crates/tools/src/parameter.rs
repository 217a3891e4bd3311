//! Parameters of modules on a command line.

/// Linux parts parameters at blanks: a value that has some gets double quotes around it, `a=b c` becomes `a="b c"`. One that has quotes of
/// its own stays: whoever wrote them knows of this.
pub(crate) fn quoted(word: &str) -> String {
    match word.split_once('=') {
        Some((name, value)) if value.contains(|c: char| c.is_ascii_whitespace()) && !value.contains('"') => format!("{name}=\"{value}\""),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_with_blanks_are_quoted_once() {
        for (word, wanted) in [
            ("a=b", "a=b"),
            ("a=b c", "a=\"b c\""),
            ("a=b\tc", "a=\"b\tc\""),
            ("a='b c'", "a=\"'b c'\""),
            ("a=\"b c\"", "a=\"b c\""),
            ("a=b\"c d\"", "a=b\"c d\""),
            ("\"a=b c\"", "\"a=b c\""),
            ("flag", "flag"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
