//! The language of Graphviz.

use super::{EdgeKind, Graph};

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::from("digraph modules {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for module in graph.edges.keys() {
        let bold = if graph.roots.contains(module) { " [style=bold]" } else { "" };
        out.push_str(&format!("  {}{bold};\n", quoted(module)));
    }
    for (module, edges) in &graph.edges {
        for edge in edges {
            let style = if edge.kind == EdgeKind::Softdep { " [style=dashed]" } else { "" };
            out.push_str(&format!("  {} -> {}{style};\n", quoted(module), quoted(&edge.to)));
        }
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
