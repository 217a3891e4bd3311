//! `modules.devname`: `MODULE NODE TYPE MAJOR:MINOR`, device nodes that may exist before their module is loaded.

use std::fmt::Write as _;

/// The first line of the file; the file is left out if it would have no other.
pub const HEADER: &str = "# Device nodes to trigger on-demand module loading.\n";

/// What the alias with the name of a node begins with.
pub(crate) const PREFIX: &str = "devname:";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevNode {
    /// The module that serves the node.
    pub module: String,
    /// Path below `/dev`.
    pub node: String,
    /// Character or block device.
    pub kind: DevKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// The type of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevKind {
    /// `c`.
    Character,
    /// `b`.
    Block,
}

impl DevKind {
    /// The letter that stands for it.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Character => 'c',
            Self::Block => 'b',
        }
    }
}

/// What the aliases of a module say about device nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAliases {
    /// No `devname:` alias.
    None,
    /// A `devname:` alias without a `char-major-M-m` or `block-major-M-m` beside it.
    NoNumbers {
        /// The name.
        node: String,
    },
    /// Both.
    Node(DevNode),
}

/// Finds the device node of a module among its aliases: the last name and the last numbers up to where there are both.
pub fn from_aliases<'a>(module: &str, aliases: impl Iterator<Item = &'a str>) -> FromAliases {
    let (mut node, mut numbers) = (None, None);
    for alias in aliases {
        if let Some(name) = alias.strip_prefix(PREFIX) {
            node = Some(name.to_owned());
        } else if let Some(rest) = alias.strip_prefix("char-major-") {
            numbers = pair(rest).map(|p| (DevKind::Character, p)).or(numbers);
        } else if let Some(rest) = alias.strip_prefix("block-major-") {
            numbers = pair(rest).map(|p| (DevKind::Block, p)).or(numbers);
        }
        if node.is_some() && numbers.is_some() {
            break;
        }
    }
    match (node, numbers) {
        (None, _) => FromAliases::None,
        (Some(node), None) => FromAliases::NoNumbers { node },
        (Some(node), Some((kind, (major, minor)))) => FromAliases::Node(DevNode { module: module.to_owned(), node, kind, major, minor }),
    }
}

/// `M-m`.
fn pair(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('-')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Appends one line.
pub fn write(out: &mut String, node: &DevNode) {
    let letter = node.kind.letter();
    let _ = writeln!(out, "{} {} {letter}{}:{}", node.module, node.node, node.major, node.minor);
}

/// What each line says; a line that says nothing of a node comes as it is. Comments and empty lines are passed over.
pub fn parse(text: &str) -> impl Iterator<Item = Result<DevNode, &str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| node(line).ok_or(line))
}

fn node(line: &str) -> Option<DevNode> {
    let mut words = line.split_ascii_whitespace();
    let (module, node, numbers) = (words.next()?, words.next()?, words.next()?);
    let kind = match numbers.chars().next()? {
        'c' => DevKind::Character,
        'b' => DevKind::Block,
        _ => return None,
    };
    let (major, minor) = numbers.get(1..)?.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    Some(DevNode { module: module.to_owned(), node: node.to_owned(), kind, major, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_of_a_module_with_several_names() {
        let found = |aliases: &[&str]| match from_aliases("m", aliases.iter().copied()) {
            FromAliases::Node(node) => format!("{} {}{}:{}", node.node, node.kind.letter(), node.major, node.minor),
            other => format!("{other:?}"),
        };
        assert_eq!(found(&["devname:a", "devname:b", "char-major-1-2", "devname:c"]), "b c1:2");
        assert_eq!(found(&["char-major-1-2", "block-major-3-4", "char-major-5-*", "devname:a", "char-major-6-7"]), "a b3:4");
        assert_eq!(found(&["char-major-1-2"]), "None");
    }
}
