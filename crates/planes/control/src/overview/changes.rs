//! What changed, from the events that tell of it: of a hundred guards that take the same snapshot up, none is a change.

use crate::app::App;
use crate::events;
use crate::limits::{CHANGES_LOOK_EVENTS, CHANGES_LOOKS_MAX};
use bartizan_core::Timestamp;
use bartizan_core::event::{Change, Class, Deed, Event, What};
use bartizan_core::overview::{ChangeKind, ChangeSeen, Changes};
use bartizan_core::snapshot::Kind;
use bartizan_events::{EventsError, Filter};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// At most so many, a count.
    pub(crate) limit: usize,
}

/// The newest first. Where there are too many events between them, fewer than there could be, with where to go on.
pub(crate) async fn changes(app: &App, asked: Asked, now: Timestamp) -> Result<Changes, EventsError> {
    let classes = vec![Class::Config, Class::Process, Class::Rotation, Class::Person, Class::Identity];
    let (mut found, mut from, mut oldest) = (Vec::new(), None, None);
    for _ in 0..CHANGES_LOOKS_MAX {
        let filter = Filter {
            classes: classes.clone(),
            since: asked.since,
            until: asked.until,
            limit: Some(CHANGES_LOOK_EVENTS),
            from,
            ..Filter::default()
        };
        let page = app.events.find(&filter).await?;
        // A page has the newest that fit, the oldest of them first.
        for event in page.events.iter().rev().filter_map(events::read).map(|record| record.event) {
            oldest = Some(event.at);
            if let Some(change) = change(&event) {
                found.push(change);
                if found.len() == asked.limit {
                    return Ok(Changes { now, changes: found, next_until_ms: oldest.map(Timestamp::as_millis) });
                }
            }
        }
        from = page.next;
        if from.is_none() {
            return Ok(Changes { now, changes: found, next_until_ms: None });
        }
    }
    Ok(Changes { now, changes: found, next_until_ms: oldest.map(Timestamp::as_millis) })
}

/// What an event says of a change; `None` where it is none.
fn change(event: &Event) -> Option<ChangeSeen> {
    let (kind, what, actor, epoch) = match &event.what {
        What::Config(it) => {
            let kind = match (it.change, it.kind) {
                (Change::Refused | Change::Locked | Change::Unlocked | Change::HeldBack | Change::Overridden, _) => {
                    ChangeKind::Rollout
                }
                (Change::Applied | Change::AppliedFromDisk, _) => return None,
                (_, Kind::Policies) => ChangeKind::Policy,
                (_, Kind::Bundles) => ChangeKind::Certificate,
                _ => ChangeKind::Configuration,
            };
            let verb = match it.change {
                Change::Published => "published",
                Change::Refused => "refused",
                Change::Locked => "locked",
                Change::Unlocked => "not locked any more",
                Change::HeldBack => "not put in force",
                Change::Overridden => "in spite of locks",
                _ => "differ from the files",
            };
            let detail = it.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
            (kind, format!("{} {verb}, epoch {}{detail}", it.kind.as_str(), it.epoch.0), None, Some(it.epoch))
        }
        What::Process(it) => {
            let how = match (it.started, it.exit.as_deref()) {
                (true, _) => "started".to_owned(),
                (false, exit) => format!("ended ({})", exit.unwrap_or("nobody knows how")),
            };
            (ChangeKind::Deploy, format!("{} {how}, pid {}", it.kind, it.pid), None, None)
        }
        What::Rotation(it) => (ChangeKind::Certificate, format!("rotation {}: {}", it.number, it.detail), None, None),
        What::Identity(it) => {
            let why = it.refused.as_deref()?;
            (ChangeKind::Certificate, format!("no identity for {}: {why}", it.id), None, None)
        }
        What::Person(it) => {
            let whom = it.name.as_deref().unwrap_or("somebody unknown");
            match it.deed {
                Deed::SignedIn
                | Deed::NotSignedIn
                | Deed::SignedOut
                | Deed::Locked
                | Deed::ManyRefused
                | Deed::Forbidden => {
                    return None;
                }
                Deed::Acted => {
                    let what = it.reason.as_deref().unwrap_or("something at the console");
                    (ChangeKind::Administrator, what.to_owned(), it.name.as_deref(), None)
                }
                deed => {
                    let what = format!("{whom}: {}", deed.as_str().replace('_', " "));
                    (ChangeKind::Administrator, what, it.by.as_deref(), None)
                }
            }
        }
        _ => return None,
    };
    let (at, service, actor) = (event.at, event.service.clone(), actor.map(str::to_owned));
    Some(ChangeSeen { at, kind, what, actor, service, epoch, event: event.id.to_string() })
}
