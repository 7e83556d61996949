//! What people read, or programs.

use super::Plan;
use super::drive::Driven;
use serde_json::json;

/// Prints the report to standard output.
pub(super) fn print(plan: &Plan, driven: &Driven, problems: &[String]) {
    println!("{}", if plan.json { machine(driven, problems) } else { people(driven, problems) });
}

fn machine(driven: &Driven, problems: &[String]) -> String {
    json!({
        "done": driven.done,
        "declined": driven.declined,
        "refused": driven.refused,
        "unresolved": driven.unresolved.len(),
        "retries": driven.retries,
        "errors": driven.errors,
        "elapsed_s": driven.elapsed.as_secs_f64(),
        "per_second": per_second(driven),
        "latency_us": {
            "p50": percentile(&driven.latencies_us, 50.0),
            "p90": percentile(&driven.latencies_us, 90.0),
            "p99": percentile(&driven.latencies_us, 99.0),
            "max": percentile(&driven.latencies_us, 100.0),
        },
        "money_consistent": problems.is_empty(),
        "problems": problems,
    })
    .to_string()
}

fn people(driven: &Driven, problems: &[String]) -> String {
    let ms = |percent| f64::from(percentile(&driven.latencies_us, percent)) / 1000.0;
    let mut text = format!(
        "{:.0} transactions/s: {} done in {:.1} s, {} declined, {} refused, {} unresolved, {} retries\n\
         latency p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms\n",
        per_second(driven),
        driven.done,
        driven.elapsed.as_secs_f64(),
        driven.declined,
        driven.refused,
        driven.unresolved.len(),
        driven.retries,
        ms(50.0),
        ms(90.0),
        ms(99.0),
        ms(100.0),
    );
    for (error, count) in &driven.errors {
        text += &format!("{error}: {count} times\n");
    }
    match problems {
        [] => text += "money: every cent is where it should be",
        problems => text += &format!("MONEY WAS MADE OR LOST\n{}", problems.join("\n")),
    }
    text
}

fn per_second(driven: &Driven) -> f64 {
    driven.done as f64 / driven.elapsed.as_secs_f64().max(f64::EPSILON)
}

/// The smallest value that `percent` of all values do not exceed; 0 where there is none. `sorted` is.
fn percentile(sorted: &[u32], percent: f64) -> u32 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u32> = (1..=100).collect();
        for (percent, value) in [(50.0, 50), (90.0, 90), (99.0, 99), (99.5, 100), (100.0, 100), (0.0, 1)] {
            assert_eq!(percentile(&hundred, percent), value, "p{percent}");
        }
        assert_eq!(percentile(&[7], 50.0), 7);
        assert_eq!(percentile(&[], 99.0), 0);
    }
}
