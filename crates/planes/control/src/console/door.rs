//! What somebody who is not signed in may ask: `/sign-in/state`, `/sign-in/link`, `/sign-in/password`; and `/sign-in/out`.

use super::gate::{self, check_mark, cookies, session_of};
use super::refusal::{refuse, too_often};
use super::sessions::{Asker, Newcomer};
use crate::api::{Endpoint, Method, Who};
use crate::app::App;
use crate::error::chain;
use crate::limits::{ADDRESS_TRIES, AGENT_CHARS_MAX, CONSOLE_SESSION_LIFE};
use crate::people::{self, Guesser, Proof};
use crate::settled::before_answers;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::header::{HeaderValue, ORIGIN, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bartizan_core::Secret;
use bartizan_core::console::{
    ConsoleRole, Refusal, SignInByLink, SignInByPassword, SignInState, SignedIn, SignedOut, Way,
};
use bartizan_core::event::{Deed, Person, What};
use bartizan_runtime::clock;
use bartizan_runtime::https::Visitor;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All of them. Nothing else is answered to nobody, but pages.
pub(crate) const ENDPOINTS: &[Endpoint] = &[STATE, LINK, PASSWORD, OUT];

const STATE: Endpoint = Endpoint {
    method: Method::Get,
    path: "/sign-in/state",
    who: Who::Nobody,
    about: "How somebody can sign in here",
    route: || get(state),
};

const LINK: Endpoint = Endpoint {
    method: Method::Post,
    path: "/sign-in/link",
    who: Who::Nobody,
    about: "Sign in by a link, which works once",
    route: || post(link),
};

const PASSWORD: Endpoint = Endpoint {
    method: Method::Post,
    path: "/sign-in/password",
    who: Who::Nobody,
    about: "Sign in with name and password, and a code where one is wanted",
    route: || post(password),
};

const OUT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/sign-in/out",
    who: Who::Viewer,
    about: "End the session",
    route: || post(out),
};

/// The router of the whole table. Who asks is looked at by each.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(endpoint.path, (endpoint.route)());
    }
    router.layer(from_fn_with_state(Arc::clone(app), before_answers)).with_state(Arc::clone(app))
}

async fn state(State(app): State<Arc<App>>) -> Json<SignInState> {
    let in_force = app.in_force();
    let fleet = &in_force.desired.fleet;
    let people = fleet.authorization.as_ref().is_some_and(|said| said.people.is_some());
    Json(SignInState { first_run: app.console.book.is_new(), people, fleet: fleet.name.to_string() })
}

/// What came as JSON; a form of another site cannot send that.
fn body<T>(sent: Result<Json<T>, JsonRejection>) -> Result<T, Box<Response>> {
    sent.map(|Json(it)| it).map_err(|error| Box::new(refuse(error.status(), &error.body_text())))
}

async fn link(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Result<Json<SignInByLink>, JsonRejection>,
) -> Response {
    let token = match body(sent) {
        Ok(SignInByLink { token }) => token,
        Err(refused) => return *refused,
    };
    let guesser = Guesser::new("console link", &visitor.remote.ip().to_string());
    if let Err(wait) = app.console.tries.take(guesser, ADDRESS_TRIES, Instant::now()) {
        tell(&app, &visitor, None, Deed::Locked, "link", "console: too many tries");
        return too_often(wait);
    }
    match app.console.book.take_link(&token, clock::now()).await {
        Ok(Some((role, name))) => {
            app.console.tries.undo(guesser);
            let newcomer = newcomer(&visitor, &headers, (name, None), role, Way::Link);
            begin(&app, &visitor, &headers, newcomer, "link").await
        }
        Ok(None) => {
            tell(&app, &visitor, None, Deed::NotSignedIn, "link", "console: the link is used, over, or none");
            refuse(
                StatusCode::UNAUTHORIZED,
                "that link was used, or its time is over; `bartizan console link` gives another",
            )
        }
        Err(error) => unable(&error),
    }
}

async fn password(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Result<Json<SignInByPassword>, JsonRejection>,
) -> Response {
    let SignInByPassword { name, password, code } = match body(sent) {
        Ok(sent) => sent,
        Err(refused) => return *refused,
    };
    let password = Secret::new(password);
    match people::prove(&app, &headers, visitor.remote, clock::now(), &name, password, code.as_deref()).await {
        Proof::Known { subject, name, roles, shown } => {
            let Some(role) = app.in_force().desired.fleet.console.role_of(&roles) else {
                let whom = Some((subject.as_str(), name.as_str()));
                tell(&app, &visitor, whom, Deed::NotSignedIn, &shown, "console: no role for it");
                return refuse(
                    StatusCode::FORBIDDEN,
                    "your account has no role for the console; an administrator can give you `bartizan:viewer`",
                );
            };
            let newcomer = newcomer(&visitor, &headers, (name, Some(subject)), role, Way::Password);
            begin(&app, &visitor, &headers, newcomer, &shown).await
        }
        Proof::Wrong => wrong("name or password is wrong", false),
        Proof::WantsCode => wrong("a code is wanted", true),
        Proof::WrongCode => wrong("that code is wrong, or was used already", true),
        Proof::NoCode => {
            wrong("your account needs a second step, and has none here: set up codes of an app first", false)
        }
        Proof::TooEarly(wait) => too_often(wait),
        Proof::NotServed => refuse(
            StatusCode::NOT_FOUND,
            "nobody has a password here; `bartizan console link` gives a link, `authorization.people` of the fleet file has people",
        ),
        Proof::Unable => refuse(StatusCode::SERVICE_UNAVAILABLE, "it cannot be looked at now; try again"),
    }
}

fn wrong(why: &str, wants_code: bool) -> Response {
    (StatusCode::UNAUTHORIZED, Json(Refusal { error: why.to_owned(), wants_code: Some(wants_code) })).into_response()
}

async fn out(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>, request: Request) -> Response {
    let session = match session_of(&app, Some(visitor), request.headers(), Asker::Person, clock::now()).await {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    if let Err(refused) = check_mark(&app, &session, &request) {
        return *refused;
    }
    app.console.book.end(|row| row.session == session.id);
    gate::tell(&app, &session, Deed::SignedOut, "console");
    if let Err(error) = app.console.book.save().await {
        return unable(&error);
    }
    let mut answer = Json(SignedOut { signed_out: true }).into_response();
    let fleet = app.in_force().desired.fleet.name.clone();
    for (name, secure) in cookies(fleet.as_str()).iter().zip([true, false]) {
        answer.headers_mut().append(SET_COOKIE, cookie(name, "", Duration::ZERO, secure));
    }
    answer
}

fn newcomer(
    visitor: &Visitor,
    headers: &HeaderMap,
    (name, subject): (String, Option<String>),
    role: ConsoleRole,
    way: Way,
) -> Newcomer {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = agent.chars().filter(|letter| !letter.is_control()).take(AGENT_CHARS_MAX).collect();
    Newcomer { name, subject, role, way, address: visitor.remote.ip().to_string(), agent }
}

/// Begins a session with a secret of its own, whatever cookie the browser came with.
async fn begin(app: &Arc<App>, visitor: &Visitor, headers: &HeaderMap, newcomer: Newcomer, shown: &str) -> Response {
    let (name, subject, role) = (newcomer.name.clone(), newcomer.subject.clone(), newcomer.role);
    match app.console.book.begin(newcomer, clock::now()).await {
        Ok(secret) => {
            let whom = Some((subject.as_deref().unwrap_or(&name), name.as_str()));
            tell(app, visitor, whom, Deed::SignedIn, shown, &format!("console: {role}"));
            let fleet = app.in_force().desired.fleet.name.clone();
            let [secure_name, plain_name] = cookies(fleet.as_str());
            // Something in front of us may speak TLS; the page's own address says so.
            let secure =
                visitor.encrypted || headers.get(ORIGIN).is_some_and(|it| it.as_bytes().starts_with(b"https:"));
            let name_of_cookie = if secure { secure_name } else { plain_name };
            let mut answer = Json(SignedIn { name, role }).into_response();
            let field = cookie(&name_of_cookie, &secret, CONSOLE_SESSION_LIFE, secure);
            answer.headers_mut().insert(SET_COOKIE, field);
            answer
        }
        Err(error) => unable(&error),
    }
}

/// For no script, and for no request that a page of another site sends.
fn cookie(name: &str, value: &str, life: Duration, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age={}", life.as_secs());
    // Names are ours and values base64; where not, there is no cookie.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn unable(error: &super::BookError) -> Response {
    tracing::error!(error = chain(error), "nobody can sign in at the console");
    refuse(StatusCode::SERVICE_UNAVAILABLE, &chain(error))
}

fn tell(app: &App, visitor: &Visitor, whom: Option<(&str, &str)>, deed: Deed, shown: &str, reason: &str) {
    app.own_events.write(
        None,
        What::Person(Person {
            subject: whom.map(|(subject, _)| subject.into()),
            name: whom.map(|(_, name)| name.into()),
            deed,
            factors: Some(shown.into()),
            reason: Some(reason.into()),
            remote: Some(visitor.remote),
            by: None,
        }),
    );
}
