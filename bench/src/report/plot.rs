//! A plot with two logarithmic axes, written as SVG by hand: lines over sizes.

use std::fmt::Write as _;

use crate::error::{Error, Result};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 240.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
/// Colours that stay apart for colour-blind readers (the palette of Okabe and Ito), and two greys.
const COLOURS: [&str; 9] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999", "#8c6d31"];

/// One line of a plot.
#[derive(Debug, Clone)]
pub struct Series {
    /// The text in the legend.
    pub name: String,
    /// Points, both coordinates above zero; others are left out.
    pub points: Vec<(f64, f64)>,
}

/// A plot of several lines.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Above the plot.
    pub title: String,
    /// Below the horizontal axis.
    pub across: String,
    /// Beside the vertical axis.
    pub up: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// A logarithmic axis: decades from `low` to `high`, drawn from `from` to `to`.
#[derive(Debug, Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logs = values.map(f64::log10);
        let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
        if low > high {
            return Self { low: 0.0, high: 1.0, from, to };
        }
        let (low, high) = ((low + 1e-9).floor(), (high - 1e-9).ceil());
        Self { low, high: high.max(low + 1.0), from, to }
    }

    fn place(self, value: f64) -> f64 {
        self.from + (value.log10() - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn decades(self) -> impl Iterator<Item = f64> {
        std::iter::successors(Some(self.low), |log| Some(log + 1.0))
            .take_while(move |log| *log <= self.high + 1e-9)
            .map(|log| 10_f64.powf(log))
    }
}

impl Plot {
    /// Writes the plot as `NAME.svg` to [`folder`](super::folder).
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, name: &str) -> Result<()> {
        let folder = super::folder();
        let path = folder.join(name).with_extension("svg");
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, self.svg()));
        written.map_err(|source| Error::File { path, source })
    }

    /// The SVG document.
    #[must_use]
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| drawable(&series.points));
        let x = Axis::over(points().map(|(x, _)| x), LEFT, WIDTH - RIGHT);
        let y = Axis::over(points().map(|(_, y)| y), HEIGHT - BOTTOM, TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        text(&mut svg, (LEFT, 28.0), "font-size=\"16\"", &self.title);
        grid(&mut svg, x, y);
        text(&mut svg, ((x.from + x.to) / 2.0, HEIGHT - 16.0), "text-anchor=\"middle\"", &self.across);
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 20 {})\"", HEIGHT / 2.0);
        text(&mut svg, (20.0, HEIGHT / 2.0), &turned, &self.up);
        for (index, (series, colour)) in self.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            line(&mut svg, (x, y), series, colour);
            let at = (WIDTH - RIGHT + 20.0, TOP + 14.0 + 20.0 * index as f64);
            text(&mut svg, at, &format!("fill=\"{colour}\""), &format!("\u{2014} {}", series.name));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn drawable(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    points.iter().copied().filter(|(x, y)| *x > 0.0 && *y > 0.0)
}

fn grid(svg: &mut String, x: Axis, y: Axis) {
    for value in x.decades() {
        let at = x.place(value);
        rule(svg, (at, y.from), (at, y.to));
        text(svg, (at, y.from + 18.0), "text-anchor=\"middle\"", &value.to_string());
    }
    for value in y.decades() {
        let at = y.place(value);
        rule(svg, (x.from, at), (x.to, at));
        text(svg, (x.from - 6.0, at + 4.0), "text-anchor=\"end\"", &value.to_string());
    }
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    append(
        svg,
        format_args!("<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>\n", from.0, from.1, to.0, to.1),
    );
}

fn line(svg: &mut String, (x, y): (Axis, Axis), series: &Series, colour: &str) {
    append(svg, format_args!("<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\""));
    for point in drawable(&series.points) {
        append(svg, format_args!("{:.1},{:.1} ", x.place(point.0), y.place(point.1)));
    }
    svg.push_str("\"/>\n");
    for point in drawable(&series.points) {
        let (cx, cy) = (x.place(point.0), y.place(point.1));
        append(svg, format_args!("<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{colour}\"/>\n"));
    }
}

fn text(svg: &mut String, at: (f64, f64), attributes: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    append(svg, format_args!("<text x=\"{:.1}\" y=\"{:.1}\" {attributes}>{words}</text>\n", at.0, at.1));
}

fn append(svg: &mut String, what: std::fmt::Arguments<'_>) {
    let written = svg.write_fmt(what);
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_their_logarithms_say() {
        let series = Series { name: "a < b".to_owned(), points: vec![(100.0, 1.0), (10_000.0, 100.0), (5.0, 0.0)] };
        let plot = Plot { title: String::new(), across: String::new(), up: String::new(), series: vec![series] };
        let svg = plot.svg();
        assert!(svg.contains("points=\"80.0,460.0 620.0,50.0 \""), "{svg}");
        assert!(svg.contains("a &lt; b"));
        assert_eq!(svg.matches("<circle").count(), 2, "a point without a logarithm is left out");
    }

    #[test]
    fn an_empty_plot_is_still_a_document() {
        let plot = Plot { title: "t".to_owned(), across: String::new(), up: String::new(), series: Vec::new() };
        assert!(plot.svg().starts_with("<svg") && plot.svg().ends_with("</svg>\n"));
    }
}
