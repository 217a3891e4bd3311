//! `modules.order`: paths in the order of the kernel's makefiles, which ranks modules that serve one alias.

use std::collections::HashMap;

/// The rank of each listed path, without the ending of a compression; the first line of a path counts.
#[must_use]
pub fn parse(text: &str) -> HashMap<&str, usize> {
    let mut ranks = HashMap::new();
    for (rank, path) in text.lines().enumerate() {
        ranks.entry(path.trim_end()).or_insert(rank);
    }
    ranks
}
