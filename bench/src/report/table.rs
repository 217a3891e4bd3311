//! The table for people.

use std::fmt;

use super::{Report, Row};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.bench)?;
        let cells: Vec<[String; 5]> = self.rows.iter().map(cells).collect();
        let width = |column: usize| cells.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
        let (name, value, unit, goal) = (width(0), width(1), width(2), width(3));
        for [a, b, c, d, e] in &cells {
            let line = format!("  {a:name$}  {b:value$}  {c:unit$}  {d:goal$}  {e}");
            writeln!(f, "{}", line.trim_end())?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  * {note}"))
    }
}

fn cells(row: &Row) -> [String; 5] {
    let goal = row.goal.map_or(String::new(), |bound| format!("{} {bound}", row.sign));
    let met = match row.met {
        Some(true) => "met",
        Some(false) => "NOT MET",
        None => "",
    };
    [row.name.clone(), number(row.value), row.unit.to_owned(), goal, met.to_owned()]
}

/// Three significant digits, or all of them before the point.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
