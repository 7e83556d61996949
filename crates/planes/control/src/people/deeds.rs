//! What people did, told as events.

use super::gate::Visit;
use super::person::Person;
use crate::app::App;
use bartizan_core::event::{self, Deed, What};

/// Tells what somebody did; `None` for somebody who is not there.
pub(super) fn tell(visit: &Visit, person: Option<&Person>, deed: Deed, factors: Option<&str>, reason: Option<&str>) {
    let what = event::Person {
        subject: person.map(|person| person.id.as_str().into()),
        name: person.map(|person| person.name.as_str().into()),
        deed,
        factors: factors.map(Into::into),
        reason: reason.map(Into::into),
        remote: Some(visit.remote),
        by: None,
    };
    visit.app.own_events.write(None, What::Person(what));
}

/// Tells what an operator did with somebody.
pub(super) fn tell_of(app: &App, subject: &str, name: &str, deed: Deed, by: &str) {
    let what = event::Person {
        subject: Some(subject.into()),
        name: Some(name.into()),
        deed,
        factors: None,
        reason: None,
        remote: None,
        by: Some(by.into()),
    };
    app.own_events.write(None, What::Person(what));
}
