//! `bartizan revoke`, `restore` and `revoked`.

use super::{place, print, print_json, unanswered};
use crate::args::{DataArgs, RestoreArgs, RevokeArgs};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::limits::{ENFORCED_LOOK, ENFORCED_WITHIN};
use bartizan_core::deny::{DenyList, Subject};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::{Restore, Revoke, Revoked, Status};
use bartizan_core::{Role, ServiceName, SpiffeId, TrustDomain};
use bartizan_runtime::local;
use serde::Serialize;
use std::time::Instant;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Done {
    subject: Subject,
    #[serde(flatten)]
    revoked: Revoked,
    /// Attached guards that enforce it.
    enforced_by: usize,
    /// Attached guards.
    of: usize,
}

/// Puts somebody on the deny list, and waits a moment until the guards enforce it.
pub(crate) async fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let subject = subject(&data, &args.subject).await?;
    let wanted = Revoke { subject: subject.to_string(), reason: args.reason.clone() };
    let revoked: Revoked =
        local::post(&data.control_socket(), "/v1/revoke", &wanted).await.map_err(|error| unanswered(&data, &error))?;
    tell(&data, &args.data, subject, revoked, "is not trusted any more").await
}

/// Takes somebody off the deny list.
pub(crate) async fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let subject = subject(&data, &args.subject).await?;
    let revoked: Revoked =
        local::post(&data.control_socket(), "/v1/restore", &Restore { subject: subject.to_string() })
            .await
            .map_err(|error| unanswered(&data, &error))?;
    tell(&data, &args.data, subject, revoked, "is off the deny list").await
}

/// Prints the deny list.
pub(crate) async fn list(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let list: DenyList =
        local::get(&data.control_socket(), "/v1/denied").await.map_err(|error| unanswered(&data, &error))?;
    if args.json {
        return print_json(&list);
    }
    if list.entries.is_empty() {
        return print("nobody is on the deny list\n");
    }
    let line = |it: &bartizan_core::deny::Denied| {
        format!("{}  since {}  by {}: {}\n", it.subject, crate::render::utc(it.since), it.by, it.reason)
    };
    print(&list.entries.iter().map(line).collect::<String>())
}

/// A subject as it is written, or a bare name of a service.
async fn subject(data: &DataDir, text: &str) -> Result<Subject, Failure> {
    if text.contains(':') {
        return Subject::parse(text).map_err(|error| Failure::new(format!("`{text}` cannot be denied: {error}")));
    }
    let status = status(data).await?;
    named(&status.trust_domain, status.proxies.iter().map(|proxy| &proxy.service), text)
}

fn named<'a>(
    domain: &TrustDomain,
    mut services: impl Iterator<Item = &'a ServiceName>,
    text: &str,
) -> Result<Subject, Failure> {
    let name = services.find(|name| name.as_str() == text).ok_or_else(|| {
        Failure::new(format!(
            "the fleet has no service `{text}`; name one, or write `id:spiffe://...`, `serial:...`, `key:...`, `node:...`, `domain:...` or `issuer:...`"
        ))
    })?;
    Ok(Subject::Id(SpiffeId::of(domain, &Role::Service(name.clone()))))
}

async fn status(data: &DataDir) -> Result<Status, Failure> {
    local::get(&data.control_socket(), "/v1/status").await.map_err(|error| unanswered(data, &error))
}

async fn tell(data: &DataDir, how: &DataArgs, subject: Subject, revoked: Revoked, what: &str) -> Result<(), Failure> {
    let (enforced_by, of) = enforced(data, revoked.epoch).await?;
    let done = Done { subject, revoked, enforced_by, of };
    if how.json { print_json(&done) } else { print(&told(&done, what)) }
}

/// How many attached guards enforce the list of `epoch`, of how many; waits for all of them, but not long.
async fn enforced(data: &DataDir, epoch: Epoch) -> Result<(usize, usize), Failure> {
    let began = Instant::now();
    loop {
        let status = status(data).await?;
        let attached: Vec<_> = status.proxies.iter().filter(|proxy| proxy.attached).collect();
        let holds = |held: Option<&Epoch>| held.is_some_and(|held| *held >= epoch);
        let enforce = attached.iter().filter(|proxy| holds(proxy.held.get(&Kind::DenyList))).count();
        if enforce == attached.len() || began.elapsed() > ENFORCED_WITHIN {
            return Ok((enforce, attached.len()));
        }
        tokio::time::sleep(ENFORCED_LOOK).await;
    }
}

fn told(done: &Done, what: &str) -> String {
    let Done { subject, revoked: Revoked { epoch, services, unplaced }, enforced_by, of } = done;
    let mut text = format!("{subject} {what}: epoch {}, enforced by {enforced_by} of {of} guards\n", epoch.0);
    let list = |names: &[ServiceName]| names.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
    if !services.is_empty() {
        text.push_str(&format!("denied now: {}\n", list(services)));
    }
    if !unplaced.is_empty() {
        text.push_str(&format!(
            "not known who vouched for: {}; restart them, or revoke them by name\n",
            list(unplaced)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_service() {
        let (domain, web) = (TrustDomain::parse("bank.test").unwrap(), ServiceName::parse("web").unwrap());
        let found = |text: &str| named(&domain, [&web].into_iter(), text).map(|it| it.to_string());
        assert_eq!(found("web").unwrap(), "id:spiffe://bank.test/svc/web");
        assert!(found("wbe").is_err());
    }

    #[test]
    fn says_who_is_denied_and_who_enforces_it() {
        let names = |names: &[&str]| names.iter().map(|name| ServiceName::parse(name).unwrap()).collect();
        let revoked = Revoked { epoch: Epoch(7), services: names(&["web"]), unplaced: names(&["api", "db"]) };
        let done = Done { subject: Subject::parse("node:n1").unwrap(), revoked, enforced_by: 5, of: 6 };
        assert_eq!(
            told(&done, "is not trusted any more"),
            "node:n1 is not trusted any more: epoch 7, enforced by 5 of 6 guards\ndenied now: web\n\
             not known who vouched for: api, db; restart them, or revoke them by name\n"
        );
    }
}
