//! Numbers as Prometheus writes and reads them.

/// A number as the answers of Prometheus have it: the shortest digits that read back, without an exponent, `NaN`, `+Inf`, `-Inf`.
pub fn write(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        format!("{value}")
    }
}

/// A number as it may stand in a query or in the text format.
pub fn read(text: &str) -> Option<f64> {
    let (sign, bare) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if let Some(hex) = bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+')).map(|it| sign * it as f64);
    }
    match bare.to_ascii_lowercase().as_str() {
        "inf" => Some(sign * f64::INFINITY),
        "nan" => Some(f64::NAN),
        // Rust reads words of its own (`infinity`), which are none here.
        lower if lower.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'-' | b'+')) => {
            bare.parse::<f64>().ok().filter(|_| !bare.starts_with(['+', '-'])).map(|it| sign * it)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_words() {
        for text in ["", "-", "+-1", "infinity", "1x", "0x", "0xg", "0x+1", "1e", "e1", "--1", "1_000"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn reads_and_writes() {
        for (text, value, written) in [
            ("1", 1.0, "1"),
            ("-0.5", -0.5, "-0.5"),
            ("1e3", 1000.0, "1000"),
            ("0x1F", 31.0, "31"),
            (".5", 0.5, "0.5"),
            ("5.", 5.0, "5"),
            ("+Inf", f64::INFINITY, "+Inf"),
            ("-inf", f64::NEG_INFINITY, "-Inf"),
            ("1e-9", 1e-9, "0.000000001"),
        ] {
            assert_eq!(read(text), Some(value), "{text}");
            assert_eq!(write(value), written);
        }
        assert!(read("NaN").is_some_and(f64::is_nan));
    }
}
