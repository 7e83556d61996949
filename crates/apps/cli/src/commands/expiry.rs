//! `bartizan expiry`.

mod ical;

use super::{place, print, print_json, unanswered};
use crate::args::ExpiryArgs;
use crate::failure::Failure;
use crate::render::{left, table, utc};
use bartizan_core::rotation::Forecast;
use bartizan_runtime::local;
use std::time::Duration;

/// Columns of the table: it ends with a sentence, which no terminal is wide enough for anyway.
const WIDTH: u16 = u16::MAX;

/// Prints what runs out, the earliest first.
pub(crate) async fn run(args: &ExpiryArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let forecast: Forecast =
        local::get(&data.control_socket(), "/v1/expiry").await.map_err(|error| unanswered(&data, &error))?;
    let forecast = within(forecast, args.within);
    match () {
        () if args.data.json => print_json(&forecast),
        () if args.ical => print(&ical::text(&forecast)),
        () => print(&told(&forecast)),
    }
}

fn within(mut forecast: Forecast, span: Option<Duration>) -> Forecast {
    let now = forecast.now;
    forecast.items.retain(|it| span.is_none_or(|span| it.at.since(now) <= span));
    forecast
}

fn told(forecast: &Forecast) -> String {
    if forecast.items.is_empty() {
        return "nothing runs out in that time\n".to_owned();
    }
    let row = |it: &bartizan_core::rotation::Expiring| {
        let renewed = it.renewed_by.clone().unwrap_or_else(|| "nobody".to_owned());
        let danger = if it.in_danger { "!" } else { "" };
        let due = it.due.map_or_else(|| "-".to_owned(), utc);
        let left = left(it.at.since(forecast.now));
        let text = [danger, &it.what, &it.name, &utc(it.since), &due, &left, &utc(it.at), &renewed, &it.breaks];
        text.map(str::to_owned).to_vec()
    };
    let headers = ["", "WHAT", "NAME", "SINCE", "DUE", "LEFT", "UNTIL", "RENEWED BY", "WHAT BREAKS THEN"];
    let danger = forecast.items.iter().filter(|it| it.in_danger).count();
    let rows = forecast.items.iter().map(row).collect();
    format!("{}\n{danger} in danger\n", table(&headers, rows, WIDTH).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::rotation::Expiring;

    #[test]
    fn marks_what_is_in_danger_and_leaves_out_what_is_far() {
        let item = |name: &str, at: u64, in_danger| Expiring {
            what: "svid".to_owned(),
            name: name.to_owned(),
            since: Timestamp::from_secs(500),
            due: Some(Timestamp::from_secs(at - 50)),
            at: Timestamp::from_secs(at),
            renewed_by: Some("its proxy, at half life".to_owned()),
            in_danger,
            breaks: "it is refused".to_owned(),
        };
        let items = vec![item("near", 1_100, true), item("far", 900_000, false)];
        let forecast = Forecast { now: Timestamp::from_secs(1_000), items };
        let all = told(&forecast);
        assert!(all.contains("near") && all.contains("far") && all.contains("1 in danger"), "{all}");
        assert!(all.lines().any(|line| line.starts_with('!') && line.contains("near")), "{all}");
        let near = told(&within(forecast.clone(), Some(Duration::from_secs(100))));
        assert!(near.contains("near") && !near.contains("far"), "{near}");
        assert!(told(&within(forecast, Some(Duration::ZERO))).contains("nothing"));
    }
}
