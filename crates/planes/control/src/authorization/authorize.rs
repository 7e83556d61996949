//! `/authorize`: an app sends a browser, somebody signs in and allows, the browser goes back with a code (OAuth 2.1 section 4.1,
//! OpenID Connect Core section 3.1).

use super::answer::Refusal;
use super::ask::{Connection, take};
use super::back;
use super::code::HeldCode;
use super::par::REQUEST_URI;
use super::{carried, family, paths};
use crate::app::App;
use crate::error::chain;
use crate::limits::AUTHORIZATION_BODY_BYTES_MAX;
use crate::people::{self, ACR_TWO_FACTORS, Problem, SignedIn, Way};
use axum::Extension;
use axum::body::to_bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_core::authorization::App as AppRules;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::{base64, random};
use bartizan_runtime::clock;
use bartizan_tokens::form::Form;
use bartizan_tokens::grant::{Code, Granted};
use bartizan_tokens::id_token::read_hint;
use bartizan_tokens::limits::CODE_TTL;
use bartizan_tokens::request::{OFFLINE, Refused, Request, RequestError, with_parameters};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// A request under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Carried {
    request: Request,
    /// When the browser came with it.
    begun: Timestamp,
    /// Who the app thinks that it is, by an ID token of ours.
    subject: Option<String>,
    /// The session whose person just said yes.
    allowed_by: Option<String>,
    /// Somebody said no.
    denied: bool,
    /// A second factor was asked for already; who has none goes on without.
    asked_second: bool,
}

/// Why the browser gets no code yet, or at all.
enum Stop {
    /// It goes elsewhere first.
    Detour(Response),
    /// The app is told.
    App(&'static str, String),
    /// Nobody can be told but the person.
    Page(Problem),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        let (code, why) = refusal.words();
        Self::App(code, why)
    }
}

impl From<people::PeopleError> for Stop {
    fn from(error: people::PeopleError) -> Self {
        Self::from(Refusal::unable(chain(&error)))
    }
}

/// `GET /authorize`, and `POST` with the same parameters.
pub(super) async fn authorize(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let now = clock::now();
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let form = match read_form(&app, &from, request).await {
        Ok(form) => form,
        Err(problem) => return back::page(&app, &from, problem, now).await,
    };
    let request = match find_request(&app, &form, now).await {
        Ok(request) => request,
        Err((_, RequestError::Page(why))) => {
            return back::page(&app, &from, back::wrong(why, client_of(&form)), now).await;
        }
        Err((issuer, RequestError::App(refused))) => {
            return back::refused(&app, &from, &issuer, client_of(&form), &refused);
        }
    };
    let subject = request.id_token_hint.as_deref().and_then(|hint| subject_of(&app, hint, now));
    let carried = Carried {
        // It has been read; a browser need not carry it.
        request: Request { id_token_hint: None, ..request.clone() },
        begun: now,
        subject: subject.clone(),
        allowed_by: None,
        denied: false,
        asked_second: false,
    };
    if request.id_token_hint.is_some() && subject.is_none() {
        let why = "`id_token_hint` is none of ours, or its key is gone".to_owned();
        return told(&app, &from, &carried, "invalid_request", why);
    }
    if method == Method::POST {
        // Another site may have sent the form, and then the browser keeps the session's cookie back; it does not for a link.
        return match carried::address(&app, paths::AUTHORIZE_ON, &carried, now) {
            Ok(address) => back::to(&address),
            Err(refusal) => {
                let (code, why) = refusal.words();
                told(&app, &from, &carried, code, why)
            }
        };
    }
    go_on(&app, &from, &headers, carried, now).await
}

/// `GET /authorize/on`: somebody comes back from signing in, or from being asked.
pub(super) async fn come_back(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let now = clock::now();
    let headers = request.headers().clone();
    let carried = match read_form(&app, &from, request).await {
        Ok(form) => form
            .get(paths::CARRIED)
            .and_then(|text| carried::read::<Carried>(&app, paths::AUTHORIZE_ON, text, now))
            .ok_or_else(|| Problem::bad("authorize: too old, or none of ours")),
        Err(problem) => Err(problem),
    };
    match carried {
        Ok(carried) => go_on(&app, &from, &headers, carried, now).await,
        Err(problem) => back::page(&app, &from, problem, now).await,
    }
}

async fn read_form(app: &App, from: &Connection, request: HttpRequest) -> Result<Form, Problem> {
    take(app, from).map_err(|_| Problem::too_often())?;
    let (head, body) = request.into_parts();
    let text = match head.method {
        Method::POST => to_bytes(body, AUTHORIZATION_BODY_BYTES_MAX).await.map_err(|_| {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "That was too long.", "authorize: the body is too long")
        })?,
        _ => head.uri.query().unwrap_or_default().as_bytes().to_vec().into(),
    };
    Form::parse(&text).map_err(|why| back::wrong("the parameters cannot be read", why))
}

fn client_of(form: &Form) -> &str {
    form.get("client_id").unwrap_or_default()
}

type Wrong = (String, RequestError);

/// What the app asks for: what was pushed before, or what the browser brings.
async fn find_request(app: &App, form: &Form, now: Timestamp) -> Result<Request, Wrong> {
    let page = |why| (String::new(), RequestError::Page(why));
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref().ok_or_else(|| page("there is no server any more"))?;
    let id = form.get("client_id").ok_or_else(|| page("`client_id` is missing"))?;
    let rules = app.authorization.app(app, id).await.map_err(|_| page("apps cannot be looked up now"))?;
    let rules = rules.ok_or_else(|| page("there is no such app"))?;
    let Some(uri) = form.get("request_uri") else {
        // What the file says for all stands at its own apps already.
        let registered = !said.apps.keys().any(|name| name.as_str() == id);
        let has_to_push = rules.pushed || (registered && said.pushed);
        let read = Request::read(form, id, &rules);
        let read = read.and_then(|request| if has_to_push { Err(unpushed(request)) } else { Ok(request) });
        return read.map_err(|error| (said.issuer.clone(), error));
    };
    // What else the browser brings does not count (RFC 9126 section 4).
    let pushed = uri.strip_prefix(REQUEST_URI);
    let pushed = pushed.and_then(|name| app.authorization.pushed.take(name, now, |it| it.client_id == id));
    pushed.ok_or_else(|| page("the pushed request was used already, is too old, or of another app"))
}

/// What an app is told that has to push its requests, and did not (RFC 9126 section 6).
fn unpushed(request: Request) -> RequestError {
    let Request { redirect_uri, state, .. } = request;
    let why = "this app has to push its requests to `/par` first".to_owned();
    RequestError::App(Refused { redirect_uri, state, code: "invalid_request", why })
}

fn subject_of(app: &App, hint: &str, now: Timestamp) -> Option<String> {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref()?;
    let issuers = app.authorization.id_issuers(said, now).ok()?;
    read_hint(&issuers, hint).ok().map(|hint| hint.subject)
}

fn told(app: &App, from: &Connection, carried: &Carried, code: &'static str, why: String) -> Response {
    let issuer = app.in_force().desired.fleet.authorization.as_ref().map(|said| said.issuer.clone());
    let Request { redirect_uri, state, client_id, .. } = &carried.request;
    let refused = Refused { redirect_uri: redirect_uri.clone(), state: state.clone(), code, why };
    back::refused(app, from, &issuer.unwrap_or_default(), client_id, &refused)
}

async fn go_on(app: &Arc<App>, from: &Connection, headers: &HeaderMap, carried: Carried, now: Timestamp) -> Response {
    match decide(app, from, headers, &carried, now).await {
        Ok(answer) | Err(Stop::Detour(answer)) => answer,
        Err(Stop::App(code, why)) => told(app, from, &carried, code, why),
        Err(Stop::Page(problem)) => back::page(app, from, problem, now).await,
    }
}

/// The code, or what comes before.
async fn decide(
    app: &Arc<App>,
    from: &Connection,
    headers: &HeaderMap,
    carried: &Carried,
    now: Timestamp,
) -> Result<Response, Stop> {
    let request = &carried.request;
    let rules = rules_of(app, request).await?;
    if carried.denied {
        return Err(Stop::App("access_denied", "the person did not allow it".to_owned()));
    }
    let who = person(app, headers, carried, now).await?;
    allowed(app, from, headers, carried, &rules, &who, now).await?;
    let code = base64::encode_url(&random::bytes::<32>());
    let held = HeldCode {
        code: Code::new(granted(request, &who), &request.redirect_uri, request.challenge, now),
        session: (!request.scopes.has(OFFLINE)).then(|| who.session.clone()),
        nonce: request.nonce.clone(),
    };
    let stored = app.authorization.codes.put(&code, held, now.plus(CODE_TTL), now);
    stored.map_err(|_| Stop::App("temporarily_unavailable", "there are too many codes now; try again".to_owned()))?;
    let in_force = app.in_force();
    let issuer = in_force.desired.fleet.authorization.as_ref().map(|said| said.issuer.as_str()).unwrap_or_default();
    let mut parameters = vec![("code", code.as_str())];
    parameters.extend(request.state.as_deref().map(|state| ("state", state)));
    parameters.push(("iss", issuer));
    Ok(back::to(&with_parameters(&request.redirect_uri, &parameters)))
}

/// The app as the fleet file has it now: it may be another one than when the browser came.
async fn rules_of(app: &App, request: &Request) -> Result<Arc<AppRules>, Stop> {
    let gone = || Stop::Page(back::wrong("the app is another one now", &request.client_id));
    let rules = app.authorization.app(app, &request.client_id).await?.ok_or_else(gone)?;
    let knows = rules.redirect.iter().any(|known| known.allows(&request.redirect_uri));
    let has = request.scopes.iter().all(|scope| rules.scopes.iter().any(|known| known == scope));
    let may = audiences(request).all(|audience| rules.audiences.contains(audience));
    if knows && has && may { Ok(rules) } else { Err(gone()) }
}

/// All that the tokens may be for.
fn audiences(request: &Request) -> impl Iterator<Item = &String> {
    std::iter::once(&request.audience).chain(&request.further)
}

/// Who is signed in, as lately and as well as the app wants.
async fn person(app: &App, headers: &HeaderMap, carried: &Carried, now: Timestamp) -> Result<SignedIn, Stop> {
    let Carried { request, begun, subject, asked_second, .. } = carried;
    let who = people::signed_in(app, headers, now).await;
    let is_new = |who: &SignedIn| who.auth_time >= *begun;
    let is_old = |who: &SignedIn| {
        let too_long = request.max_age_s.is_some_and(|max| now.since(who.auth_time).as_secs() > max);
        (request.prompt.login || too_long) && !is_new(who)
    };
    let is_other = |who: &SignedIn| subject.as_ref().is_some_and(|subject| *subject != who.account.subject);
    let wants_second = request.wants(ACR_TWO_FACTORS) && !asked_second;
    let (fresh, second_factor) = match &who {
        Some(who) if is_other(who) && is_new(who) => {
            return Err(Stop::App("login_required", "somebody else signed in than the app means".to_owned()));
        }
        Some(who) if is_other(who) || is_old(who) => (true, wants_second),
        Some(who) if wants_second && who.acr != ACR_TWO_FACTORS => (false, true),
        Some(who) => return Ok(who.clone()),
        // Nobody is here; somebody may be at another provider, and that does not do either.
        None => (request.prompt.login || request.max_age_s.is_some(), wants_second),
    };
    if request.prompt.none {
        // The factor is a wish; that somebody is there, and lately, is not.
        if let Some(who) = who.filter(|who| !fresh && !is_other(who)) {
            return Ok(who);
        }
        return Err(Stop::App("login_required", "nobody is signed in as the app wants it".to_owned()));
    }
    let next = Carried { asked_second: *asked_second || second_factor, ..carried.clone() };
    let to = carried::address(app, paths::AUTHORIZE_ON, &next, now)?;
    Err(Stop::Detour(people::to_sign_in(app, &Way { to, fresh, second_factor }).await))
}

/// Whether the person allows it: said before, just now, or asked.
async fn allowed(
    app: &Arc<App>,
    from: &Connection,
    headers: &HeaderMap,
    carried: &Carried,
    rules: &AppRules,
    who: &SignedIn,
    now: Timestamp,
) -> Result<(), Stop> {
    let request = &carried.request;
    let just_now = carried.allowed_by.as_ref() == Some(&who.session);
    let scopes: Vec<String> = request.scopes.iter().map(str::to_owned).collect();
    let (subject, client) = (&who.account.subject, &request.client_id);
    let enough = match (request.prompt.consent, rules.trusted) {
        _ if just_now => true,
        (true, _) => false,
        (false, true) => true,
        (false, false) => {
            let mut all = true;
            for audience in audiences(request) {
                all = all && people::has_consent(app, subject, client, audience, &scopes).await?;
            }
            all
        }
    };
    if enough {
        return Ok(());
    }
    if request.prompt.none {
        return Err(Stop::App("consent_required", "the person was not asked yet".to_owned()));
    }
    let yes = Carried { allowed_by: Some(who.session.clone()), ..carried.clone() };
    let no = Carried { denied: true, ..carried.clone() };
    let wanted = people::Wanted {
        client: client.clone(),
        client_name: rules.title.clone(),
        audiences: audiences(request).cloned().collect(),
        scopes: scopes.into_iter().map(|scope| (scope.clone(), about(&scope))).collect(),
        allowed: carried::address(app, paths::AUTHORIZE_ON, &yes, now)?,
        denied: carried::address(app, paths::AUTHORIZE_ON, &no, now)?,
    };
    Err(Stop::Detour(people::ask_consent(app, headers, from.remote, who, wanted, now).await))
}

/// What a scope of everybody's means, for people.
pub(super) fn about(scope: &str) -> Option<String> {
    let about = match scope {
        "openid" => "know that it is you",
        "profile" => "see your name",
        "email" => "see your e-mail address",
        OFFLINE => "go on after you signed out",
        _ => return None,
    };
    Some(about.to_owned())
}

fn granted(request: &Request, who: &SignedIn) -> Granted {
    Granted {
        client_id: request.client_id.clone(),
        subject: who.account.subject.clone(),
        audience: request.audience.clone(),
        further: request.further.clone(),
        scopes: request.scopes.clone(),
        key: request.key,
        claims: claims_of(who),
    }
}

/// What tokens say of somebody and how that person signed in.
pub(super) fn claims_of(who: &SignedIn) -> Object {
    let mut claims = family::claims_of_account(&who.account);
    for (name, value) in [
        ("auth_time", json!(who.auth_time.as_secs())),
        ("acr", json!(who.acr)),
        ("amr", json!(who.amr)),
        ("sid", json!(who.session)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    claims
}
