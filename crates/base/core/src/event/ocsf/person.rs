//! What people did, as records: signing in and out is 3002 Authentication, what is done with an account 3001 Account Change, and
//! what is done at the console 6003 API Activity.

use super::Scene;
use super::record::{ACCOUNT_CHANGE, API_ACTIVITY, AUTHENTICATION, Record, Severity};
use crate::event::{Deed, Person};
use serde_json::json;

impl Scene<'_> {
    pub(super) fn person(&self, it: &Person) -> Record {
        let Person { subject, name, deed, factors, reason, remote, by } = it;
        let whom = name.as_deref().unwrap_or("somebody unknown");
        let (class, activity) = match deed {
            Deed::SignedIn | Deed::NotSignedIn | Deed::ManyRefused | Deed::KeyLost => (AUTHENTICATION, (1, "Logon")),
            Deed::SignedOut | Deed::NotTold => (AUTHENTICATION, (2, "Logoff")),
            Deed::Added => (ACCOUNT_CHANGE, (1, "Create")),
            Deed::Enabled => (ACCOUNT_CHANGE, (2, "Enable")),
            Deed::PasswordSet => (ACCOUNT_CHANGE, (3, "Password Change")),
            Deed::Invited => (ACCOUNT_CHANGE, (4, "Password Reset")),
            Deed::Disabled => (ACCOUNT_CHANGE, (5, "Disable")),
            Deed::Removed => (ACCOUNT_CHANGE, (6, "Delete")),
            Deed::Locked => (ACCOUNT_CHANGE, (9, "Lock")),
            Deed::FactorAdded => (ACCOUNT_CHANGE, (10, "MFA Factor Enable")),
            Deed::FactorRemoved => (ACCOUNT_CHANGE, (11, "MFA Factor Disable")),
            Deed::RolesSet => (ACCOUNT_CHANGE, (99, "roles")),
            Deed::Acted | Deed::Forbidden => (API_ACTIVITY, (3, "Update")),
            Deed::EventsHeld => (API_ACTIVITY, (1, "Create")),
            Deed::EventsReleased => (API_ACTIVITY, (4, "Delete")),
        };
        let by = by.as_deref();
        let text = by.map(|by| format!(" by {by}")).unwrap_or_default();
        // Type 1 is a person.
        let user = json!({ "uid": subject.as_deref().unwrap_or("unknown"), "name": whom, "type_id": 1 });
        let record = Record::new(class, activity, format!("{whom}: {}{text}", deed.as_str().replace('_', " ")))
            .with_some("src_endpoint", remote.map(|at| json!({ "ip": at.ip().to_string(), "port": at.port() })))
            .own("deed", deed.as_str())
            .own_some("factors", factors.as_deref())
            .own_some("by", by)
            .own_some("reason", reason.as_deref());
        let record = match class {
            AUTHENTICATION => record
                .with("user", user)
                .with("service", json!({ "name": "bartizan control" }))
                .with("is_mfa", factors.as_deref().is_some_and(|shown| shown.split(' ').any(|it| it == "mfa"))),
            // Who did it is the actor; the schema wants to know from where.
            API_ACTIVITY => {
                let from_somewhere = if remote.is_some() { None } else { Some(json!({ "name": "unknown" })) };
                record
                    .with("actor", json!({ "user": user }))
                    .with("api", json!({ "operation": reason.as_deref().unwrap_or_default() }))
                    .with_some("src_endpoint", from_somewhere)
            }
            _ => record.with("user", user),
        };
        match deed {
            Deed::NotSignedIn => record.failed(Severity::Low, "refused", reason.as_deref().map(str::to_owned)),
            Deed::ManyRefused => record.failed(Severity::High, "refused", reason.as_deref().map(str::to_owned)),
            Deed::KeyLost => record.failed(Severity::High, "no tokens", reason.as_deref().map(str::to_owned)),
            Deed::NotTold => record.failed(Severity::Medium, "not told", reason.as_deref().map(str::to_owned)),
            Deed::Forbidden => record.failed(Severity::Medium, "refused", reason.as_deref().map(str::to_owned)),
            Deed::Locked => record.failed(Severity::Medium, "locked", reason.as_deref().map(str::to_owned)),
            _ => record,
        }
    }
}
