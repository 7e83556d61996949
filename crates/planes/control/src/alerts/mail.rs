//! A notice as e-mail, handed to a relay.

use super::routes::Job;
use super::send::Wrong;
use super::smtp::Talk;
use bartizan_alerts::Notice;
use bartizan_core::alerts::{Alert, Evidence, Relay};
use bartizan_core::moment;
use bartizan_crypto::base64;
use std::fmt::Write as _;
use std::path::Path;

/// Hands a notice to the relay. The caller bounds the time.
pub(super) async fn send(relay: &Relay, dir: &Path, from: &str, to: &[String], job: &Job) -> Result<(), Wrong> {
    let mut talk = Talk::open(relay, dir).await?;
    talk.say(&format!("MAIL FROM:<{from}>")).await?;
    talk.expect(250).await?;
    for mailbox in to {
        talk.say(&format!("RCPT TO:<{mailbox}>")).await?;
        talk.expect(250).await?;
    }
    talk.say("DATA").await?;
    talk.expect(354).await?;
    // In base64, so that no line is long and none begins with a full stop.
    talk.say(&message(from, to, job)).await?;
    talk.say(".").await?;
    talk.expect(250).await?;
    let _ = talk.say("QUIT").await; // it has it
    Ok(())
}

fn message(from: &str, to: &[String], job: &Job) -> String {
    let Notice { kind, incident, at, alerts, evidence, called, level: _ } = &job.notice;
    let first = alerts.first().map_or_else(String::new, |it| it.title.clone());
    let more = alerts.len().saturating_sub(1);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let subject = format!("[{}] {first}{more}", kind.as_str());
    let mut text = format!("{} of incident {incident}, {}\n\n", kind.as_str(), moment::write(*at));
    for it in called {
        let _ = writeln!(text, "told: {it}\n");
    }
    alerts.iter().for_each(|it| text.push_str(&block(it)));
    evidence.iter().for_each(|it| text.push_str(&shown(it)));
    let mut mail = String::new();
    let _ = write!(mail, "From: {from}\r\nTo: {}\r\n", to.join(",\r\n ")); // a String takes everything
    // As an encoded word each: what stands in a rule may have any letter (RFC 2047).
    let words: Vec<String> =
        pieces(&subject).iter().map(|it| format!("=?utf-8?b?{}?=", base64::encode(it.as_bytes()))).collect();
    let _ = write!(
        mail,
        "Subject: {}\r\nDate: {}\r\nMessage-ID: <{}@bartizan>\r\n",
        words.join("\r\n "),
        date(at.as_secs()),
        job.id
    );
    mail.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n\r\n");
    let encoded = base64::encode(text.as_bytes());
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).filter_map(|it| std::str::from_utf8(it).ok()).collect();
    mail.push_str(&lines.join("\r\n"));
    mail
}

/// At most 45 bytes each, at borders of characters.
fn pieces(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for c in text.chars().filter(|c| !c.is_control()) {
        if all.last().is_some_and(|it| it.len() + c.len_utf8() > 45) {
            all.push(String::new());
        }
        all.last_mut().expect("it begins with one").push(c);
    }
    all
}

fn block(it: &Alert) -> String {
    let mut text = format!(
        "{} {} ({}, {})\n  {}\n  where    {}\n  since    {}, {} times\n  owner    {}\n  runbook  {}\n",
        it.id,
        it.rule,
        it.severity,
        it.urgency,
        it.summary,
        it.place,
        moment::write(it.since),
        it.count,
        it.owner,
        it.runbook
    );
    for change in &it.changes {
        let _ = writeln!(text, "  before   {} {}", moment::write(change.at), change.what);
    }
    text.push('\n');
    text
}

/// How far from what is asked, why, and what was changed, in lines.
fn shown(it: &Evidence) -> String {
    let mut text = String::new();
    for sli in &it.slis {
        let hour = sli.at.windows.first();
        let share = hour.and_then(|it| it.share).map_or_else(|| "nothing counted".to_owned(), percent);
        let _ = write!(text, "SLI      {} {} at {}: {share} in the last hour", sli.indicator, sli.title, sli.at.place);
        hour.iter().for_each(|it| {
            let _ = write!(text, " ({} bad of {})", it.bad, it.all);
        });
        let _ = write!(text, ", asked for {}", sli.target);
        if let Some(left) = sli.at.budget.as_ref().and_then(|it| it.left) {
            let _ = write!(text, ", budget left {}", percent(left.max(-9.99)));
        }
        text.push('\n');
        for burn in sli.at.burns.iter().filter(|it| it.rate.is_some_and(|rate| rate > 0.0)) {
            let mark = if burn.alight { " <- now" } else { "" };
            let rate = burn.rate.unwrap_or_default();
            let (hours, urgency) = (burn.long_s / 3600, &burn.urgency);
            let _ =
                writeln!(text, "burn     {rate:.1} times over {hours} h, {urgency} from {:.1} on{mark}", burn.limit);
        }
    }
    for cause in &it.causes {
        let edge = match (&cause.from, &cause.service) {
            (Some(from), Some(to)) => format!("{from} -> {to}"),
            (None, Some(to)) => to.clone(),
            _ => "the fleet".to_owned(),
        };
        let _ = writeln!(text, "cause    {} times {} {} ({edge})", cause.count, cause.class, cause.reason);
    }
    for change in &it.changes {
        let _ = writeln!(text, "changed  {} {} {}", moment::write(change.at), change.kind, change.what);
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// RFC 5322, UTC.
fn date(s: u64) -> String {
    let text = moment::write(bartizan_core::Timestamp::from_secs(s));
    let month: usize = text[5..7].parse().unwrap_or(1);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!("{} {} {} {} +0000", &text[8..10], months[(month - 1).min(11)], &text[..4], &text[11..19])
}
