//! Writing output.

use std::io::Write;

use serde::Serialize;

use crate::error::Error;

/// Writes bytes.
pub(super) fn bytes(output: &mut dyn Write, bytes: &[u8]) -> Result<(), Error> {
    output.write_all(bytes).and_then(|()| output.flush()).map_err(|error| Error::Output { error })
}

/// Writes a line.
pub(super) fn line(output: &mut dyn Write, text: &str) -> Result<(), Error> {
    bytes(output, format!("{text}\n").as_bytes())
}

/// Writes a value as JSON, on lines of its own.
pub(super) fn json<T: Serialize + ?Sized>(output: &mut dyn Write, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Output { error: error.into() })?;
    line(output, &text)
}

/// Writes rows under headings, each column as wide as its widest cell; the columns in `right` (by number) are flush right.
pub(super) fn table(output: &mut dyn Write, headings: &[&str], right: &[usize], rows: &[Vec<String>]) -> Result<(), Error> {
    let heading: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in all() {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    bytes(output, text.as_bytes())
}

/// A name that cannot drive a terminal: control characters become `?`, as `ls` shows them.
pub(super) fn name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

/// A time in seconds since 1970 as `YYYY-MM-DD HH:MM`, in UTC.
pub(super) fn time(seconds: i64) -> String {
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days: eras of 400 years, which begin in March.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", of_day / 3600, of_day / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::{name, table, time};

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (951_868_800, "2000-03-01 00:00"),
            (315_532_800, "1980-01-01 00:00"),
            (4_107_542_399, "2100-02-28 23:59"),
            (-86_400, "1969-12-31 00:00"),
        ] {
            assert_eq!(time(seconds), expected);
        }
    }

    #[test]
    fn tables_line_up_and_names_are_harmless() {
        let mut output = Vec::new();
        table(&mut output, &["NAME", "SIZE"], &[1], &[vec!["a".into(), "1".into()], vec!["longer".into(), "12345".into()]]).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "NAME     SIZE\na           1\nlonger  12345\n");
        assert_eq!(name(b"a\x1b[31m\n\xff"), "a?[31m?\u{fffd}");
    }
}
