//! Whose account it is: that with which this very subject of this very issuer is connected, and no other.

use super::super::deeds;
use super::super::gate::Visit;
use super::super::pages::{see_other, with_cookies};
use super::super::paths;
use super::super::person::{Person, Record};
use super::super::session::{self, Factor, Shown};
use super::super::{sign_in, step};
use super::carried::Carried;
use super::redeem::Known;
use super::{Connected, Failure};
use crate::limits::CONNECTED_EACH_MAX;
use axum::http::HeaderMap;
use axum::response::Response;
use bartizan_core::event::Deed;
use bartizan_core::people::{DISPLAY_BYTES_MAX, NAME_BYTES_MAX, is_shown, name as name_of};
use bartizan_core::upstream::Upstream;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::{hash, random};
use bartizan_tokens::{claim_at, claim_texts};
use serde_json::Value;

/// Longest part of an account's name that another provider chose, in bytes.
const CHOSEN_BYTES_MAX: usize = 128;

/// What a provider says of somebody, as far as it counts here.
struct Said {
    name: Option<String>,
    display_name: Option<String>,
    /// Verified by it.
    email: Option<String>,
    tenant: Option<String>,
    roles: Vec<String>,
}

impl Said {
    fn read(said: &Upstream, claims: &Object) -> Self {
        let text = |path: &str, bytes_max| {
            let text = claim_at(claims, path).and_then(Value::as_str);
            text.filter(|text| is_shown(text, bytes_max)).map(str::to_owned)
        };
        let theirs = said.claims.roles.as_ref().and_then(|path| claim_at(claims, path)).map(claim_texts);
        let verified = claims.get("email_verified") == Some(&Value::Bool(true));
        Self {
            name: text(&said.claims.name, NAME_BYTES_MAX),
            display_name: text(&said.claims.display_name, DISPLAY_BYTES_MAX),
            email: text("email", NAME_BYTES_MAX).filter(|it| verified && it.contains('@')),
            tenant: said.claims.tenant.as_ref().and_then(|path| text(path, DISPLAY_BYTES_MAX)),
            roles: said.roles_of(theirs.iter().flatten().map(String::as_str)),
        }
    }

    /// Whether somebody like that may come.
    fn check(&self, said: &Upstream) -> Result<(), Failure> {
        if !said.domains.is_empty() && !self.email.as_ref().is_some_and(|email| said.has_domain(email)) {
            return Err(Failure::refused(said, "no verified e-mail address in one of `domains`"));
        }
        let tenant = self.tenant.as_ref();
        if !said.tenants.is_empty() && !tenant.is_some_and(|tenant| said.tenants.contains(tenant)) {
            return Err(Failure::refused(said, "it is of none of `tenants`"));
        }
        Ok(())
    }
}

pub(super) async fn arrive(
    visit: &Visit,
    headers: &HeaderMap,
    said: &Upstream,
    carried: &Carried,
    known: Known,
) -> Result<Response, Failure> {
    let theirs = Said::read(said, &known.claims);
    theirs.check(said)?;
    match &carried.connects {
        Some((person, session)) => connect(visit, headers, said, carried, (person, session), &known, theirs).await,
        None => enter(visit, headers, said, carried, known, theirs).await,
    }
}

async fn enter(
    visit: &Visit,
    headers: &HeaderMap,
    said: &Upstream,
    carried: &Carried,
    known: Known,
    theirs: Said,
) -> Result<Response, Failure> {
    let person = match whose(visit, said, &known).await? {
        Some(person) => person,
        None if said.create => make(visit, said, carried, &known, &theirs).await?,
        None => {
            let told = format!(
                "No account here is connected with yours at {}. Sign in another way, then connect it in your account.",
                said.title
            );
            return Err(Failure::Refused(told, "no account is connected, and `create` is `no`".to_owned()));
        }
    };
    if person.record.disabled {
        return Err(Failure::refused(said, format!("`{}` is disabled", person.name)));
    }
    let person = note(visit, said, carried, &known, theirs, person).await?;
    let factor = known.theirs.factor(said);
    let at = if carried.way.fresh { None } else { known.theirs.at };
    let shown = Shown { factors: vec![factor], theirs: Some(known.theirs), at };
    let wanted = carried.way.second_factor
        || visit.rules.wants_second_factor(&person.record.all_roles())
        || person.record.has_second_factor();
    if wanted && factor != Factor::ElsewhereTwice {
        let step = step::cookie(visit, &person, &carried.way, shown);
        return Ok(with_cookies(see_other(paths::SECOND_FACTOR), [step]));
    }
    Ok(sign_in::finish(visit, headers, &person, shown, &carried.way).await?)
}

/// Who is connected with that subject.
async fn whose(visit: &Visit, said: &Upstream, known: &Known) -> Result<Option<Person>, Failure> {
    match visit.desk.store.connected(&said.issuer, &known.subject).await? {
        Some(id) => Ok(visit.desk.person(&id).await?),
        None => Ok(None),
    }
}

/// A new account. Its name begins with that of the provider: nobody there can choose a name that operators take for somebody else's.
async fn make(
    visit: &Visit,
    said: &Upstream,
    carried: &Carried,
    known: &Known,
    theirs: &Said,
) -> Result<Person, Failure> {
    let id = hash::hex(&random::bytes::<16>());
    let good = |letter: &char| letter.is_ascii_alphanumeric() || "._-+@".contains(*letter);
    let chosen: String = theirs.name.iter().flat_map(|it| it.chars()).filter(good).take(CHOSEN_BYTES_MAX).collect();
    let chosen = if chosen.is_empty() { id[..8].to_owned() } else { chosen };
    let plain = format!("{}+{chosen}", carried.provider);
    for wanted in [plain.clone(), format!("{plain}-{}", &id[..8])] {
        let Some(name) = name_of(&wanted) else { continue };
        let record = Record {
            display_name: theirs.display_name.clone().unwrap_or_else(|| name.clone()),
            added: visit.now,
            connected: vec![connected(said, carried, known, theirs, visit, true)],
            ..Record::default()
        };
        let person = Person::new(id.clone(), name.clone(), record);
        if !visit.desk.store.add(&person.row()).await? {
            continue; // somebody is called that
        }
        if !visit.desk.store.connect(&said.issuer, &known.subject, &id).await? {
            // The same person came by two ways at once, and the other was quicker.
            visit.desk.store.remove(&id).await?;
            let other = whose(visit, said, known).await?;
            return other.ok_or_else(|| Failure::Unable("the account was removed meanwhile".to_owned()));
        }
        deeds::tell_of(&visit.app, &id, &name, Deed::Added, &format!("provider {}", carried.provider));
        return Ok(person);
    }
    Err(Failure::Unable("no name is free".to_owned()))
}

fn connected(said: &Upstream, carried: &Carried, known: &Known, theirs: &Said, visit: &Visit, made: bool) -> Connected {
    Connected {
        provider: carried.provider.clone(),
        issuer: said.issuer.clone(),
        subject: known.subject.clone(),
        added: visit.now,
        used: None,
        roles: theirs.roles.clone(),
        made,
    }
}

/// Notes what the provider says now.
async fn note(
    visit: &Visit,
    said: &Upstream,
    carried: &Carried,
    known: &Known,
    theirs: Said,
    mut person: Person,
) -> Result<Person, Failure> {
    let changed = visit.desk.change(&person.id, |record| {
        let held = record.connected.iter_mut().find(|it| it.issuer == said.issuer && it.subject == known.subject);
        let made = match held {
            Some(held) => {
                held.roles.clone_from(&theirs.roles);
                (held.used, held.provider) = (Some(visit.now), carried.provider.clone());
                held.made
            }
            // The process ended between the two writes of connecting.
            None => {
                record.connected.push(connected(said, carried, known, &theirs, visit, false));
                false
            }
        };
        if made {
            // An account that was made for it is as it says; the others are as operators say.
            if let Some(name) = &theirs.display_name {
                record.display_name.clone_from(name);
            }
            (record.email_verified, record.email) = (theirs.email.is_some(), theirs.email.clone());
            record.tenant.clone_from(&theirs.tenant);
        }
        Some(record.clone())
    });
    let gone = || Failure::Unable("the account was removed meanwhile".to_owned());
    person.record = changed.await?.ok_or_else(gone)?;
    Ok(person)
}

/// Connects the account of somebody who is signed in, and began it in this very session.
async fn connect(
    visit: &Visit,
    headers: &HeaderMap,
    said: &Upstream,
    carried: &Carried,
    (person, session): (&str, &str),
    known: &Known,
    theirs: Said,
) -> Result<Response, Failure> {
    let who = session::by_cookie(&visit.desk, &visit.rules, headers, visit.now).await?;
    if !who.is_some_and(|who| who.account.subject == person && who.session == session) {
        let told = "You are not signed in as who began this. Go to your account and begin again.";
        return Err(Failure::Refused(told.to_owned(), "the session that began it is over".to_owned()));
    }
    if !visit.desk.store.connect(&said.issuer, &known.subject, person).await? {
        let told = format!("That account at {} is connected already.", said.title);
        return Err(Failure::Refused(told, "the subject is connected already".to_owned()));
    }
    let added = visit.desk.change(person, |record| {
        let room = record.connected.len() < CONNECTED_EACH_MAX;
        room.then(|| record.connected.push(connected(said, carried, known, &theirs, visit, false)))
    });
    if added.await?.is_none() {
        visit.desk.store.disconnect(person, &said.issuer, &known.subject).await?;
        return Err(Failure::Refused("There are too many already.".to_owned(), "too many are connected".to_owned()));
    }
    let whose = visit.desk.person(person).await?;
    deeds::tell(visit, whose.as_ref(), Deed::FactorAdded, Some(&format!("elsewhere {}", carried.provider)), None);
    session::end_all(&visit.app, &visit.desk, person, Some(session), visit.now).await?;
    Ok(see_other(paths::ACCOUNT))
}
