//! What was changed lately: most of what breaks was changed before.

use crate::limits::{CHANGES_FOR, CHANGES_MAX, CHANGES_SHOWN};
use bartizan_core::Timestamp;
use bartizan_core::alerts::ChangeNote;
use bartizan_core::event::{Change, Deed, Event, Process, What};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// The last changes, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    all: VecDeque<ChangeNote>,
}

impl Changes {
    /// Notes a change.
    pub fn note(&mut self, change: ChangeNote) {
        while self.all.len() >= CHANGES_MAX || self.all.front().is_some_and(|it| change.at.since(it.at) > CHANGES_FOR) {
            self.all.pop_front();
        }
        self.all.push_back(change);
    }

    /// The last changes before `at` that concern a service, or the whole fleet; the newest first.
    pub fn before(&self, service: Option<&str>, at: Timestamp) -> Vec<ChangeNote> {
        let concerns = |it: &&ChangeNote| service.is_none() || it.service.is_none() || it.service.as_deref() == service;
        self.all.iter().rev().filter(|it| it.at <= at).filter(concerns).take(CHANGES_SHOWN).cloned().collect()
    }

    /// The last change of just this service within `window` before `at`.
    pub fn of(&self, service: &str, at: Timestamp, window: Duration) -> Option<&ChangeNote> {
        let near =
            |it: &&ChangeNote| it.at <= at && at.since(it.at) <= window && it.service.as_deref() == Some(service);
        self.all.iter().rev().find(near)
    }
}

/// The change that an event tells of; `None` for what changes nothing.
pub fn change(event: &Event) -> Option<ChangeNote> {
    let service = event.service.as_ref().map(ToString::to_string);
    let note = |kind: &str, what: String| {
        Some(ChangeNote { at: event.at, kind: kind.to_owned(), what, service: service.clone() })
    };
    match &event.what {
        What::Config(it) if it.change == Change::Published => {
            let kind = if it.kind == bartizan_core::snapshot::Kind::Policies { "policy" } else { "configuration" };
            let detail = it.detail.as_ref().map_or_else(String::new, |it| format!(": {it}"));
            note(kind, format!("{} epoch {} published{detail}", it.kind.as_str(), it.epoch.0))
        }
        // What is changed there, nobody published.
        What::Config(it) if it.change == Change::Drifted => {
            note("configuration", it.detail.as_deref().unwrap_or("files differ").to_owned())
        }
        What::Config(it) if it.change == Change::Overridden => {
            note("administrator", it.detail.as_deref().unwrap_or("locks do not count").to_owned())
        }
        // A crash is no deploy: what follows from it is not to wait.
        What::Process(it) if matches!(&*it.kind, "program" | "sidecar" | "gateway") && is_orderly(it) => {
            let word = if it.started { "started" } else { "ended" };
            note("deploy", format!("{} {word} (pid {})", it.kind, it.pid))
        }
        What::Rotation(it) => note("certificate", it.detail.to_string()),
        What::Person(it)
            if !it.deed.is_denial() && !matches!(it.deed, Deed::SignedIn | Deed::SignedOut | Deed::NotTold) =>
        {
            note("administrator", format!("account {}", it.deed.as_str()))
        }
        _ => None,
    }
}

fn is_orderly(it: &Process) -> bool {
    it.started || it.exit.as_deref().is_none_or(|exit| matches!(exit, "exit 0" | "signal 15"))
}
