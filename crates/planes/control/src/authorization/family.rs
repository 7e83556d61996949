//! Families of tokens, as they are begun, used and ended: each state is on disk before an answer goes out.

use super::answer::Refusal;
use super::ask::Asked;
use super::given::Given;
use super::granting::{Grants, GrantsError};
use crate::app::App;
use crate::error::chain;
use crate::limits::FAMILY_TRIES;
use crate::people::{self, Account};
use bartizan_core::authorization::{App as AppRules, Grant};
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::jose::json::Object;
use bartizan_store::{Put, StoreError, StoredFamily, Whose};
use bartizan_tokens::Scopes;
use bartizan_tokens::grant::{Answer, Family, FamilyId, RefreshError, RefreshRequest, RefreshToken};
use bartizan_tokens::limits::ACCESS_TTL;
use serde_json::json;

/// Begins a family, and answers with its first tokens. `session` is the one that it ends with.
pub(super) async fn begin(
    app: &App,
    asked: &Asked,
    family: Family,
    session: Option<String>,
    nonce: Option<String>,
    now: Timestamp,
) -> Result<Given, Refusal> {
    let caller = asked.app()?;
    let wanted = wanted(asked)?;
    let audience = family.granted.chosen(wanted).ok_or_else(other_resource)?;
    let grants = app.authorization.grants(app).await?;
    let key = grants.key().map_err(Refusal::unable)?;
    let is_renewed = caller.rules.grants.contains(&Grant::RefreshToken);
    let stored = StoredFamily {
        id: family.id.0,
        version: 0,
        client: family.granted.client_id.clone(),
        subject: family.granted.subject.clone(),
        session,
        ends: if is_renewed { family.ends() } else { now.plus(ACCESS_TTL + CLOCK_SKEW) },
        state: write(&family)?,
    };
    let session = stored.session.clone();
    match grants.store.put(stored, now).await {
        Ok(Put::Done) => {}
        Ok(Put::Changed) => return Err(Refusal::unable("a family of that name is there already")),
        Err(error) => return Err(unable(&error)),
    }
    // Looked at once it is stored: whoever ends it from here on finds it, whoever did before is seen.
    match over(app, &family, session.as_deref(), now).await? {
        None => {
            let first = family.first_for(audience, asked.peer().map(|peer| peer.certificate()), key);
            Ok(given(first, is_renewed, nonce))
        }
        Some(why) => {
            end(app, family.id, now).await?;
            Err(Refusal::invalid_grant(why))
        }
    }
}

/// Why a family that begins is over already: its code was shown twice at once, or somebody signed out meanwhile.
async fn over(
    app: &App,
    family: &Family,
    session: Option<&str>,
    now: Timestamp,
) -> Result<Option<&'static str>, Refusal> {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref();
    if said.is_some_and(|said| app.authorization.revoked.has_family(&said.issuer, &family.id.to_string())) {
        return Ok(Some("what it is good for was taken back"));
    }
    let failed = |error: people::PeopleError| Refusal::unable(chain(&error));
    if let Some(session) = session
        && !people::is_alive(app, session, now).await.map_err(failed)?
    {
        return Ok(Some("the session is over"));
    }
    let account = people::account(app, &family.granted.subject).await.map_err(failed)?;
    Ok(account.is_none().then_some("there is no such account, or it is disabled"))
}

fn given(answer: Answer, is_renewed: bool, nonce: Option<String>) -> Given {
    let Answer { refresh_token, access, random, issued } = answer;
    let refresh = is_renewed.then_some(refresh_token);
    Given { access, name: random, issued, refresh, id: Some(nonce) }
}

/// Uses a refresh token: of two who do at once, one makes the next and both get the same.
pub(super) async fn refresh(app: &App, asked: &Asked, now: Timestamp) -> Result<Given, Refusal> {
    let caller = asked.app()?;
    let proof = asked.needed_proof()?;
    let shown = asked.form.get("refresh_token");
    let shown = shown.ok_or_else(|| Refusal::invalid_request("`refresh_token` is missing", ""))?;
    let scopes = asked.form.get("scope").map(Scopes::parse).transpose();
    let scopes = scopes.map_err(|why| scope(why.to_string()))?;
    let grants = app.authorization.grants(app).await?;
    let key = grants.key().map_err(Refusal::unable)?;
    let token =
        RefreshToken::read(shown, key).ok_or_else(|| Refusal::invalid_grant("it is no refresh token of ours"))?;
    let request = RefreshRequest {
        client_id: &caller.id,
        scopes: scopes.as_ref(),
        audience: wanted(asked)?,
        proof_key: proof.as_ref(),
        certificate: asked.peer().map(|peer| peer.certificate()),
    };
    for _ in 0..FAMILY_TRIES {
        match try_refresh(app, &grants, key, &token, &request, &caller.rules, now).await? {
            Some(answer) => return Ok(given(answer, true, None)),
            None => continue,
        }
    }
    Err(Refusal::unable("the family is changed by others all the time"))
}

/// `None` where somebody else was first: what that left has to be read.
async fn try_refresh(
    app: &App,
    grants: &Grants,
    key: &Secret<[u8; 32]>,
    token: &RefreshToken,
    request: &RefreshRequest<'_>,
    rules: &AppRules,
    now: Timestamp,
) -> Result<Option<Answer>, Refusal> {
    let stored = grants.store.family(&token.family().0).await.map_err(|error| unable(&error))?;
    let stored = stored.ok_or_else(|| Refusal::invalid_grant("its family is over and forgotten"))?;
    let before = read(&stored).map_err(|error| Refusal::unable(error.detail()))?;
    let (mut after, mut outcome) = before.clone().refresh(token, request, key, now);
    let mut account = None;
    if outcome.is_ok() {
        let audience = before.granted.chosen(request.audience).unwrap_or_default();
        match standing(app, &stored, &before, audience, rules, now).await? {
            Ok(found) => account = Some(found),
            Err(why) => {
                (after, outcome) = (before.clone().revoke(), Err(RefreshError::Revoked));
                tracing::info!(family = %before.id, why, "a family of tokens ends");
            }
        }
    }
    if after != before {
        let next = StoredFamily { ends: after.ends(), state: write(&after)?, ..stored };
        match grants.store.put(next, now).await {
            Ok(Put::Done) => {}
            Ok(Put::Changed) => return Ok(None),
            Err(error) => return Err(unable(&error)),
        }
        if after.is_revoked() {
            take_back(app, before.id, now);
        }
    }
    let mut answer = outcome.map_err(refused)?;
    if let Some(account) = account {
        answer.access.more.extend(claims_of_account(&account));
    }
    // What the fleet file lets the app have now counts, not what it did when it was allowed.
    let possible = Scopes::parse(&rules.scopes.join(" ")).map_err(|why| Refusal::unable(why.to_string()))?;
    answer.access.scopes = answer.access.scopes.common(&possible);
    Ok(Some(answer))
}

/// The account on whose behalf it is, where everything stands as when it was allowed; a word where it does not.
async fn standing(
    app: &App,
    stored: &StoredFamily,
    family: &Family,
    audience: &str,
    rules: &AppRules,
    now: Timestamp,
) -> Result<Result<Account, &'static str>, Refusal> {
    if !rules.grants.contains(&Grant::RefreshToken) {
        return Ok(Err("the app may not renew tokens any more"));
    }
    if !rules.audiences.iter().any(|it| it == audience) {
        return Ok(Err("the app may not have tokens for that audience any more"));
    }
    let failed = |error: people::PeopleError| Refusal::unable(chain(&error));
    if let Some(session) = &stored.session
        && !people::is_alive(app, session, now).await.map_err(failed)?
    {
        return Ok(Err("the session is over"));
    }
    let account = people::account(app, &family.granted.subject).await.map_err(failed)?;
    Ok(account.ok_or("there is no such account, or it is disabled"))
}

/// What access tokens say of an account: read by the gateway.
pub(super) fn claims_of_account(account: &Account) -> Object {
    let mut claims = Object::new();
    claims.insert("roles".to_owned(), json!(account.roles));
    if let Some(tenant) = &account.tenant {
        claims.insert("tenant".to_owned(), json!(tenant));
    }
    claims
}

/// The one whom the token is to be for, where the app says.
fn wanted(asked: &Asked) -> Result<Option<&str>, Refusal> {
    asked.form.resource().map_err(|why| Refusal::bad("invalid_target", why, ""))
}

fn other_resource() -> Refusal {
    Refusal::bad("invalid_target", "this grant is for another `resource`", "another resource than the grant's")
}

fn scope(detail: String) -> Refusal {
    Refusal::bad("invalid_scope", "more scopes are asked for than were granted", detail)
}

fn refused(error: RefreshError) -> Refusal {
    let detail = error.to_string();
    match error {
        RefreshError::Scopes(_) => scope(detail),
        RefreshError::Audience => other_resource(),
        _ => Refusal::invalid_grant(detail),
    }
}

/// Ends a family by its name, as far as there is one.
pub(super) async fn end(app: &App, id: FamilyId, now: Timestamp) -> Result<(), Refusal> {
    let grants = app.authorization.grants(app).await?;
    // First, since it counts at once: the family may be written by somebody else for a moment.
    take_back(app, id, now);
    for _ in 0..FAMILY_TRIES {
        let stored = grants.store.family(&id.0).await.map_err(|error| unable(&error))?;
        let Some(stored) = stored else { return Ok(()) };
        if revoke(&grants, stored, now).await.map_err(|error| Refusal::unable(error.detail()))? {
            return Ok(());
        }
    }
    Err(Refusal::unable("the family is changed by others all the time"))
}

/// Ends all families of somebody that began until a moment.
pub(super) async fn end_all(app: &App, whose: &Whose, until: Timestamp, now: Timestamp) -> Result<(), GrantsError> {
    let grants = app.authorization.granting.open(app).await?;
    loop {
        let mut found = false;
        for stored in grants.store.families(whose, now).await? {
            let family = read(&stored)?;
            // What somebody was given since has nothing to do with it.
            if family.begun > until {
                continue;
            }
            found = true;
            if !family.is_revoked() {
                take_back(app, family.id, now);
            }
            revoke(&grants, stored, now).await?;
        }
        // As many as were read may be followed by more; those that are over are read no more.
        if !found {
            return Ok(());
        }
    }
}

/// Stores that a family is revoked; false where somebody else changed it meanwhile. It is kept for as long as one of its refresh tokens
/// could still look like a new one to somebody who reads the database late.
async fn revoke(grants: &Grants, stored: StoredFamily, now: Timestamp) -> Result<bool, GrantsError> {
    let family = read(&stored)?.revoke();
    let state = serde_json::to_string(&family).map_err(|_| GrantsError::Record(family.id.to_string()))?;
    let put = grants.store.put(StoredFamily { ends: now, state, ..stored }, now).await?;
    Ok(put == Put::Done)
}

/// Has the gateway refuse what was given of a family.
fn take_back(app: &App, id: FamilyId, now: Timestamp) {
    let in_force = app.in_force();
    let Some(said) = in_force.desired.fleet.authorization.as_ref() else { return };
    if let Err(error) = app.authorization.revoked.take_back_family(&said.issuer, &id.to_string(), now) {
        // What was given ends by itself within minutes, and nothing is renewed.
        tracing::error!(why = chain(&error), family = %id, "tokens of a family that ended were not taken back");
    }
}

pub(super) fn read(stored: &StoredFamily) -> Result<Family, GrantsError> {
    serde_json::from_str(&stored.state).map_err(|_| GrantsError::Record(FamilyId(stored.id).to_string()))
}

fn write(family: &Family) -> Result<String, Refusal> {
    serde_json::to_string(family).map_err(|error| Refusal::unable(error.to_string()))
}

fn unable(error: &StoreError) -> Refusal {
    Refusal::unable(chain(error))
}
