//! The limits of everything behind one guard, as its directory says them.

use super::Hold;
use super::headers::{self, Told};
use super::rule::{Asked, Rule};
use crate::overload::Admission;
use crate::slowing::{self, Pace};
use bartizan_core::ServiceName;
use bartizan_core::counts::Away;
use bartizan_core::fleet::GatewayRoute;
use bartizan_core::limit::Limit;
use bartizan_core::snapshot::Directory;
use bartizan_core::stats::LimitStats;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The limits of all routes of a gateway, or of a service.
#[derive(Debug, Default)]
pub struct Limits {
    service: Option<Arc<Rules>>,
    /// By the text of the route.
    routes: HashMap<Box<str>, Arc<Rules>>,
    /// How callers of the own service are slowed down.
    pace: Option<Arc<Pace>>,
    /// The same of clients, by the text of the route.
    paces: HashMap<Box<str>, Arc<Pace>>,
    /// By the service behind the gateway; empty where it lets everything through.
    admissions: HashMap<ServiceName, Arc<Admission>>,
}

/// The limits of one route or service, in the order of the fleet file.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Arc<Rule>>,
    policy: Arc<str>,
    /// Refuses what shared limits cannot tell.
    strict: bool,
}

/// The time, on two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Nanoseconds of a clock that never steps.
    pub steady_ns: u64,
    /// Seconds of UTC.
    pub utc_s: u64,
}

/// A request that no limit refused.
#[derive(Debug)]
pub struct Passed {
    /// What its caller is told.
    pub told: Told,
    /// To be kept until it is through.
    pub holds: Vec<Hold>,
}

/// A request that a limit refused.
#[derive(Debug)]
pub struct Refused {
    /// The limit.
    pub rule: Arc<Rule>,
    /// Seconds after which it may come again; at least 1.
    pub wait_s: u64,
    /// What its caller is told.
    pub told: Told,
    /// Nobody could tell whether it is over the limit.
    pub unknown: bool,
}

/// Where limits are new: what tells them from those of other guards, what holds where nobody knows, and the time.
struct Ground<'a> {
    fleet: &'a str,
    strict: bool,
    now: Now,
}

impl Limits {
    /// The limits of `directory`. Those that are as they were in `before` go on with what was used.
    pub fn of(directory: &Directory, before: &Self, now: Now) -> Self {
        let strict = directory.counts.as_ref().is_some_and(|counts| counts.away == Away::Refuse);
        let ground = Ground { fleet: directory.own.id.domain(), strict, now };
        let service = directory.own.inbound.as_ref().map(|inbound| &inbound.limits).filter(|limits| !limits.is_empty());
        let routes = directory.own.gateway.iter().flat_map(|gateway| &gateway.routes);
        let routes = routes.filter(|route| !route.limits.is_empty()).map(|route| {
            let label = route.to_string();
            let rules = Rules::of(&route.limits, before.routes.get(&*label), &ground, &label);
            (label.into(), Arc::new(rules))
        });
        let gateway = directory.own.gateway.iter().filter(|gateway| gateway.adaptive);
        let behind = gateway.flat_map(|gateway| &gateway.routes).map(|route| &route.to);
        let known = |to: &ServiceName| before.admissions.get(to).cloned().unwrap_or_default();
        let slow_down = directory.own.inbound.as_ref().and_then(|inbound| inbound.slow_down.as_ref());
        let paced = directory.own.gateway.iter().flat_map(|gateway| &gateway.routes);
        let paced = paced.filter_map(|route| Some((route.to_string(), route.slow_down.as_ref()?)));
        Self {
            pace: slow_down.map(|said| Pace::of(said, before.pace.as_ref())),
            paces: paced
                .map(|(label, said)| (label.as_str().into(), Pace::of(said, before.paces.get(&*label))))
                .collect(),
            admissions: behind.map(|to| (to.clone(), known(to))).collect(),
            service: service.map(|limits| {
                Arc::new(Rules::of(limits, before.service.as_ref(), &ground, directory.own.name.as_str()))
            }),
            routes: routes.collect(),
        }
    }

    /// Those of the own service.
    pub fn service(&self) -> Option<&Arc<Rules>> {
        self.service.as_ref()
    }

    /// How callers of the own service are slowed down.
    pub fn pace(&self) -> Option<&Arc<Pace>> {
        self.pace.as_ref()
    }

    /// How clients of a route of the gateway are.
    pub fn pace_of(&self, route: &GatewayRoute) -> Option<Arc<Pace>> {
        route.slow_down.as_ref().and_then(|_| self.paces.get(&*route.to_string()).cloned())
    }

    /// Those of a route of the gateway.
    pub fn route(&self, route: &GatewayRoute) -> Option<Arc<Rules>> {
        if route.limits.is_empty() { None } else { self.routes.get(&*route.to_string()).cloned() }
    }

    /// Those that are shared with other guards.
    pub fn shared(&self) -> Vec<Arc<Rule>> {
        let all = self.service.iter().chain(self.routes.values());
        all.flat_map(|rules| &rules.rules).filter(|rule| rule.is_shared()).cloned().collect()
    }

    /// Who is let through to a service, where that is found out.
    pub fn admission(&self, to: &ServiceName) -> Option<&Arc<Admission>> {
        self.admissions.get(to)
    }

    /// What each refused, by its name; at the gateway behind the route.
    pub fn stats(&self) -> BTreeMap<String, LimitStats> {
        let stats = |rule: &Rule| LimitStats { refused: rule.refused(), slowed: 0 };
        let own = self.service.iter().flat_map(|rules| &rules.rules);
        let own = own.map(|rule| (rule.limit.name.to_string(), stats(rule)));
        let routed = self.routes.iter().flat_map(|(route, rules)| {
            rules.rules.iter().map(move |rule| (format!("{route} {}", rule.limit.name), stats(rule)))
        });
        let adaptive = self.admissions.iter();
        let adaptive =
            adaptive.map(|(to, it)| (format!("adaptive {to}"), LimitStats { refused: it.refused(), slowed: 0 }));
        let paced = |pace: &Pace| {
            let (slowed, refused) = pace.counts();
            LimitStats { refused, slowed }
        };
        let pace = self.pace.iter().map(|pace| (slowing::NAME.to_owned(), paced(pace)));
        let paces = self.paces.iter().map(|(route, pace)| (format!("{route} {}", slowing::NAME), paced(pace)));
        own.chain(routed).chain(adaptive).chain(pace).chain(paces).collect()
    }
}

impl Rules {
    fn of(limits: &[Limit], before: Option<&Arc<Self>>, ground: &Ground<'_>, at: &str) -> Self {
        let known = |limit: &Limit| before?.rules.iter().find(|rule| rule.limit == *limit).cloned();
        let rules = limits.iter().map(|limit| {
            known(limit).unwrap_or_else(|| {
                let place = format!("{}\n{at}", ground.fleet);
                Arc::new(Rule::new(limit.clone(), &place, ground.now))
            })
        });
        Self { rules: rules.collect(), policy: headers::policy(limits.iter()), strict: ground.strict }
    }

    /// Takes what a request costs from each limit, or from none.
    ///
    /// # Errors
    /// [`Refused`], by the first that has not enough.
    pub fn take(&self, asked: &Asked<'_>, now: Now) -> Result<Passed, Refused> {
        let mut passed = Passed { told: Told::new(&self.policy), holds: Vec::new() };
        for (n, rule) in self.rules.iter().enumerate() {
            if self.strict && rule.is_lost(now) {
                rule.refuse();
                self.rules[..n].iter().for_each(|before| before.give_back(asked));
                return Err(Refused {
                    rule: Arc::clone(rule),
                    wait_s: 1,
                    told: Told::new(&self.policy),
                    unknown: true,
                });
            }
            let (outcome, hold) = rule.take(asked, now);
            if rule.is_told() {
                passed.told.say(&rule.limit.name, outcome);
            }
            passed.holds.extend(hold);
            if !outcome.passed {
                self.rules[..n].iter().for_each(|before| before.give_back(asked));
                // Only it is told: what is said of the others was given back.
                let mut told = Told::new(&self.policy);
                if rule.is_told() {
                    told.say(&rule.limit.name, outcome);
                }
                return Err(Refused { rule: Arc::clone(rule), wait_s: outcome.wait_s.max(1), told, unknown: false });
            }
        }
        Ok(passed)
    }
}
