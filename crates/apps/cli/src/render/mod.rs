//! How numbers, times and tables look to people.

pub(crate) mod event;
pub(crate) mod explanation;
mod promotion;
pub(crate) mod rotation;
pub(crate) mod status;
pub(crate) mod waterfall;

pub(crate) use promotion::promotion;

use bartizan_core::Timestamp;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use std::time::Duration;

/// From this many columns on there are two blanks between the cells of a table.
const ROOMY: u16 = 100;
/// What is left of the second column in any case, in characters.
const SECOND_COLUMN_MIN: u16 = 8;

/// A table without frames; numbers to the right, every row one line high. Where `width` is too small, the second column
/// gives way: it holds identities, which the first one tells apart already.
pub(crate) fn table(headers: &[&str], rows: Vec<Vec<String>>, width: u16) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    let mut header = Row::from(headers.iter().copied());
    header.max_height(1);
    table.set_header(header);
    let numeric: Vec<bool> =
        (0..table.column_count()).map(|i| !rows.is_empty() && rows.iter().all(|row| is_figure(&row[i]))).collect();
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    for (at, (column, numeric)) in table.column_iter_mut().zip(numeric).enumerate() {
        column.set_padding((0, if width < ROOMY { 1 } else { 2 }));
        column.set_constraint(match at {
            1 => ColumnConstraint::LowerBoundary(Width::Fixed(SECOND_COLUMN_MIN)),
            _ => ColumnConstraint::ContentWidth,
        });
        if numeric {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn is_figure(cell: &str) -> bool {
    cell == "-" || cell.starts_with(|c: char| c.is_ascii_digit())
}

/// A rate: two digits after the point while it is small, none once it is large.
pub(crate) fn rate(per_s: f64) -> String {
    match per_s {
        r if r <= 0.0 => "0".to_owned(),
        r if r < 10.0 => format!("{r:.2}"),
        r if r < 100.0 => format!("{r:.1}"),
        r => format!("{r:.0}"),
    }
}

/// Microseconds, with a thin group separator: `1 240`.
pub(crate) fn micros(us: u64) -> String {
    grouped(us)
}

/// A whole number in groups of three digits.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Life left of something that ends.
pub(crate) fn left(span: Duration) -> String {
    match span.as_secs() {
        0 => "over".to_owned(),
        s if s < 120 => format!("{s} s"),
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 2 * 86_400 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

/// Bytes, in binary megabytes with one digit.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// A point in time in UTC, to the millisecond: `2026-08-01T12:00:00.250Z`.
pub(crate) fn utc(at: Timestamp) -> String {
    let ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    // Past the year 9999 there is no such text; a certificate may claim to be valid until then.
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "the end of time".to_owned(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!([0.0, 0.254, 9.99, 99.94, 812.4, 12_345.6].map(rate), ["0", "0.25", "9.99", "99.9", "812", "12346"]);
        assert_eq!([0, 999, 1240, 1_000_000].map(grouped), ["0", "999", "1 240", "1 000 000"]);
        let spans = [0, 95, 3540, 7200, 90_000, 200_000].map(|s| left(Duration::from_secs(s)));
        assert_eq!(spans, ["over", "95 s", "59 min", "2 h", "25 h", "2 days"]);
    }

    #[test]
    fn times_are_utc() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (u64::MAX, "the end of time"),
        ] {
            assert_eq!(utc(Timestamp::from_millis(ms)), text);
        }
    }
}
