//! `bartizan query`.

use super::{place, print, print_json, unanswered};
use crate::args::{Moment, QueryArgs};
use crate::failure::Failure;
use crate::render::table;
use bartizan_runtime::local::LocalError;
use bartizan_runtime::{clock, local};
use serde_json::Value;
use std::fmt::Write as _;

/// Columns of the table: labels may be long.
const WIDTH: u16 = 200;

/// Asks, and prints what came back.
pub(crate) async fn run(args: &QueryArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let now = clock::now();
    let until = args.at.map_or(now, |at: Moment| at.at(now)).as_millis() as f64 / 1000.0;
    let expr = encoded(&args.expr);
    let path = match args.over {
        None => format!("/v1/promql/query?query={expr}&time={until}"),
        Some(over) => {
            let (from, step) = (until - over.as_secs_f64(), args.step.as_secs());
            format!("/v1/promql/query_range?query={expr}&start={from}&end={until}&step={step}")
        }
    };
    let answer: Value = local::get(&data.control_socket(), &path).await.map_err(|error| match refusal(&error) {
        Some(why) => Failure::new(why),
        None => unanswered(&data, &error),
    })?;
    if args.data.json {
        return print_json(&answer["data"]);
    }
    print(&told(&answer["data"]))
}

/// What control says is wrong with the query.
fn refusal(error: &LocalError) -> Option<String> {
    let LocalError::Refused { body, .. } = error else { return None };
    Some(serde_json::from_str::<Value>(body).ok()?.get("error")?.as_str()?.to_owned())
}

fn told(data: &Value) -> String {
    let all = data["result"].as_array().map_or(&[][..], Vec::as_slice);
    let (headers, rows): (&[&str], Vec<Vec<String>>) = match data["resultType"].as_str() {
        Some("vector") => {
            (&["SERIES", "VALUE"], all.iter().map(|it| vec![series(it), text(&it["value"][1])]).collect())
        }
        Some("matrix") => (&["SERIES", "POINTS", "FIRST", "LAST", "LEAST", "MOST"], all.iter().map(over).collect()),
        _ => return format!("{}\n", text(&data["result"][1])),
    };
    if rows.is_empty() {
        return "no series fits; `bartizan metrics` shows which there are\n".to_owned();
    }
    format!("{}\n", table(headers, rows, WIDTH).trim_end())
}

fn over(it: &Value) -> Vec<String> {
    let values = it["values"].as_array().map_or(&[][..], Vec::as_slice);
    let numbers = || values.iter().filter_map(|it| Some((it[1].as_str()?, it[1].as_str()?.parse::<f64>().ok()?)));
    let least = numbers().min_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |it| it.0);
    let most = numbers().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |it| it.0);
    let ends = [values.first(), values.last()].map(|it| it.map_or_else(String::new, |it| text(&it[1])));
    let [first, last] = ends;
    vec![series(it), values.len().to_string(), first, last, least.to_owned(), most.to_owned()]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `name{label="value"}`
fn series(it: &Value) -> String {
    let Some(labels) = it["metric"].as_object() else { return "{}".to_owned() };
    let rest: Vec<String> =
        labels.iter().filter(|(name, _)| *name != "__name__").map(|(name, value)| format!("{name}={value}")).collect();
    let name = labels.get("__name__").and_then(Value::as_str).unwrap_or_default();
    if rest.is_empty() && !name.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", rest.join(", ")) }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}"); // a String takes everything
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_row_for_each_series() {
        let metric = json!({ "__name__": "x", "a": "b\"c" });
        let vector = json!({ "resultType": "vector", "result": [{ "metric": metric, "value": [1, "2.5"] }, { "metric": {}, "value": [1, "NaN"] }] });
        let told_of = told(&vector);
        assert!(told_of.contains(r#"x{a="b\"c"}"#) && told_of.contains("2.5") && told_of.contains("NaN"), "{told_of}");
        let matrix = json!({ "resultType": "matrix", "result": [{ "metric": { "__name__": "x" }, "values": [[1, "5"], [2, "-1"], [3, "4"]] }] });
        let told_of = told(&matrix);
        let row: Vec<&str> = told_of.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(row, ["x", "3", "5", "4", "-1", "5"], "{told_of}");
        assert_eq!(told(&json!({ "resultType": "scalar", "result": [1, "7"] })), "7\n");
        assert!(told(&json!({ "resultType": "vector", "result": [] })).contains("no series fits"));
        assert_eq!(encoded("a{b=\"é\"}"), "a%7bb%3d%22%c3%a9%22%7d");
    }
}
