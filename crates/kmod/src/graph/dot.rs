//! The language of Graphviz.

use super::{Edge, Graph};

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::from("digraph modules {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for module in graph.edges.keys() {
        out.push_str(&format!("  {}{};\n", quoted(module), list(node(graph, module))));
    }
    for (module, edges) in &graph.edges {
        for edge in edges {
            out.push_str(&format!("  {} -> {}{};\n", quoted(module), quoted(&edge.to), list(line(graph, edge))));
        }
    }
    out.push_str("}\n");
    out
}

/// The attributes of a module's box. What no step is done with has a thin, broken border.
fn node(graph: &Graph, module: &str) -> Vec<String> {
    let role = graph.roles.get(module);
    let style = match role {
        _ if graph.roots.iter().any(|root| root == module) => Some("style=bold".to_owned()),
        Some(role) if !role.is_step() => Some("style=dashed".to_owned()),
        _ => None,
    };
    let label = role.map(|role| format!("label={}", quoted_lines(&[module, &role.to_string()])));
    style.into_iter().chain(label).collect()
}

/// The attributes of an edge. Plans have their reasons at it.
fn line(graph: &Graph, edge: &Edge) -> Vec<String> {
    let style = edge.kind.is_soft().then(|| "style=dashed".to_owned());
    let label = (!graph.roles.is_empty()).then(|| format!("label={}", quoted(&edge.kind.to_string())));
    style.into_iter().chain(label).collect()
}

fn list(attributes: Vec<String>) -> String {
    if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) }
}

fn quoted(text: &str) -> String {
    quoted_lines(&[text])
}

fn quoted_lines(lines: &[&str]) -> String {
    let escaped: Vec<String> = lines.iter().map(|line| line.replace('\\', "\\\\").replace('"', "\\\"")).collect();
    format!("\"{}\"", escaped.join("\\n"))
}
