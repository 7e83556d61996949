//! `bartizan token inspect`: what a token says, and what the gateway thinks of it.

use super::{place, print, print_json, unanswered};
use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::limits::TOKEN_INPUT_BYTES_MAX;
use crate::render::utc;
use bartizan_core::Timestamp;
use bartizan_core::status::{InspectToken, InspectedToken};
use bartizan_crypto::jose::{EmbeddedKey, Unverified, json::Object};
use bartizan_runtime::{clock, local};
use serde::Serialize;
use serde_json::Value;
use std::io::Read;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    judged: InspectedToken,
    /// Nobody checked it where it is not believed.
    claims: Option<Object>,
}

/// Prints, and fails where the token is not believed.
pub(crate) async fn run(args: &InspectArgs) -> Result<(), Failure> {
    let token = read(&args.token)?;
    let data = place(&args.data.place)?;
    let asked = InspectToken { token: token.clone() };
    let judged: InspectedToken = local::post(&data.control_socket(), "/v1/tokens/inspect", &asked)
        .await
        .map_err(|error| unanswered(&data, &error))?;
    let claims = Unverified::parse(&token, EmbeddedKey::Refused).ok().and_then(|it| it.unverified_claims().ok());
    let believed = judged.refused.is_none();
    let shown = Shown { judged, claims };
    if args.data.json {
        print_json(&shown)?
    } else {
        print(&for_people(&shown, clock::now()))?
    }
    if believed { Ok(()) } else { Err(Failure::Said(1)) }
}

/// The token, without what a terminal or a header puts around it.
fn read(given: &str) -> Result<String, Failure> {
    let mut text = String::new();
    if given == "-" {
        let read = std::io::stdin().lock().take(TOKEN_INPUT_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| Failure::new(format!("standard input holds no token: {error}")))?;
    } else {
        given.clone_into(&mut text);
    }
    let text = text.trim();
    let bare = ["Bearer ", "DPoP "].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    Ok(bare.trim().to_owned())
}

fn for_people(shown: &Shown, now: Timestamp) -> String {
    let mut text = match &shown.judged.refused {
        None => "believed by the gateway\n".to_owned(),
        Some(why) => format!("not believed: {why}\n"),
    };
    if let Some(needs) = &shown.judged.needs {
        text.push_str(&format!("counts only with {needs}\n"));
    }
    for (name, value) in shown.claims.iter().flatten() {
        let date = value.as_u64().filter(|_| ["iat", "exp", "nbf", "auth_time"].contains(&name.as_str()));
        let value = match (value, date) {
            (_, Some(secs)) => dated(Timestamp::from_secs(secs), now),
            (Value::String(text), _) => text.clone(),
            (other, _) => other.to_string(),
        };
        // Whoever made it may have put control characters into it, to write something else on the terminal.
        let value: String = value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        text.push_str(&format!("  {name:<12} {value}\n"));
    }
    text
}

fn dated(at: Timestamp, now: Timestamp) -> String {
    let (ahead, ago) = (at.since(now).as_secs(), now.since(at).as_secs());
    if at > now { format!("{} (in {ahead} s)", utc(at)) } else { format!("{} ({ago} s ago)", utc(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_cannot_write_over_what_is_said_of_it() {
        let claims = json!({ "sub": "\u{1b}[2J\rbelieved", "exp": 60 });
        let judged = InspectedToken { refused: Some("it ran out".to_owned()), ..InspectedToken::default() };
        let shown = Shown { judged, claims: claims.as_object().cloned() };
        let text = for_people(&shown, Timestamp::from_secs(100));
        assert!(text.starts_with("not believed: it ran out\n") && text.contains("(40 s ago)"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
    }

    #[test]
    fn the_scheme_may_come_along() {
        for text in ["a.b.c", " Bearer a.b.c\n", "DPoP a.b.c"] {
            assert_eq!(read(text).unwrap(), "a.b.c");
        }
    }
}
