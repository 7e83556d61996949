//! What a page and an escalation carry beside the alerts: indicators with their budgets, what failed most often, and the last changes.

use super::Inner;
use crate::app::App;
use crate::limits::EVIDENCE_SLIS_MAX;
use bartizan_alerts::limits::CHANGES_SHOWN;
use bartizan_alerts::{Notice, NoticeKind};
use bartizan_core::ServiceName;
use bartizan_core::alerts::{Alert, ChangeNote, Condition, Evidence, Rule, Sli};
use bartizan_core::indicator::{Indicator, Place};
use std::collections::BTreeSet;

/// The indicators of which something can be said at a service, whatever fires there.
const USUAL: [Indicator; 3] = [Indicator::M1, Indicator::M2, Indicator::M3];

/// Fills in what whoever has to come needs first. Looks at the board, hence outside the lock of alerts.
pub(super) fn slis(app: &App, rules: &[Rule], notice: &Notice) -> Vec<Sli> {
    let mut wanted: Vec<(Indicator, Place)> = Vec::new();
    let mut want = |it: Indicator, place: Place| {
        if !wanted.contains(&(it, place.clone())) {
            wanted.push((it, place));
        }
    };
    // First what the rules are about, then what else is known of those services.
    for alert in &notice.alerts {
        let indicator = rules.iter().find(|it| it.name == alert.rule).and_then(indicator_of);
        if let Some((it, place)) = indicator.zip(Place::parse(&alert.place)) {
            want(it, place);
        }
    }
    for alert in &notice.alerts {
        let service = alert.service.as_deref().and_then(|it| ServiceName::parse(it).ok());
        USUAL.into_iter().for_each(|it| want(it, service.clone().map_or(Place::Fleet, Place::Service)));
    }
    let in_force = app.in_force();
    let objectives = in_force.desired.fleet.objectives.as_ref();
    let standing = |(it, place): &(Indicator, Place)| app.indicators.sli(*it, place, objectives, notice.at);
    let mut slis: Vec<Sli> = wanted.iter().take(EVIDENCE_SLIS_MAX).filter_map(standing).collect();
    let burns = |it: &Sli| it.at.burns.iter().any(|burn| burn.alight);
    slis.sort_by_key(|it| !burns(it));
    slis
}

/// The rest of it.
pub(super) fn rest(inner: &mut Inner, notice: &Notice) -> Evidence {
    let services: BTreeSet<&str> = notice.alerts.iter().filter_map(|it| it.service.as_deref()).collect();
    let services: Vec<&str> = services.into_iter().collect();
    Evidence {
        slis: Vec::new(),
        causes: inner.causes.top(&services, notice.at),
        changes: changes(inner, &notice.alerts, notice),
    }
}

/// Until now, and not only until the alerts began: whoever comes wants to know what others did meanwhile.
fn changes(inner: &Inner, alerts: &[Alert], notice: &Notice) -> Vec<ChangeNote> {
    let mut all: Vec<ChangeNote> =
        alerts.iter().flat_map(|it| inner.changes.before(it.service.as_deref(), notice.at)).collect();
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.what.cmp(&b.what)));
    all.dedup();
    all.truncate(CHANGES_SHOWN);
    all
}

/// Whether a notice carries it.
pub(super) fn is_wanted(notice: &Notice) -> bool {
    matches!(notice.kind, NoticeKind::Page | NoticeKind::Escalation)
}

fn indicator_of(rule: &Rule) -> Option<Indicator> {
    match &rule.when {
        Condition::Burn { indicator } | Condition::Ratio { indicator, .. } => Some(*indicator),
        Condition::Events { .. } | Condition::Measured { .. } => None,
    }
}
