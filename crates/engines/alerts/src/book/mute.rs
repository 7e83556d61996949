//! Of what nobody is told: what is silenced, and what is a mere consequence of a callee that is away.

use super::{Book, Context};
use bartizan_core::Timestamp;
use bartizan_core::alerts::Standing;
use std::collections::{BTreeMap, BTreeSet};

impl Book {
    /// Writes down for each alert why nobody is told of it, where that is so.
    pub(super) fn mute(&mut self, context: &Context<'_>, now: Timestamp) {
        let because = self.consequences(context);
        let covered = self.covered();
        for entry in self.entries.iter_mut().filter(|it| !it.is_over()) {
            let silence = context.silences.of(&entry.alert, now);
            let silence = silence.map(|it| format!("silence {} by {}: {}", it.id, it.by, it.why));
            let callee =
                entry.alert.service.as_ref().filter(|_| entry.symptom && !entry.away).and_then(|it| because.get(it));
            let more = covered.get(&(entry.signature.rule.clone(), entry.signature.place.clone()));
            entry.alert.silenced_by = silence.or_else(|| callee.cloned()).or_else(|| more.cloned());
        }
    }

    /// Rules at places of which another alert says more, with the reason.
    fn covered(&self) -> BTreeMap<(String, String), String> {
        // One that only waits says nothing yet, and one of which nobody is told says nothing either.
        let says = |it: &&super::Entry| {
            it.alert.state == Standing::Firing && it.gone_since.is_none() && it.alert.silenced_by.is_none()
        };
        let mut covered = BTreeMap::new();
        for entry in self.entries.iter().filter(says) {
            let reason = format!("{} says more ({})", entry.signature.rule, entry.alert.id);
            for rule in &entry.covers {
                covered.entry((rule.clone(), entry.signature.place.clone())).or_insert_with(|| reason.clone());
            }
        }
        covered
    }

    /// The services that are away, and those that call them, each with the reason.
    fn consequences(&self, context: &Context<'_>) -> BTreeMap<String, String> {
        // Also one that only waits: its callers notice before anybody is sure.
        let away = self.entries.iter().filter(|it| it.away && !it.is_over() && it.gone_since.is_none());
        let mut because = BTreeMap::new();
        for entry in away {
            let Some(service) = &entry.alert.service else { continue };
            let reason = format!("{service} is away ({} {})", entry.alert.id, entry.alert.rule);
            let (mut reached, mut next) = (BTreeSet::from([service.clone()]), vec![service.clone()]);
            while let Some(callee) = next.pop() {
                let callers =
                    context.edges.iter().filter(|(_, to)| to.as_str() == callee).map(|(from, _)| from.to_string());
                next.extend(callers.filter(|caller| reached.insert(caller.clone())));
            }
            for it in reached {
                because.entry(it).or_insert_with(|| reason.clone());
            }
        }
        because
    }
}
