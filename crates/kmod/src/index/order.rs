//! `modules.order`: paths in the order of the kernel's makefiles, which ranks modules that serve one alias.

use std::collections::HashMap;

/// The rank of each listed path, without the ending of a compression; the last line of a path counts.
#[must_use]
pub fn parse(text: &str) -> HashMap<&str, usize> {
    text.lines().enumerate().map(|(rank, path)| (path.trim_end(), rank)).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn of_a_path_that_is_listed_twice_the_last_line_counts() {
        let ranks = parse("kernel/a.ko\nkernel/b.ko \nkernel/a.ko\n");
        assert!(ranks["kernel/b.ko"] < ranks["kernel/a.ko"]);
    }
}
