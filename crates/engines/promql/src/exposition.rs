//! The text format in which metrics are exposed, as far as we write it ourselves: no moments, no exemplars.

use crate::error::Error;
use crate::labels::Labels;
use crate::matcher::Op;
use crate::number;
use crate::parse::selector;

/// The series of a page of metrics, with their values.
///
/// # Errors
/// With the line, where one is none.
pub fn read(text: &str) -> Result<Vec<(Labels, f64)>, Error> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| one(line).map_err(|why| Error::text(at, format!("line {}: {why}", at + 1)))).collect()
}

fn one(line: &str) -> Result<(Labels, f64), String> {
    let (head, value) = line.rsplit_once(' ').ok_or("a name and a value are expected")?;
    let value = number::read(value).ok_or_else(|| format!("`{value}` is no number"))?;
    let matchers = selector(head).map_err(|why| why.message)?;
    if let Some(it) = matchers.iter().find(|it| it.op != Op::Is) {
        return Err(format!("`{it}` is no label"));
    }
    Ok((matchers.iter().map(|it| (&*it.name, &*it.value)).collect(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_page() {
        for text in ["up", "up x", "up{a!=\"b\"} 1", "up{a=\"b} 1", "{} 1", "up 1 2"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_labels_as_they_are_escaped() {
        let page = "# HELP x y\n# TYPE x counter\nx{from=\"a\\\"} 1\\nevil 2\\\\\",to=\"b\"} 3\n\nx 4.5\n";
        let read = read(page).unwrap();
        assert_eq!(read[0], (Labels::new("x", [("from", "a\"} 1\nevil 2\\"), ("to", "b")]), 3.0));
        assert_eq!(read[1], (Labels::new("x", []), 4.5));
    }
}
