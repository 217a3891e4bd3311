//! A tree of lines. A module that stands in several places has its own needs shown only in the first.

use std::collections::BTreeSet;

use super::{EdgeKind, Graph};

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::new();
    let mut shown = BTreeSet::new();
    for root in &graph.roots {
        out.push_str(root);
        out.push('\n');
        shown.insert(root.as_str());
        below(graph, root, "", &mut shown, &mut out);
    }
    out
}

/// The needs of a module, each behind `indent`. Explicitly a walk over a stack: a graph may be as deep as it has modules.
fn below<'g>(graph: &'g Graph, root: &'g str, indent: &str, shown: &mut BTreeSet<&'g str>, out: &mut String) {
    let children = |module: &'g str, indent: String| {
        let edges: Vec<_> = graph.needs(module).collect();
        let last = edges.len();
        let rows = edges.into_iter().enumerate().map(move |(i, e)| (e, indent.clone(), i + 1 == last));
        rows.rev().collect::<Vec<_>>()
    };
    let mut stack = children(root, indent.to_owned());
    while let Some((edge, indent, last)) = stack.pop() {
        let new = shown.insert(&edge.to);
        let has_more = graph.needs(&edge.to).next().is_some();
        let note = match (edge.kind, !new && has_more) {
            (EdgeKind::Softdep, true) => " (softdep, see above)",
            (EdgeKind::Softdep, false) => " (softdep)",
            (EdgeKind::Symbols, true) => " (see above)",
            (EdgeKind::Symbols, false) => "",
        };
        let (branch, rest) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        out.push_str(&format!("{indent}{branch}{}{note}\n", edge.to));
        if new {
            stack.extend(children(&edge.to, format!("{indent}{rest}")));
        }
    }
}
