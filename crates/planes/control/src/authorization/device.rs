//! The device flow (RFC 8628): a device shows a short code, somebody types it here and allows, the device gets its tokens.

use super::answer::{Refusal, unstored};
use super::ask::{Asked, Connection, take, take_as};
use super::authorize::{about, claims_of};
use super::given::Given;
use super::once::Once;
use super::rates::Who;
use super::{back, carried, family, paths};
use crate::app::App;
use crate::limits::{DEVICE_GUESSERS_MAX, DEVICE_GUESSES_MAX, DEVICES_MAX};
use crate::people::{self, Page, Problem, SignedIn, Visit, Way, escape, forms};
use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_core::authorization::Grant;
use bartizan_crypto::{base64, random};
use bartizan_runtime::clock;
use bartizan_tokens::grant::{Device, DeviceError, DeviceRequest, Family, FamilyId, read_user_code, user_code};
use bartizan_tokens::limits::{CODE_REMEMBERED, DEVICE_INTERVAL, DEVICE_TTL};
use bartizan_tokens::request::{wanted_audience, wanted_scopes, with_parameters};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How much longer a code is known than it counts, so that a device hears that it has run out.
const KNOWN_AFTER: Duration = Duration::from_secs(60);
/// Tries to find a short code that no other device shows, a count.
const CODE_TRIES: usize = 8;

/// A device, with what people are shown of it.
#[derive(Clone, Debug)]
pub(super) struct HeldDevice {
    device: Device,
    /// What is asked for; it stays while the state goes on.
    request: DeviceRequest,
}

/// Devices that wait, by a name of their own, which both codes lead to.
#[derive(Debug)]
pub(super) struct Devices {
    by_name: Once<HeldDevice>,
    by_device_code: Once<String>,
    by_user_code: Once<String>,
    /// Wrong codes that each person typed of late.
    guesses: Once<u32>,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            by_name: Once::new(DEVICES_MAX),
            by_device_code: Once::new(DEVICES_MAX),
            by_user_code: Once::new(DEVICES_MAX),
            guesses: Once::new(DEVICE_GUESSERS_MAX),
        }
    }
}

/// What goes through a browser while somebody is asked.
#[derive(Serialize, Deserialize)]
struct Answer {
    name: String,
    /// The session of whoever was asked.
    session: String,
    allowed: bool,
}

/// `POST /device_authorization`: a device begins.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let begun = try_begin(&app, &from, request).await;
    begun.map_or_else(|refusal| refusal.answer(&app, &from), unstored)
}

async fn try_begin(app: &App, from: &Connection, request: HttpRequest) -> Result<Value, Refusal> {
    take(app, from)?;
    take_as(app, Who::Device(from.remote.ip()))?;
    let now = clock::now();
    let asked = Asked::read(app, from, paths::DEVICE_AUTHORIZATION, request, now).await?;
    let caller = asked.app()?;
    if !caller.rules.grants.contains(&Grant::DeviceCode) {
        let detail = format!("`{}` has no grant `device_code` in the fleet file", caller.id);
        return Err(Refusal::bad("unauthorized_client", "this client has no such grant", detail));
    }
    let refused =
        |(code, why): (&'static str, String)| Refusal::bad(code, "the request is not one that this app may make", why);
    let request = DeviceRequest {
        client_id: caller.id.clone(),
        audience: wanted_audience(&asked.form, &caller.rules).map_err(refused)?,
        scopes: wanted_scopes(&asked.form, &caller.rules).map_err(refused)?,
        key: asked.proof,
    };
    let (device_code, user_code) = app.authorization.devices.add(request, now)?;
    let page = format!("{}{}", asked.server()?.issuer, paths::DEVICE);
    Ok(json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": with_parameters(&page, &[("user_code", &user_code)]),
        "expires_in": DEVICE_TTL.as_secs(),
        "interval": DEVICE_INTERVAL.as_secs(),
    }))
}

impl Devices {
    fn add(&self, request: DeviceRequest, now: Timestamp) -> Result<(String, String), Refusal> {
        let full = |_| Refusal::unable("too many devices wait");
        let (name, device_code) =
            (base64::encode_url(&random::bytes::<16>()), base64::encode_url(&random::bytes::<32>()));
        let mut codes = (0..CODE_TRIES).map(|_| user_code(random::bytes()));
        let free = codes.find(|code| self.by_user_code.get(code, now).is_none());
        let free = free.ok_or_else(|| Refusal::unable("no short code is free"))?;
        let held = HeldDevice { device: Device::new(request.clone(), now), request };
        self.by_user_code.put(&free, name.clone(), now.plus(DEVICE_TTL), now).map_err(full)?;
        let known = now.plus(DEVICE_TTL + CODE_REMEMBERED);
        self.by_device_code.put(&device_code, name.clone(), known, now).map_err(full)?;
        self.by_name.put(&name, held, now.plus(DEVICE_TTL + KNOWN_AFTER), now).map_err(full)?;
        Ok((device_code, free))
    }

    /// Changes the state of a device. `None` where there is none of that name.
    fn change<A>(&self, name: &str, now: Timestamp, change: impl FnOnce(Device) -> (Device, A)) -> Option<A> {
        self.by_name.change(name, now, |held, until| {
            let (device, answer) = change(held.device);
            let until = if matches!(device, Device::Redeemed { .. }) { now.plus(CODE_REMEMBERED) } else { until };
            (Some((HeldDevice { device, ..held }, until)), answer)
        })
    }
}

/// The tokens of a device whose code somebody typed.
pub(super) async fn redeem(app: &App, asked: &Asked, now: Timestamp) -> Result<Given, Refusal> {
    let caller = asked.app()?;
    let proof = asked.needed_proof()?;
    let shown = asked.form.get("device_code");
    let shown = shown.ok_or_else(|| Refusal::invalid_request("`device_code` is missing", ""))?;
    let devices = &app.authorization.devices;
    let outcome = devices.by_device_code.get(shown, now).and_then(|name| {
        let id = FamilyId(random::bytes());
        devices.change(&name, now, |device| device.ask(&caller.id, proof.as_ref(), id, now))
    });
    match outcome {
        None => Err(Refusal::invalid_grant("it is no code of a device, or one of long ago")),
        Some(Ok(begun)) => begin_family(app, asked, begun, now).await,
        Some(Err(error)) => {
            if let DeviceError::Replayed { family } = &error {
                family::end(app, *family, now).await?;
            }
            Err(refused(&error))
        }
    }
}

/// It goes on when whoever allowed it signs out: a device has no session of its own to end with.
async fn begin_family(app: &App, asked: &Asked, begun: Family, now: Timestamp) -> Result<Given, Refusal> {
    family::begin(app, asked, begun, None, None, now).await
}

fn refused(error: &DeviceError) -> Refusal {
    let public = match error {
        DeviceError::Pending => "nobody has answered yet",
        DeviceError::SlowDown(_) => "wait longer between two questions",
        DeviceError::Denied => "the person did not allow it",
        DeviceError::Expired => "the code has run out",
        _ => "it is not accepted",
    };
    Refusal::bad(error.code(), public, error.to_string())
}

/// `GET /device`: where somebody types the code.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let now = clock::now();
    let headers = request.headers().clone();
    let shown = match forms::query(&request) {
        Ok(form) => form.get("user_code").and_then(read_user_code),
        Err(problem) => return back::page(&app, &from, problem, now).await,
    };
    if take(&app, &from).is_err() {
        return back::page(&app, &from, Problem::too_often(), now).await;
    }
    if people::signed_in(&app, &headers, now).await.is_none() {
        let back = shown.map(|code| with_parameters(paths::DEVICE, &[("user_code", &code)]));
        return people::to_sign_in(&app, &Way::to(back.unwrap_or_else(|| paths::DEVICE.to_owned()))).await;
    }
    match Visit::of(&app, from.remote, now).await {
        Ok(visit) => form_page(&visit, &headers, shown.as_deref(), None),
        Err(answer) => *answer,
    }
}

fn form_page(visit: &Visit, headers: &HeaderMap, shown: Option<&str>, wrong: Option<&str>) -> Response {
    let mark = forms::mark(visit, headers, paths::DEVICE);
    let wrong = wrong.map(|text| format!("<p class=\"alert\" role=\"alert\">{}</p>\n", escape(text)));
    let body = format!(
        "{}<p>Type the code that your device shows. If nobody near you has a device that shows one, close this page: somebody may be \
         trying to use your account.</p>\n<form method=\"post\" action=\"{}\">\n{}\n<label>Code\n<input name=\"user_code\" value=\"{}\" \
         autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" required maxlength=\"16\"></label>\n\
         <button>Go on</button>\n</form>",
        wrong.unwrap_or_default(),
        paths::DEVICE,
        mark.field,
        escape(shown.unwrap_or_default()),
    );
    Page::new("Connect a device", body).cookies(mark.cookie).leads_out().answer(visit)
}

/// `POST /device`: somebody typed a code.
pub(super) async fn typed(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let now = clock::now();
    if take(&app, &from).is_err() {
        return back::page(&app, &from, Problem::too_often(), now).await;
    }
    let visit = match Visit::of(&app, from.remote, now).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let (headers, form) = match forms::read(&visit, paths::DEVICE, request).await {
        Ok(read) => read,
        Err(problem) => return problem.answer(&visit),
    };
    let Some(who) = people::signed_in(&app, &headers, now).await else {
        return people::to_sign_in(&app, &Way::to(paths::DEVICE)).await;
    };
    match find(&app, &who, form.get("user_code").unwrap_or_default(), now) {
        Ok((name, code)) => ask(&app, &from, &headers, &who, (&name, &code), now).await,
        Err(Wrong::Code) => form_page(&visit, &headers, None, Some("No device shows that code. Look at it again.")),
        Err(Wrong::TooOften) => {
            let public = "Too many wrong codes. Wait ten minutes.";
            let rule = format!("device: `{}` typed too many wrong codes", who.account.subject);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, public, rule).answer(&visit)
        }
    }
}

enum Wrong {
    Code,
    TooOften,
}

/// The device that shows a code. Each person has a few guesses: codes are short.
fn find(app: &App, who: &SignedIn, typed: &str, now: Timestamp) -> Result<(String, String), Wrong> {
    let (devices, subject) = (&app.authorization.devices, who.account.subject.as_str());
    if devices.guesses.get(subject, now).is_some_and(|wrong| wrong >= DEVICE_GUESSES_MAX) {
        return Err(Wrong::TooOften);
    }
    let found = read_user_code(typed).and_then(|code| Some((devices.by_user_code.get(&code, now)?, code)));
    if let Some(found) = found {
        return Ok(found);
    }
    let counted = devices.guesses.change(subject, now, |wrong, until| (Some((wrong + 1, until)), ()));
    let counted = counted.map_or_else(|| devices.guesses.put(subject, 1, now.plus(DEVICE_TTL), now), Ok);
    // Who cannot be counted cannot guess.
    Err(if counted.is_ok() { Wrong::Code } else { Wrong::TooOften })
}

async fn ask(
    app: &Arc<App>,
    from: &Connection,
    headers: &HeaderMap,
    who: &SignedIn,
    (name, code): (&str, &str),
    now: Timestamp,
) -> Response {
    let held = app.authorization.devices.by_name.get(name, now);
    let waiting = held.filter(|held| matches!(held.device, Device::Waiting { .. }));
    let request = waiting.map(|held| held.request);
    let rules = match &request {
        Some(request) => app.authorization.app(app, &request.client_id).await.ok().flatten(),
        None => None,
    };
    let (Some(request), Some(rules)) = (request, rules) else {
        return back::page(app, from, Problem::bad("device: it waits for nobody any more"), now).await;
    };
    let address = |allowed| {
        let answer = Answer { name: name.to_owned(), session: who.session.clone(), allowed };
        carried::address(app, paths::DEVICE_ON, &answer, now)
    };
    let (Ok(allowed), Ok(denied)) = (address(true), address(false)) else {
        return back::page(app, from, Problem::bad("device: an answer does not fit an address"), now).await;
    };
    let wanted = people::Wanted {
        client: request.client_id.clone(),
        // Asked each time, whatever was allowed before: the device is another one.
        client_name: format!("{}, on the device that shows {code},", rules.title),
        audiences: vec![request.audience.clone()],
        scopes: request.scopes.iter().map(|scope| (scope.to_owned(), about(scope))).collect(),
        allowed,
        denied,
    };
    people::ask_consent(app, headers, from.remote, who, wanted, now).await
}

/// `GET /device/on`: somebody was asked. The address is known to who answered alone.
pub(super) async fn answered(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let now = clock::now();
    let headers = request.headers().clone();
    let done = match forms::query(&request) {
        Ok(form) => take_answer(&app, &headers, form.get(paths::CARRIED).unwrap_or_default(), now).await,
        Err(problem) => Err(problem),
    };
    let visit = match Visit::of(&app, from.remote, now).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    match done {
        Ok(text) => Page::new("Connect a device", format!("<p>{text}</p>")).answer(&visit),
        Err(problem) => problem.answer(&visit),
    }
}

async fn take_answer(app: &App, headers: &HeaderMap, text: &str, now: Timestamp) -> Result<&'static str, Problem> {
    let bad = |why: &str| Problem::bad(format!("device: {why}"));
    let answer: Answer =
        carried::read(app, paths::DEVICE_ON, text, now).ok_or_else(|| bad("too old, or none of ours"))?;
    let who = people::signed_in(app, headers, now).await.filter(|who| who.session == answer.session);
    let who = who.ok_or_else(|| bad("somebody else was asked"))?;
    let mut claims = claims_of(&who);
    // It does not end with this session.
    claims.remove("sid");
    let held = app.authorization.devices.by_name.get(&answer.name, now).ok_or_else(|| bad("it has run out"))?;
    let changed = app.authorization.devices.change(&answer.name, now, |device| match answer.allowed {
        true => device.approve(&who.account.subject, &held.request.scopes, claims, now),
        false => device.deny(),
    });
    match changed {
        Some(Ok(())) if answer.allowed => Ok("Your device is connected. You can close this page."),
        Some(Ok(())) => Ok("The device gets nothing. You can close this page."),
        Some(Err(error)) => Err(bad(&error.to_string())),
        None => Err(bad("it has run out")),
    }
}
