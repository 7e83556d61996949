//! Queries: what is read prints back to the same, is answered within bounds, and over a range as at its moments.
#![no_main]

use bartizan_promql::{Memory, Range, instant, notation, parse, range};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = notation::series("up", text, 0, 1000);
    let Ok(expr) = parse(text) else { return };
    let printed = expr.to_string();
    // No number is equal to itself where it is none.
    if let Ok(again) = parse(&printed) {
        assert_eq!(again.to_string(), printed);
    } else {
        assert!(printed.len() > text.len(), "{printed}");
    }
    let series = ["up{job=\"a\"}", "up{job=\"b\"}", "a", "b{le=\"1\"}", "b{le=\"+Inf\"}"];
    let all = series.iter().filter_map(|it| notation::series(it, "1+2x10 stale 4 3 2", 0, 15_000).ok());
    let source = Memory(all.collect());
    let at_ms = 170_000;
    let one = instant(&expr, &source, at_ms);
    let many = range(&expr, &source, Range { from_ms: at_ms, until_ms: at_ms, step_ms: 1 });
    if many.is_ok() {
        assert!(one.is_ok());
    }
});
