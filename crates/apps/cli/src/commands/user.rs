//! `bartizan user`.

use super::{place, print, print_json, unanswered};
use crate::args::{AddUserArgs, DataArgs, ResetUserArgs, UserArgs, UserCommand, UserRolesArgs};
use crate::failure::Failure;
use crate::render::{table, utc};
use bartizan_core::people::{
    AddUser, ChangeRoles, OfUser, ResetUser, User, UserDetail, UserElsewhere, UserLink, UserSession, Users, name,
};
use bartizan_runtime::local;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Columns of tables: names and browsers are long, and terminals wrap.
const WIDTH: u16 = u16::MAX;

/// Does what is asked with people.
pub(crate) async fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add(args) => add(args).await,
        UserCommand::List(args) => list(&args).await,
        UserCommand::Show(args) => show(&args).await,
        UserCommand::Disable(args) => of_one(args, "disable", "may not sign in any more; all sessions ended").await,
        UserCommand::Enable(args) => of_one(args, "enable", "may sign in again").await,
        UserCommand::Reset(args) => reset(args).await,
        UserCommand::Remove(args) => of_one(args, "remove", "was removed").await,
        UserCommand::SignOut(args) => of_one(args, "sign-out", "is signed out everywhere").await,
        UserCommand::Roles(args) => roles(args).await,
    }
}

async fn post<T: DeserializeOwned>(how: &DataArgs, path: &str, wanted: &impl Serialize) -> Result<T, Failure> {
    let data = place(&how.place)?;
    let path = format!("/v1/users/{path}");
    local::post(&data.control_socket(), &path, wanted).await.map_err(|error| unanswered(&data, &error))
}

async fn get<T: DeserializeOwned>(how: &DataArgs, path: &str) -> Result<T, Failure> {
    let data = place(&how.place)?;
    local::get(&data.control_socket(), path).await.map_err(|error| unanswered(&data, &error))
}

async fn add(args: AddUserArgs) -> Result<(), Failure> {
    let AddUserArgs { name, display_name, email, email_verified, roles, tenant, data: how } = args;
    let wanted = AddUser { name, display_name, email, email_verified, roles, tenant };
    tell_link(&how, &post(&how, "add", &wanted).await?)
}

async fn reset(args: ResetUserArgs) -> Result<(), Failure> {
    let ResetUserArgs { name, factors, data: how } = args;
    tell_link(&how, &post(&how, "reset", &ResetUser { name, factors }).await?)
}

fn tell_link(how: &DataArgs, link: &UserLink) -> Result<(), Failure> {
    if how.json {
        return print_json(link);
    }
    let UserLink { subject, name, link, until } = link;
    print(&format!("{name} ({subject})\nto set a password, once, until {}:\n{link}\n", utc(*until)))
}

async fn of_one(args: UserArgs, path: &str, done: &str) -> Result<(), Failure> {
    let UserArgs { name, data: how } = args;
    let user: User = post(&how, path, &OfUser { name }).await?;
    if how.json { print_json(&user) } else { print(&format!("{} {done}\n", user.name)) }
}

async fn roles(args: UserRolesArgs) -> Result<(), Failure> {
    let UserRolesArgs { name, add, remove, data: how } = args;
    let user: User = post(&how, "roles", &ChangeRoles { name, add, remove }).await?;
    if how.json {
        return print_json(&user);
    }
    print(&format!("{}: {}\n", user.name, listed(&user.roles)))
}

async fn list(how: &DataArgs) -> Result<(), Failure> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let Users { users, next }: Users = get(how, &format!("/v1/users?after={}", escape(&after))).await?;
        all.extend(users);
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    if how.json {
        return print_json(&all);
    }
    if all.is_empty() {
        return print("nobody; add somebody with `bartizan user add`\n");
    }
    let row = |user: &User| {
        [user.name.clone(), user.display_name.clone(), listed(&user.roles), state(user).to_owned(), factors(user)]
            .to_vec()
    };
    let headers = ["NAME", "SHOWN AS", "ROLES", "STATE", "FACTORS"];
    print(&format!("{}\n", table(&headers, all.iter().map(row).collect(), WIDTH).trim_end()))
}

async fn show(args: &UserArgs) -> Result<(), Failure> {
    // What is no name cannot stand in an address as it is; nobody is called that anyway.
    let named = name(&args.name).ok_or_else(|| Failure::new(format!("nobody is called `{}`", args.name)))?;
    let detail: UserDetail = get(&args.data, &format!("/v1/users/show?name={}", escape(&named))).await?;
    if args.data.json { print_json(&detail) } else { print(&shown(&detail)) }
}

/// Names have few characters that mean something in an address.
fn escape(name: &str) -> String {
    name.replace('+', "%2B")
}

fn shown(detail: &UserDetail) -> String {
    let UserDetail { user, sessions, consents, elsewhere } = detail;
    let mut text = format!(
        "{} ({})\nshown as  {}\nstate     {}\nroles     {}\nfactors   {}\nadded     {}\n",
        user.name,
        user.subject,
        user.display_name,
        state(user),
        listed(&user.roles),
        factors(user),
        utc(user.added),
    );
    for (what, value) in [("email     ", &user.email), ("tenant    ", &user.tenant)] {
        if let Some(value) = value {
            text += &format!("{what}{value}\n");
        }
    }
    if !sessions.is_empty() {
        let row = |it: &UserSession| {
            [it.session.clone(), utc(it.began), utc(it.seen), it.address.clone(), it.amr.join(" "), it.agent.clone()]
                .to_vec()
        };
        let headers = ["SESSION", "SINCE", "USED", "FROM", "SHOWN", "BROWSER"];
        text += &format!("\n{}\n", table(&headers, sessions.iter().map(row).collect(), WIDTH).trim_end());
    }
    if !elsewhere.is_empty() {
        let row = |it: &UserElsewhere| {
            let used = it.used.map_or_else(|| "never".to_owned(), utc);
            [it.provider.clone(), it.issuer.clone(), it.subject.clone(), listed(&it.roles), used].to_vec()
        };
        let headers = ["PROVIDER", "ISSUER", "SUBJECT", "ROLES", "USED"];
        text += &format!("\n{}\n", table(&headers, elsewhere.iter().map(row).collect(), WIDTH).trim_end());
    }
    if !consents.is_empty() {
        let rows =
            consents.iter().map(|it| [it.client.clone(), it.audience.clone(), it.scopes.clone(), utc(it.at)].to_vec());
        let headers = ["CLIENT", "WHERE", "ALLOWED", "SINCE"];
        text += &format!("\n{}\n", table(&headers, rows.collect(), WIDTH).trim_end());
    }
    text
}

fn state(user: &User) -> &'static str {
    match (user.disabled, user.password_set, user.link_until) {
        (true, _, _) => "disabled",
        (false, Some(_), _) => "active",
        (false, None, Some(_)) => "invited",
        (false, None, None) => "without a password",
    }
}

fn factors(user: &User) -> String {
    let password = user.password_set.map(|_| "password".to_owned());
    let codes = user.codes.then(|| format!("codes ({} recovery)", user.recovery_codes));
    let passkeys = (user.passkeys > 0).then(|| format!("{} passkeys", user.passkeys));
    let all: Vec<_> = [password, codes, passkeys].into_iter().flatten().collect();
    listed(&all)
}

fn listed(all: &[String]) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::people::UserConsent;

    #[test]
    fn a_person_is_shown_with_sessions_and_consents() {
        let at = Timestamp::from_secs(1_790_000_000);
        let user = User {
            subject: "5f2c".to_owned(),
            name: "ana".to_owned(),
            display_name: "Ana".to_owned(),
            email: Some("ana@shop.test".to_owned()),
            email_verified: true,
            roles: vec!["teller".to_owned()],
            tenant: None,
            added: at,
            disabled: false,
            password_set: Some(at),
            link_until: None,
            codes: true,
            recovery_codes: 9,
            passkeys: 2,
        };
        let session = UserSession {
            session: "s1".to_owned(),
            began: at,
            seen: at,
            ends: at,
            address: "192.0.2.7".to_owned(),
            agent: "Firefox".to_owned(),
            amr: vec!["pwd".to_owned(), "otp".to_owned(), "mfa".to_owned()],
        };
        let consent =
            UserConsent { client: "app".to_owned(), audience: "api".to_owned(), scopes: "read".to_owned(), at };
        let elsewhere = UserElsewhere {
            provider: "google".to_owned(),
            issuer: "https://accounts.google.com".to_owned(),
            subject: "248289761001".to_owned(),
            added: at,
            used: None,
            roles: vec!["auditor".to_owned()],
        };
        let (sessions, consents, elsewhere) = (vec![session], vec![consent], vec![elsewhere]);
        let text = shown(&UserDetail { user: user.clone(), sessions, consents, elsewhere });
        for part in [
            "ana (5f2c)",
            "active",
            "teller",
            "password, codes (9 recovery), 2 passkeys",
            "pwd otp mfa",
            "192.0.2.7",
            "app",
            "248289761001",
            "auditor",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(state(&User { disabled: true, ..user.clone() }), "disabled");
        assert_eq!(state(&User { password_set: None, link_until: Some(at), ..user.clone() }), "invited");
        assert_eq!(escape("a+b@x"), "a%2Bb@x");
    }
}
