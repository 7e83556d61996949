//! `bartizan federation`.

use super::{place, print, print_json, unanswered};
use crate::args::{DataArgs, FederationCommand};
use crate::failure::Failure;
use crate::render::{left, table};
use bartizan_core::Timestamp;
use bartizan_core::federation::Standing;
use bartizan_runtime::{clock, local};
use std::time::Duration;

/// Columns of the table; the last one may be a sentence.
const WIDTH: u16 = u16::MAX;
/// How long `refresh` waits for the answers: as long as control waits for an endpoint, and a moment.
const REFRESH_WITHIN: Duration = Duration::from_secs(12);
/// How often it looks whether they are there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(command: FederationCommand) -> Result<(), Failure> {
    match command {
        FederationCommand::Status(args) => told(&args, &standings(&args).await?),
        FederationCommand::Refresh(args) => refresh(&args).await,
        FederationCommand::Bundle(args) => {
            let data = place(&args)?;
            let text = local::get_text(&data.control_socket(), "/v1/federation/bundle").await;
            print(&(text.map_err(|error| unanswered(&data, &error))? + "\n"))
        }
    }
}

async fn standings(args: &DataArgs) -> Result<Vec<Standing>, Failure> {
    let data = place(&args.place)?;
    local::get(&data.control_socket(), "/v1/federation").await.map_err(|error| unanswered(&data, &error))
}

/// Asks, and waits until each endpoint was looked at since.
async fn refresh(args: &DataArgs) -> Result<(), Failure> {
    let (data, asked) = (place(&args.place)?, clock::now());
    let begun = local::post::<_, Vec<Standing>>(&data.control_socket(), "/v1/federation/refresh", &()).await;
    begun.map_err(|error| unanswered(&data, &error))?;
    let deadline = asked.plus(REFRESH_WITHIN);
    loop {
        let standings = standings(args).await?;
        if standings.iter().all(|it| it.looked_at >= Some(asked)) || clock::now() >= deadline {
            told(args, &standings)?;
            let failed = standings.iter().filter(|it| it.failure.is_some()).count();
            return if failed == 0 { Ok(()) } else { Err(Failure::Said(1)) };
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn told(args: &DataArgs, standings: &[Standing]) -> Result<(), Failure> {
    if args.json { print_json(&standings) } else { print(&rows(standings, clock::now())) }
}

fn rows(standings: &[Standing], now: Timestamp) -> String {
    if standings.is_empty() {
        return "the fleet file names no other trust domain; see `federation` in the manual\n".to_owned();
    }
    let row = |it: &Standing| {
        let ago = |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| format!("{} ago", left(now.since(at))));
        let failure = it.failure.clone().unwrap_or_default();
        let sequence = it.sequence.map_or("-".to_owned(), |sequence| sequence.to_string());
        let (roots, keys) = (it.roots.to_string(), it.jwt_keys.to_string());
        let every = format!("{} s", it.refresh_s);
        vec![it.domain.to_string(), roots, keys, sequence, it.profile.clone(), ago(it.fetched_at), every, failure]
    };
    let headers = ["TRUST DOMAIN", "ROOTS", "JWT KEYS", "SEQUENCE", "PROFILE", "FETCHED", "EVERY", "LAST FAILURE"];
    format!("{}\n", table(&headers, standings.iter().map(row).collect(), WIDTH).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::TrustDomain;

    #[test]
    fn says_what_failed_and_what_is_held() {
        let standing = Standing {
            domain: TrustDomain::parse("partner.test").unwrap(),
            url: "https://partner.test/".to_owned(),
            profile: "https_web".to_owned(),
            roots: 2,
            jwt_keys: 0,
            sequence: Some(7),
            refresh_s: 60,
            looked_at: Some(Timestamp::from_secs(995)),
            fetched_at: Some(Timestamp::from_secs(900)),
            changed_at: None,
            failure: Some("no answer within 10 s".to_owned()),
            paths: Vec::new(),
        };
        let text = rows(&[standing], Timestamp::from_secs(1_000));
        assert!(text.contains("partner.test") && text.contains("no answer within 10 s"), "{text}");
        assert!(text.contains(" ago") && text.ends_with("10 s\n"), "{text}");
        assert!(rows(&[], Timestamp::from_secs(0)).contains("no other trust domain"));
    }
}
