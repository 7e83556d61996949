//! The alarm for guards that cost more than they may: their own share of a call's time, at the 99th percentile.

use crate::app::App;
use crate::limits::{BUDGET_EVERY, BUDGET_LOOKS};
use bartizan_core::ServiceName;
use bartizan_core::event::{Budget, What};
use bartizan_core::status::OverBudget;
use bartizan_runtime::clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Guards that are over their budget.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    over: Mutex<Vec<OverBudget>>,
}

impl Budgets {
    pub(crate) fn status(&self) -> Vec<OverBudget> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How often in a row a guard was seen on the other side of the line, and on which side it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    over: bool,
    looks: u32,
}

impl Mark {
    /// Takes a look in; true where that turns it round. One slow call is none, nor is one quick one.
    fn look(&mut self, over: bool) -> bool {
        self.looks = if over == self.over { 0 } else { self.looks + 1 };
        let turned = self.looks >= BUDGET_LOOKS;
        if turned {
            *self = Self { over, looks: 0 };
        }
        turned
    }
}

/// Looks at every guard again and again, until the app stops.
pub(crate) async fn keep_watch(app: Arc<App>) {
    let mut marks: BTreeMap<ServiceName, Mark> = BTreeMap::new();
    while app.stop.run_until_cancelled(tokio::time::sleep(BUDGET_EVERY)).await.is_some() {
        look(&app, &mut marks);
    }
}

fn look(app: &App, marks: &mut BTreeMap<ServiceName, Mark>) {
    let in_force = app.in_force();
    let fleet = &in_force.desired.fleet;
    let mut over = Vec::new();
    if let Some(budget_us) = fleet.guard_p99_us.map(u64::from) {
        for proxy in app.registry.status(fleet, clock::now()) {
            // Without calls there is nothing to measure: what was said last stands.
            let Some(added_p99_us) = proxy.added_p99_us.filter(|_| proxy.attached) else { continue };
            let mark = marks.entry(proxy.service.clone()).or_default();
            if mark.look(added_p99_us > budget_us) {
                tell(app, &proxy.service, Budget { added_p99_us, budget_us, over: mark.over });
            }
            if mark.over {
                over.push(OverBudget { service: proxy.service, added_p99_us, budget_us });
            }
        }
    } else {
        marks.clear();
    }
    *app.budgets.over.lock().unwrap_or_else(PoisonError::into_inner) = over;
}

fn tell(app: &App, service: &ServiceName, budget: Budget) {
    let Budget { added_p99_us, budget_us, over } = budget;
    if over {
        tracing::warn!(%service, added_p99_us, budget_us, "a guard costs more than its budget");
    } else {
        tracing::info!(%service, added_p99_us, budget_us, "a guard is within its budget again");
    }
    app.own_events.write(Some(service), What::Budget(budget));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_turns_the_alarm_on_or_off() {
        let mut mark = Mark::default();
        let mut looks = |pattern: &str| pattern.chars().map(|c| mark.look(c == 'o')).filter(|turned| *turned).count();
        assert_eq!(looks("o.o.oo.oo."), 0, "now and then");
        assert_eq!(looks("ooo"), 1, "it lasts");
        assert_eq!(looks("ooooo..o..o"), 0, "told once, and a good moment is not enough");
        assert_eq!(looks("..."), 1, "it is over");
    }
}
