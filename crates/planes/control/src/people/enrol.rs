//! Somebody's app for codes: a picture to photograph, a code to prove that it worked, recovery codes for the day it is lost.

use super::deeds;
use super::factors::{Totp, recovery_codes};
use super::gate::Visit;
use super::markup::{alert, escape, hidden};
use super::pages::Problem;
use super::person::Person;
use super::tries::Who;
use super::way;
use crate::limits::{ACCOUNT_TRIES, TOTP_SECRET_BYTES};
use bartizan_core::event::Deed;
use bartizan_crypto::random;
use bartizan_tokens::form::Form;
use bartizan_tokens::{base32, totp};
use qrcodegen::{QrCode, QrCodeEcc};
use std::time::Instant;

const USE: &str = "enrol";

/// The form that is sent to `path`; `mark` is its mark. The secret travels sealed, for this person, until it is proven.
pub(super) fn form(
    visit: &Visit,
    person: &Person,
    path: &str,
    mark: &str,
    sealed: Option<&str>,
    wrong: Option<&str>,
) -> String {
    let held = sealed.and_then(|sealed| open(visit, person, sealed));
    let secret = held.unwrap_or_else(|| random::bytes::<TOTP_SECRET_BYTES>().to_vec());
    let fleet = visit.app.in_force().desired.fleet.name.to_string();
    let uri = totp::uri(&fleet, &person.name, &secret);
    let sealed = way::seal(&visit.desk, USE, (&person.id, &secret), visit.now);
    let text = base32::encode(&secret);
    let groups: Vec<&str> = (0..text.len()).step_by(4).filter_map(|at| text.get(at..at + 4)).collect();
    format!(
        "<p>Photograph this with an authenticator app, or type the secret into it. Then type the code that it shows.</p>\n{}\n\
         <p class=\"quiet\">Secret: <code>{}</code></p>\n{}<form method=\"post\" action=\"{path}\">\n{mark}{}\n\
         <label for=\"code\">Code</label>\n\
         <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" maxlength=\"6\" required autofocus>\n\
         <button>Add this app</button>\n</form>",
        picture(&uri),
        escape(&groups.join(" ")),
        alert(wrong),
        hidden("secret", &sealed),
    )
}

fn open(visit: &Visit, person: &Person, sealed: &str) -> Option<Vec<u8>> {
    let (whose, secret): (String, Vec<u8>) = way::open(&visit.desk, USE, sealed, visit.now)?;
    (whose == person.id).then_some(secret)
}

/// Takes the app in where the code proves that it has the secret. The recovery codes, which are never shown again; or what is wrong.
pub(super) async fn confirm(
    visit: &Visit,
    person: &Person,
    form: &Form,
) -> Result<Result<Vec<String>, &'static str>, Problem> {
    let sealed = form.get("secret").unwrap_or_default();
    let secret = open(visit, person, sealed).ok_or_else(|| Problem::bad("enrol: too old, or none of ours"))?;
    if visit.desk.tries.take(Who::new("enrol", &person.id), ACCOUNT_TRIES, Instant::now()).is_err() {
        return Ok(Err("There were too many tries. Wait a while, then try again."));
    }
    let typed: String = form.get("code").unwrap_or_default().chars().filter(|letter| *letter != ' ').collect();
    let Some(step) = totp::accept(&secret, &typed, visit.now, None) else {
        return Ok(Err("That is not the code of now. Is the time of your phone right?"));
    };
    let (shown, kept) = recovery_codes();
    let app = Totp::new(&visit.desk, &person.id, &secret, step, visit.now);
    let added = visit.desk.change(&person.id, |record| {
        // Another app may have been added meanwhile; this one does not take its place.
        record.totp.is_none().then(|| {
            record.totp = Some(app.clone());
            record.recovery.clone_from(&kept);
        })
    });
    if added.await?.is_none() {
        return Ok(Err("There is an app already."));
    }
    deeds::tell(visit, Some(person), Deed::FactorAdded, Some("otp"), None);
    Ok(Ok(shown))
}

/// Recovery codes, and what they are for.
pub(super) fn codes(shown: &[String]) -> String {
    let list: String = shown.iter().map(|code| format!("<li><code>{}</code></li>", escape(code))).collect();
    format!(
        "<p>Write these down, and keep them where your phone is not. Each works once in place of a code, and they are not shown again.</p>\n<ol>{list}</ol>"
    )
}

/// A QR code, as lines of an SVG image: no request, no script, no style.
fn picture(text: &str) -> String {
    // Ours is far below the 2,331 bytes that fit.
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let (size, border) = (code.size(), 4);
    let dots = (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).filter(|(x, y)| code.get_module(*x, *y));
    let path: String = dots.map(|(x, y)| format!("M{} {}h1v1h-1z", x + border, y + border)).collect();
    let side = size + 2 * border;
    format!(
        "<svg class=\"code\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR code for an authenticator app\">\
         <path fill=\"#000000\" d=\"{path}\"/></svg>"
    )
}
