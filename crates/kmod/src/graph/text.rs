//! A tree of lines. A module that stands in several places has its own needs shown only in the first.

use std::collections::BTreeSet;

use super::{Edge, Graph};

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::new();
    let mut shown = BTreeSet::new();
    for root in &graph.roots {
        out.push_str(root);
        let role = graph.roles.get(root).map(|role| format!(": {role}"));
        out.push_str(&role.unwrap_or_default());
        out.push('\n');
        if shown.insert(root.as_str()) {
            below(graph, root, "", &mut shown, &mut out);
        }
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
        let note = note(graph, edge, !new && has_more);
        let (branch, rest) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        out.push_str(&format!("{indent}{branch}{}{note}\n", edge.to));
        if new {
            stack.extend(children(&edge.to, format!("{indent}{rest}")));
        }
    }
}

/// What stands behind the name of a module that is needed; `again` if what it needs itself is shown further up.
fn note(graph: &Graph, edge: &Edge, again: bool) -> String {
    let mut words = Vec::new();
    let role = graph.roles.get(&edge.to);
    match role {
        Some(role) => words.extend([role.to_string(), edge.kind.to_string()]),
        None if edge.kind.is_soft() => words.push("softdep".to_owned()),
        None => {}
    }
    words.extend(again.then(|| "see above".to_owned()));
    let words = words.join(", ");
    match role {
        Some(_) => format!(": {words}"),
        None if words.is_empty() => words,
        None => format!(" ({words})"),
    }
}
