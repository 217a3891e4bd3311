//! A picture: columns from left to right, each module one column behind the last module that needs it.

use std::collections::{BTreeMap, VecDeque};

use super::{Edge, EdgeKind, Graph, Role};

/// Width of a letter of names and of remarks, and the margin, in pixels.
const LETTER: usize = 8;
const SMALL_LETTER: usize = 6;
const MARGIN: usize = 12;

/// No more letters of a remark are shown; all of it is in the title that viewers show under the pointer.
const REMARK: usize = 40;

/// Sizes in pixels: height of a row and of a box, and gap between columns.
struct Sizes {
    row: usize,
    height: usize,
    gap: usize,
}

/// Boxes with a name, and those of a plan: with a remark under it, and words at the edges.
const PLAIN: Sizes = Sizes { row: 34, height: 22, gap: 70 };
const PLANNED: Sizes = Sizes { row: 52, height: 38, gap: 120 };

struct Place {
    x: usize,
    y: usize,
    width: usize,
}

pub(super) fn draw(graph: &Graph) -> String {
    let sizes = if graph.roles.is_empty() { &PLAIN } else { &PLANNED };
    let places = places(graph, sizes);
    let right = places.values().map(|p| p.x + p.width).max().unwrap_or(0) + MARGIN;
    let bottom = places.values().map(|p| p.y + sizes.height).max().unwrap_or(0) + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right}\" height=\"{bottom}\" font-family=\"monospace\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (module, edges) in &graph.edges {
        for edge in edges {
            if let (Some(from), Some(to)) = (places.get(module.as_str()), places.get(edge.to.as_str())) {
                out.push_str(&line(from, to, edge, graph, sizes));
            }
        }
    }
    for (module, place) in &places {
        out.push_str(&node(graph, module, place, sizes));
    }
    out.push_str("</svg>\n");
    out
}

/// A module's box. What no step is done with has a broken border.
fn node(graph: &Graph, module: &str, place: &Place, sizes: &Sizes) -> String {
    let role = graph.roles.get(module);
    let fill = if graph.roots.iter().any(|r| r == module) { "#cfe3ff" } else { "#f2f2f2" };
    let border = if role.is_none_or(Role::is_step) { "" } else { " stroke-dasharray=\"4 3\"" };
    let Place { x, y, width } = place;
    let (text_x, text_y, height) = (x + LETTER, y + 15, sizes.height);
    let name = escaped(module);
    let mut out = format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"{fill}\" stroke=\"#555\"{border}/>\
         <text x=\"{text_x}\" y=\"{text_y}\">{name}</text>\n"
    );
    if let Some(role) = role {
        let role = role.to_string();
        out.push_str(&remark(text_x, text_y + 16, "start", &short(&role), &role));
    }
    out
}

fn line(from: &Place, to: &Place, edge: &Edge, graph: &Graph, sizes: &Sizes) -> String {
    let half = sizes.height / 2;
    let (x1, y1, x2, y2) = (from.x + from.width, from.y + half, to.x, to.y + half);
    let dashes = if edge.kind.is_soft() { " stroke-dasharray=\"4 3\"" } else { "" };
    let (bend1, bend2) = (x1 + sizes.gap / 2, x2.saturating_sub(sizes.gap / 2));
    let mut out = format!("<path d=\"M{x1} {y1} C{bend1} {y1} {bend2} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#888\"{dashes}/>\n");
    if !graph.roles.is_empty() {
        // Three quarters along the curve, where those that begin together have parted.
        let (x, y) = ((x1 + 9 * bend1 + 27 * (bend2 + x2)) / 64, (10 * y1 + 54 * y2) / 64);
        out.push_str(&remark(x, y, "middle", edge.kind.word(), &edge.kind.to_string()));
    }
    out
}

/// A few small words, and all of them under the pointer.
fn remark(x: usize, y: usize, anchor: &str, shown: &str, full: &str) -> String {
    let (shown, full) = (escaped(shown), escaped(full));
    format!("<text x=\"{x}\" y=\"{y}\" font-size=\"10\" fill=\"#333\" text-anchor=\"{anchor}\">{shown}<title>{full}</title></text>\n")
}

/// The first letters of a remark.
fn short(remark: &str) -> String {
    if remark.chars().count() <= REMARK {
        return remark.to_owned();
    }
    remark.chars().take(REMARK - 1).chain(['…']).collect()
}

/// Puts each module into its column and row.
fn places<'g>(graph: &'g Graph, sizes: &Sizes) -> BTreeMap<&'g str, Place> {
    let columns = columns(graph);
    let last = columns.values().copied().max().unwrap_or(0);
    let mut places = BTreeMap::new();
    let mut x = MARGIN;
    for column in 0..=last {
        let members: Vec<&str> = columns.iter().filter(|(_, c)| **c == column).map(|(m, _)| *m).collect();
        let width = members.iter().map(|m| width(graph, m)).max().unwrap_or(0);
        for (row, module) in members.into_iter().enumerate() {
            places.insert(module, Place { x, y: MARGIN + row * sizes.row, width });
        }
        x += width + sizes.gap;
    }
    places
}

/// The width of a module's box.
fn width(graph: &Graph, module: &str) -> usize {
    let remark = graph.roles.get(module).map_or(0, |role| short(&role.to_string()).chars().count() * SMALL_LETTER);
    (module.chars().count() * LETTER).max(remark) + 2 * LETTER
}

/// The column of each module: at first the length of the shortest way to it from where the graph begins, then moved right until symbols
/// are needed only from the left. Softdeps may form circles, so they move nothing, but for those that a plan has put in an order; and no
/// way is longer than there are modules.
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
            for edge in edges.iter().filter(|edge| moves(graph, module, edge)) {
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

/// Whether what is needed has to stand to the right of the module that needs it.
fn moves(graph: &Graph, module: &str, edge: &Edge) -> bool {
    let number = |module: &str| match graph.roles.get(module) {
        Some(Role::Step { number, .. }) => Some(*number),
        _ => None,
    };
    match &edge.kind {
        EdgeKind::Symbols => true,
        EdgeKind::SoftdepPre { .. } => number(&edge.to).zip(number(module)).is_some_and(|(to, from)| to < from),
        _ => false,
    }
}

/// As XML takes it: no marks of its own, and no control characters.
fn escaped(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;")
}
