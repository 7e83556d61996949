//! Sessions: a secret in the browser, its hash in the database, and what was shown when it began.

use super::cookies;
use super::desk::{Desk, PeopleError, rules};
use super::ended::{self, Ended};
use super::gate::Visit;
use super::person::{Account, Person};
use super::upstream::Theirs;
use crate::app::App;
use crate::error::chain;
use crate::limits::{AGENT_CHARS_MAX, SESSION_SEEN_EVERY, SESSIONS_EACH_MAX};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, HeaderValue};
use bartizan_core::Timestamp;
use bartizan_core::people::Rules;
use bartizan_crypto::{base64, hash, random};
use bartizan_store::Session as Row;
use serde::{Deserialize, Serialize};

/// `acr` of a session whose person showed one factor.
pub(crate) const ACR_ONE_FACTOR: &str = "aal1";
/// `acr` of one whose person showed two.
pub(crate) const ACR_TWO_FACTORS: &str = "aal2";

/// What was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Factor {
    Password,
    Otp,
    Recovery,
    /// A passkey that cannot leave its device, and one that can.
    Passkey,
    SyncedPasskey,
    /// The authenticator knew who was there, by a finger or a PIN.
    Verified,
    /// Whatever another provider wanted to see; and something of which the fleet file says that it is two.
    Elsewhere,
    ElsewhereTwice,
}

impl Factor {
    /// Its word in `amr` (RFC 8176).
    const fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Otp => "otp",
            // RFC 8176 has no word for it.
            Self::Recovery => "recovery",
            Self::Passkey => "hwk",
            Self::SyncedPasskey => "swk",
            Self::Verified => "user",
            // Nor for this; what was shown there stands beside it.
            Self::Elsewhere | Self::ElsewhereTwice => "fed",
        }
    }
}

/// What somebody showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) factors: Vec<Factor>,
    /// What another provider said of it.
    pub(super) theirs: Option<Theirs>,
    /// When, where it was not just now.
    pub(super) at: Option<Timestamp>,
}

impl From<Vec<Factor>> for Shown {
    fn from(factors: Vec<Factor>) -> Self {
        Self { factors, ..Self::default() }
    }
}

impl Shown {
    /// And this.
    pub(super) fn and(mut self, factor: Factor) -> Self {
        self.factors.push(factor);
        self
    }

    /// The words for it, and one for several together (RFC 8176).
    pub(super) fn amr(&self) -> Vec<String> {
        amr(&self.factors, self.theirs.as_ref())
    }
}

/// What the database holds of a session as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) began: Timestamp,
    /// When its person showed something last.
    pub(super) shown: Timestamp,
    pub(super) factors: Vec<Factor>,
    #[serde(default)]
    pub(super) theirs: Option<Theirs>,
    /// From where, and with what browser.
    pub(super) address: String,
    pub(super) agent: String,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// Who.
    pub(crate) account: Account,
    /// Name of the session, which is no secret: it stays the same when its person signs in again in the same browser.
    pub(crate) session: String,
    /// When the person showed something last.
    pub(crate) auth_time: Timestamp,
    /// What (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// [`ACR_ONE_FACTOR`] or [`ACR_TWO_FACTORS`].
    pub(crate) acr: &'static str,
}

/// Who is behind the session cookie. `None` for nobody, and where nobody can say.
pub(crate) async fn signed_in(app: &App, headers: &HeaderMap, now: Timestamp) -> Option<SignedIn> {
    let found = async {
        let (Some(desk), Some(rules)) = (app.people.desk(app).await?, rules(app)) else { return Ok(None) };
        by_cookie(&desk, &rules, headers, now).await
    };
    found.await.unwrap_or_else(|error: PeopleError| {
        tracing::error!(why = chain(&error), "it cannot be said who is signed in");
        None
    })
}

pub(super) async fn by_cookie(
    desk: &Desk,
    rules: &Rules,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<SignedIn>, PeopleError> {
    let Some(row) = row_of(desk, headers).await? else { return Ok(None) };
    let Some(person) = desk.person(&row.person).await? else { return Ok(None) };
    let Ok(record) = serde_json::from_str::<Record>(&row.record) else { return Ok(None) };
    if !lasts(&row, rules, now) {
        return Ok(None);
    }
    let Some(account) = Account::of(person) else { return Ok(None) };
    see(desk, &row, now).await?;
    let (amr, acr) = (record.amr(), acr(&record.factors));
    Ok(Some(SignedIn { account, session: row.id, auth_time: record.shown, amr, acr }))
}

impl Record {
    /// The words for what was shown.
    pub(super) fn amr(&self) -> Vec<String> {
        amr(&self.factors, self.theirs.as_ref())
    }
}

fn amr(factors: &[Factor], theirs: Option<&Theirs>) -> Vec<String> {
    let ours = factors.iter().map(|factor| factor.amr());
    let theirs = theirs.into_iter().flat_map(|it| &it.amr).map(String::as_str);
    let several = (acr(factors) == ACR_TWO_FACTORS).then_some("mfa");
    let mut words: Vec<String> = Vec::new();
    for word in ours.chain(theirs).chain(several) {
        if !words.iter().any(|it| it == word) {
            words.push(word.to_owned());
        }
    }
    words
}

fn acr(factors: &[Factor]) -> &'static str {
    if factors.len() > 1 || factors.contains(&Factor::ElsewhereTwice) { ACR_TWO_FACTORS } else { ACR_ONE_FACTOR }
}

fn lasts(row: &Row, rules: &Rules, now: Timestamp) -> bool {
    now < row.ends && now < row.seen.plus(rules.idle)
}

/// Notes that a session is used, now and then.
async fn see(desk: &Desk, row: &Row, now: Timestamp) -> Result<(), PeopleError> {
    if now.since(row.seen) >= SESSION_SEEN_EVERY {
        desk.store.see_session(&row.id, now).await?;
    }
    Ok(())
}

/// Whether a session of that id goes on; asking is using it. What was given on its account is to be refused otherwise.
///
/// # Errors
/// [`PeopleError`], where nobody can say.
pub(crate) async fn is_alive(app: &App, session: &str, now: Timestamp) -> Result<bool, PeopleError> {
    let (Some(desk), Some(rules)) = (app.people.desk(app).await?, rules(app)) else { return Ok(false) };
    let Some(row) = desk.store.session_named(session).await? else { return Ok(false) };
    let lasts = lasts(&row, &rules, now);
    if lasts {
        see(&desk, &row, now).await?;
    }
    Ok(lasts)
}

async fn row_of(desk: &Desk, headers: &HeaderMap) -> Result<Option<Row>, PeopleError> {
    let Some(cookie) = cookies::get(headers, cookies::SESSION) else { return Ok(None) };
    Ok(desk.store.session(&key_of(cookie)).await?)
}

fn key_of(cookie: &str) -> String {
    hash::hex(&hash::sha256(cookie.as_bytes()))
}

/// Begins a session with a secret of its own, whatever the browser came with: a cookie that somebody else put there is worth
/// nothing afterwards. Somebody who was signed in in this browser goes on in the same session; somebody else's ends.
pub(super) async fn begin(
    visit: &Visit,
    headers: &HeaderMap,
    person: &Person,
    shown: Shown,
) -> Result<HeaderValue, PeopleError> {
    let Visit { app, desk, rules, now, .. } = visit;
    let before = row_of(desk, headers).await?;
    let secret = base64::encode_url(&random::bytes::<32>());
    let record = record(visit, headers, shown);
    let row = Row {
        key: key_of(&secret),
        id: base64::encode_url(&random::bytes::<16>()),
        person: person.id.clone(),
        seen: *now,
        ends: now.plus(rules.sessions),
        record: serde_json::to_string(&record).expect("it is plain data"),
    };
    let cookie = cookies::set(cookies::SESSION, &secret, Some(rules.sessions));
    if let Some(before) = before {
        let same = before.person == person.id && lasts(&before, rules, *now);
        if same && desk.store.renew_session(&Row { id: before.id.clone(), ..row.clone() }).await? {
            return Ok(cookie);
        }
        end(app, desk, &before.person, &before.id, *now).await?;
    }
    make_room(visit, &person.id).await?;
    desk.store.begin_session(&row).await?;
    Ok(cookie)
}

fn record(visit: &Visit, headers: &HeaderMap, shown: Shown) -> Record {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = agent.chars().filter(|letter| !letter.is_control()).take(AGENT_CHARS_MAX).collect();
    let Shown { factors, theirs, at } = shown;
    let address = visit.remote.ip().to_string();
    Record { began: visit.now, shown: at.unwrap_or(visit.now), factors, theirs, address, agent }
}

/// Forgets what is over, and the session used longest ago of somebody who has many.
async fn make_room(visit: &Visit, person: &str) -> Result<(), PeopleError> {
    let Visit { app, desk, rules, now, .. } = visit;
    desk.store.forget_sessions(*now, now.minus(rules.idle)).await?;
    for old in desk.store.sessions_of(person).await?.iter().skip(SESSIONS_EACH_MAX - 1) {
        end(app, desk, person, &old.id, *now).await?;
    }
    Ok(())
}

/// Ends one session.
pub(super) async fn end(
    app: &App,
    desk: &Desk,
    person: &str,
    session: &str,
    now: Timestamp,
) -> Result<bool, PeopleError> {
    let ended = desk.store.end_session(person, session).await?;
    if ended {
        let (subject, sessions) = (person.to_owned(), vec![session.to_owned()]);
        ended::tell(app, &Ended { subject, sessions, everything: false }, now);
    }
    Ok(ended)
}

/// Ends all sessions of somebody, and what was given on their account, but that of the id `except`.
pub(super) async fn end_all(
    app: &App,
    desk: &Desk,
    person: &str,
    except: Option<&str>,
    now: Timestamp,
) -> Result<(), PeopleError> {
    let sessions = desk.store.end_sessions(person, except).await?;
    ended::tell(app, &Ended { subject: person.to_owned(), sessions, everything: true }, now);
    Ok(())
}

/// Ends the session behind the cookie. The field that takes the cookie away.
///
/// # Errors
/// [`PeopleError`]; the session may go on then.
pub(crate) async fn sign_out(app: &App, headers: &HeaderMap, now: Timestamp) -> Result<HeaderValue, PeopleError> {
    if let Some(desk) = app.people.desk(app).await?
        && let Some(row) = row_of(&desk, headers).await?
    {
        end(app, &desk, &row.person, &row.id, now).await?;
    }
    Ok(cookies::clear(cookies::SESSION))
}
