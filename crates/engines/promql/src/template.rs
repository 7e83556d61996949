//! Texts of rules with what an alert says put in: `{{ $labels.service }}`, `{{ $value | humanize }}`.

use crate::labels::Labels;

/// A text, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Label(String),
    Value(Form),
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Humanize,
    Percentage,
    Duration,
}

impl Template {
    /// Reads a text. Of the language of Prometheus' templates it has labels, the value, and three ways to write that.
    ///
    /// # Errors
    /// With what stands between braces and is something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once("{{") {
            let (inner, after) = behind.split_once("}}").ok_or_else(|| format!("`{{{{{behind}` does not end"))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(part(inner.trim()).ok_or_else(|| {
                format!(
                    "`{{{{{inner}}}}}`: only `$labels.NAME`, `$value`, and `$value` with `humanize`, `humanizePercentage` or \
                     `humanizeDuration` can stand here"
                )
            })?);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The text for an alert with these labels and this value. A label that it has not is empty.
    pub fn fill(&self, labels: &Labels, value: f64) -> String {
        let one = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Label(name) => labels.get(name).to_owned(),
            Part::Value(form) => written(*form, value),
        };
        self.0.iter().map(one).collect()
    }
}

fn part(inner: &str) -> Option<Part> {
    if let Some(name) = inner.strip_prefix("$labels.") {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return is_name.then(|| Part::Label(name.to_owned()));
    }
    let mut words = inner.split('|').map(str::trim);
    let form = match (words.next()?, words.next(), words.next()) {
        ("$value", None, _) => Form::Plain,
        ("$value", Some("humanize"), None) => Form::Humanize,
        ("$value", Some("humanizePercentage"), None) => Form::Percentage,
        ("$value", Some("humanizeDuration"), None) => Form::Duration,
        _ => return None,
    };
    Some(Part::Value(form))
}

fn written(form: Form, value: f64) -> String {
    match form {
        Form::Plain => plain(value),
        Form::Humanize => scaled(value),
        Form::Percentage => format!("{}%", short(value * 100.0)),
        Form::Duration => duration(value),
    }
}

/// The shortest digits that read back, with an exponent for the very large and small.
fn plain(value: f64) -> String {
    if value != 0.0 && value.is_finite() && !(1e-4..1e21).contains(&value.abs()) {
        return exponent(&format!("{value:e}"));
    }
    crate::number::write(value)
}

/// `1e-7` as `1e-07`.
fn exponent(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// Four digits that count.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return crate::number::write(value);
    }
    let text = format!("{value:.3e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or_default();
    if (-4..4).contains(&power) {
        let decimals = usize::try_from(3 - power).unwrap_or_default();
        return stripped(&format!("{value:.decimals$}")).to_owned();
    }
    exponent(&format!("{}e{power}", stripped(digits)))
}

fn stripped(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

const LARGE: [&str; 9] = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 9] = ["", "m", "u", "n", "p", "f", "a", "z", "y"];

fn scaled(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return short(value);
    }
    let (mut value, mut at) = (value, 0);
    if value.abs() >= 1.0 {
        while value.abs() >= 1000.0 && at + 1 < LARGE.len() {
            (value, at) = (value / 1000.0, at + 1);
        }
        return format!("{}{}", short(value), LARGE[at]);
    }
    while value.abs() < 1.0 && at + 1 < SMALL.len() {
        (value, at) = (value * 1000.0, at + 1);
    }
    format!("{}{}", short(value), SMALL[at])
}

fn duration(value: f64) -> String {
    if value.abs() < 1.0 || !value.is_finite() {
        return format!("{}s", scaled(value));
    }
    let (sign, whole) = (if value < 0.0 { "-" } else { "" }, value.abs() as u64);
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", short(value.abs())),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in [
            "{{ $value",
            "{{ range query \"up\" }}",
            "{{ $labels }}",
            "{{ $value | printf \"%d\" }}",
            "{{ $externalLabels.a }}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_prometheus_writes_them() {
        let fill = |text: &str, value: f64| Template::parse(text).unwrap().fill(&Labels::new("", [("a", "b")]), value);
        assert_eq!(fill("{{ $labels.a }}{{$labels.none}}: {{ $value }}", 0.1 + 0.2), "b: 0.30000000000000004");
        assert_eq!(fill("{{ $value }}", 1e21), "1e+21");
        for (value, humanized) in [
            (0.0, "0"),
            (1234.5678, "1.235k"),
            (-1e6, "-1M"),
            (0.02, "20m"),
            (999.96, "1000"),
            (1e30, "1e+06Y"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(fill("{{ $value | humanize }}", value), humanized, "{value}");
        }
        assert_eq!(fill("{{ $value | humanizePercentage }}", 0.123456), "12.35%");
        for (value, humanized) in [
            (0.0, "0s"),
            (0.012, "12ms"),
            (59.999, "60s"),
            (61.0, "1m 1s"),
            (-3661.0, "-1h 1m 1s"),
            (2_592_000.0, "30d 0h 0m 0s"),
        ] {
            assert_eq!(fill("{{ $value | humanizeDuration }}", value), humanized, "{value}");
        }
    }
}
