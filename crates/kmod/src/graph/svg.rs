//! A picture: columns from left to right, each module one column behind the last module that needs it.

use std::collections::{BTreeMap, VecDeque};

use super::{EdgeKind, Graph};

/// Height of a row and of a box, width of a letter and gap between columns, in pixels.
const ROW: usize = 34;
const BOX: usize = 22;
const LETTER: usize = 8;
const GAP: usize = 70;
const MARGIN: usize = 12;

struct Place {
    x: usize,
    y: usize,
    width: usize,
}

pub(super) fn draw(graph: &Graph) -> String {
    let places = places(graph);
    let right = places.values().map(|p| p.x + p.width).max().unwrap_or(0) + MARGIN;
    let bottom = places.values().map(|p| p.y + BOX).max().unwrap_or(0) + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right}\" height=\"{bottom}\" font-family=\"monospace\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (module, edges) in &graph.edges {
        for edge in edges {
            if let (Some(from), Some(to)) = (places.get(module.as_str()), places.get(edge.to.as_str())) {
                out.push_str(&line(from, to, edge.kind));
            }
        }
    }
    for (module, place) in &places {
        let fill = if graph.roots.iter().any(|r| r == module) { "#cfe3ff" } else { "#f2f2f2" };
        let (x, y, width) = (place.x, place.y, place.width);
        out.push_str(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX}\" rx=\"4\" fill=\"{fill}\" stroke=\"#555\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>\n",
            x + LETTER,
            y + 15,
            escaped(module)
        ));
    }
    out.push_str("</svg>\n");
    out
}

fn line(from: &Place, to: &Place, kind: EdgeKind) -> String {
    let (x1, y1, x2, y2) = (from.x + from.width, from.y + BOX / 2, to.x, to.y + BOX / 2);
    let dashes = if kind == EdgeKind::Softdep { " stroke-dasharray=\"4 3\"" } else { "" };
    let (bend1, bend2) = (x1 + GAP / 2, x2.saturating_sub(GAP / 2));
    format!("<path d=\"M{x1} {y1} C{bend1} {y1} {bend2} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#888\"{dashes}/>\n")
}

/// Puts each module into its column and row.
fn places(graph: &Graph) -> BTreeMap<&str, Place> {
    let columns = columns(graph);
    let last = columns.values().copied().max().unwrap_or(0);
    let mut places = BTreeMap::new();
    let mut x = MARGIN;
    for column in 0..=last {
        let members: Vec<&str> = columns.iter().filter(|(_, c)| **c == column).map(|(m, _)| *m).collect();
        let width = members.iter().map(|m| m.chars().count() * LETTER + 2 * LETTER).max().unwrap_or(0);
        for (row, module) in members.into_iter().enumerate() {
            places.insert(module, Place { x, y: MARGIN + row * ROW, width });
        }
        x += width + GAP;
    }
    places
}

/// The column of each module: at first the length of the shortest way to it from where the graph begins, then moved right until symbols
/// are needed only from the left. Softdeps may form circles, so they move nothing; and no way is longer than there are modules.
fn columns(graph: &Graph) -> BTreeMap<&str, usize> {
    let mut columns: BTreeMap<&str, usize> = graph.roots.iter().map(|m| (m.as_str(), 0)).collect();
    let mut waiting: VecDeque<&str> = graph.roots.iter().map(String::as_str).collect();
    while let Some(module) = waiting.pop_front() {
        let next = columns.get(module).copied().unwrap_or(0) + 1;
        for edge in graph.needs(module) {
            columns.entry(&edge.to).or_insert_with(|| {
                waiting.push_back(&edge.to);
                next
            });
        }
    }
    for _ in 0..graph.edges.len() {
        let mut moved = false;
        for (module, edges) in &graph.edges {
            let next = columns.get(module.as_str()).copied().unwrap_or(0) + 1;
            for edge in edges.iter().filter(|e| e.kind == EdgeKind::Symbols) {
                let column = columns.entry(edge.to.as_str()).or_insert(0);
                if *column < next && next < graph.edges.len() {
                    (*column, moved) = (next, true);
                }
            }
        }
        if !moved {
            break;
        }
    }
    columns
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
