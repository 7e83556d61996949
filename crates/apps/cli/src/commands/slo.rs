//! `bartizan slo`.

mod objectives;
mod promotion;

use super::{place, print, print_json, unanswered};
use crate::args::{SloArgs, SloCommand};
use crate::failure::Failure;
use crate::render::{grouped, table};
use bartizan_core::indicators::{Goal, IndicatorStatus, Indicators, PlaceStatus, WindowStatus};
use bartizan_runtime::local;
use std::fmt::Write as _;

/// Columns of the table; titles are long.
const WIDTH: u16 = u16::MAX;

pub(crate) async fn run(args: &SloArgs) -> Result<(), Failure> {
    match &args.command {
        None => show(args).await,
        Some(SloCommand::Objectives(args)) => objectives::list(args).await,
        Some(SloCommand::Check(args)) => objectives::check(args),
        Some(SloCommand::Advise(args)) => objectives::advise(args).await,
        Some(SloCommand::Override(args)) => promotion::override_for(args).await,
        Some(SloCommand::Schema) => print(&bartizan_core::fleet::objectives_schema()),
    }
}

async fn show(args: &SloArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let asked: Result<Indicators, _> = local::get(&data.control_socket(), "/v1/indicators").await;
    let mut indicators = asked.map_err(|error| unanswered(&data, &error))?;
    narrow(&mut indicators, args)?;
    if args.data.json {
        return print_json(&indicators);
    }
    let mut text = rows(&indicators);
    if args.indicator.is_some() {
        indicators.indicators.iter().for_each(|it| text.push_str(&detail(it)));
    }
    print(&text)
}

fn narrow(indicators: &mut Indicators, args: &SloArgs) -> Result<(), Failure> {
    if let Some(id) = &args.indicator {
        indicators.indicators.retain(|it| it.id.eq_ignore_ascii_case(id));
        if indicators.indicators.is_empty() {
            return Err(Failure::new(format!("there is no indicator `{id}`; they are M1 to M10")));
        }
    }
    for it in &mut indicators.indicators {
        it.places.retain(|at| match &args.service {
            Some(service) => at.place == service.as_str() || at.place.ends_with(&format!(" -> {service}")),
            None => args.all || at.place == "fleet",
        });
    }
    Ok(())
}

fn rows(indicators: &Indicators) -> String {
    let rows = indicators.indicators.iter().flat_map(|it| {
        let nothing = it.places.is_empty().then(|| unmeasured(it));
        nothing.into_iter().chain(it.places.iter().map(move |at| row(it, at)))
    });
    let headers =
        ["", "INDICATOR", "WHERE", "1 H", "24 H", "30 D", "95 % SURE OF", "TARGET", "", "BUDGET LEFT", "BURNS"];
    let mut text = table(&headers, rows.collect(), WIDTH).trim_end().to_owned();
    let days = indicators.now.since(indicators.since).as_secs() / 86_400;
    let _ = write!(text, "\ncounted for {days} days"); // a String takes everything
    if indicators.left_out > 0 {
        let _ = write!(text, "; {} tallies count for the fleet alone", grouped(indicators.left_out));
    }
    text.push('\n');
    text
}

fn unmeasured(it: &IndicatorStatus) -> Vec<String> {
    let why = if it.has_source { "nothing counted yet" } else { "no source yet" };
    let mut row = vec![it.id.clone(), it.title.clone(), why.to_owned()];
    row.extend(["", "", "", "", &it.target, "", "", ""].map(str::to_owned));
    row
}

fn row(it: &IndicatorStatus, at: &PlaceStatus) -> Vec<String> {
    let window = |n: usize| at.windows.get(n).map_or_else(String::new, shown);
    let month = at.windows.last();
    let interval = month.and_then(|it| it.interval);
    let standing = match at.standing {
        Some(Goal::Met) => "met",
        Some(Goal::Missed) => "MISSED",
        None => "",
    };
    let left = at.budget.as_ref().and_then(|budget| budget.left);
    vec![
        it.id.clone(),
        it.title.clone(),
        at.place.clone(),
        window(0),
        window(1),
        month.map_or_else(String::new, shown),
        interval.map_or_else(String::new, |(low, high)| format!("{} to {} %", percent(low), percent(high))),
        at.target.clone().unwrap_or_else(|| it.target.clone()),
        standing.to_owned(),
        left.map_or_else(String::new, |left| format!("{:.0} %", (left * 100.0).max(-999.0))),
        told(at),
    ]
}

/// Whom it concerns, where it burns.
fn told(at: &PlaceStatus) -> String {
    let alight = at.burns.iter().filter(|burn| burn.alight);
    // The first pairs are the urgent ones.
    alight.take(1).map(|burn| format!("{} ({} h)", burn.urgency, burn.long_s / 3600)).collect()
}

fn shown(window: &WindowStatus) -> String {
    match window.share {
        Some(share) => format!("{} %", percent(share)),
        None if window.bad > 0 => grouped(window.bad),
        None => "-".to_owned(),
    }
}

/// With four digits behind the point, and no more than there are: what is not whole never reads as 100.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let cut = if share < 1.0 { percent.min(99.9999) } else { percent };
    let text = format!("{cut:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn detail(it: &IndicatorStatus) -> String {
    let of = it.denominator.as_ref().map_or_else(String::new, |all| format!("\n  of       {all}"));
    let mut text = format!("\n{} {}\n  counts   {}{of}\n", it.id, it.title, it.numerator);
    for at in &it.places {
        text.push_str(&beside(at));
        let Some(budget) = &at.budget else { continue };
        let _ = writeln!(
            text,
            "  {}: {} bad of {:.1} that {} days may have",
            at.place,
            grouped(budget.used),
            budget.allowed,
            budget.window_s / 86_400
        );
        for burn in &at.burns {
            let rate = burn.rate.map_or_else(|| "nothing counted".to_owned(), |rate| format!("burns {rate:.1} times"));
            let told = if burn.alight { "  <- now" } else { "" };
            let _ = writeln!(
                text,
                "    {:>2} h (and {:>3} min)  {rate}, {} from {} on{told}",
                burn.long_s / 3600,
                burn.short_s / 60,
                burn.urgency,
                burn.limit
            );
        }
    }
    text
}

/// What is counted apart, and where it leads.
fn beside(at: &PlaceStatus) -> String {
    let mut text = String::new();
    for part in &at.parts {
        let counted = part.windows.iter().map(|window| grouped(if window.all > 0 { window.all } else { window.bad }));
        let counted: Vec<_> =
            counted.zip(["1 h", "24 h", "7 d", "30 d"]).map(|(n, of)| format!("{n} in {of}")).collect();
        let _ = writeln!(text, "  {}: {}, apart: {}", at.place, part.part, counted.join(", "));
    }
    for (days, trend) in [("seven days", at.trend), ("thirty days", at.trend_month)] {
        if let Some(trend) = trend {
            let way = if trend < 1.0 { "falls" } else { "does not fall" };
            let _ = writeln!(text, "  {}: {way} over {days} ({trend:.2} times what it was)", at.place);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_never_reads_as_whole() {
        assert_eq!(percent(1.0), "100");
        assert_eq!(percent(0.999_999_99), "99.9999");
        assert_eq!(percent(0.999), "99.9");
        assert_eq!(percent(0.0), "0");
    }
}
