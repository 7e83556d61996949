//! The entities of a fleet: what policies may name, in the form in which Cedar wants them.

use bartizan_core::snapshot::{Caller, Facts, Policies};
use bartizan_core::{Action, ServiceName, SpiffeId};
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

/// The entity types of a fleet's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Those who ask.
    Workload,
    /// Those of other trust domains who ask.
    ForeignWorkload,
    /// Those who are asked.
    Service,
    /// Named parts of services.
    Route,
    /// Cedar's own choice of name.
    Action,
}

impl Type {
    const ALL: [Self; 5] = [Self::Workload, Self::ForeignWorkload, Self::Service, Self::Route, Self::Action];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "Workload",
            Self::ForeignWorkload => "ForeignWorkload",
            Self::Service => "Service",
            Self::Route => "Route",
            Self::Action => "Action",
        }
    }

    /// The type of an entity; `None` where it is none of ours.
    pub(crate) fn of(entity: &EntityUid) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *entity.type_name() == CEDAR_NAMES[*kind as usize])
    }
}

/// Parsed once: Cedar reads even a single name with its whole parser.
static CEDAR_NAMES: LazyLock<[EntityTypeName; 5]> =
    LazyLock::new(|| Type::ALL.map(|kind| kind.as_str().parse().expect("the names above are identifiers")));

/// The group that all actions are in.
pub(crate) const CALL: &str = "call";

/// `Type::"id"`.
pub(crate) fn uid(kind: Type, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(CEDAR_NAMES[kind as usize].clone(), EntityId::new(id))
}

/// `Action::"…"`.
pub(crate) fn action_uid(action: Action) -> EntityUid {
    uid(Type::Action, action.as_str())
}

/// Identifier of a named route: `accounts/balance`.
pub(crate) fn route_id(service: &ServiceName, route: &str) -> String {
    format!("{service}/{route}")
}

/// A service or another caller that policies may name.
pub(crate) struct KnownService {
    pub(crate) workload: EntityUid,
    /// Whether it is of another trust domain.
    pub(crate) foreign: bool,
    /// Its identity, where it is no service.
    pub(crate) id: Option<SpiffeId>,
    /// `None` for those that nobody in the fleet calls: the gateway, and callers that are no services.
    pub(crate) service: Option<EntityUid>,
    /// Named routes, with the number of each.
    pub(crate) routes: HashMap<Box<str>, (u32, EntityUid)>,
    /// Segments of their paths that policies may ask for, by route.
    pub(crate) params: HashMap<Box<str>, BTreeMap<String, usize>>,
    /// Its number.
    pub(crate) number: u32,
}

/// Every service, by name.
pub(crate) struct Known {
    services: HashMap<Box<str>, KnownService>,
    has_params: bool,
}

impl Known {
    pub(crate) fn of(policies: &Policies) -> Self {
        let services = policies.services.iter().zip(0_u32..).map(|((name, facts), number)| {
            let routes = facts.routes.iter().zip(0_u32..).map(|(route, number)| {
                (route.as_str().into(), (number, uid(Type::Route, &route_id(name, route.as_str()))))
            });
            let known = KnownService {
                workload: uid(Type::Workload, name.as_str()),
                foreign: false,
                id: None,
                service: (!calls_alone(name)).then(|| uid(Type::Service, name.as_str())),
                routes: routes.collect(),
                params: facts.params.iter().map(|(route, params)| (route.as_str().into(), params.clone())).collect(),
                number,
            };
            (name.as_str().into(), known)
        });
        // The fleet file gives no name twice; should a snapshot, the service has it.
        let numbers = u32::try_from(policies.services.len()).unwrap_or(u32::MAX)..;
        let callers = policies.callers.iter().zip(numbers).map(|((name, caller), number)| {
            let workload = uid(kind_of(caller), name.as_str());
            let known = KnownService {
                workload,
                foreign: caller.foreign,
                id: Some(caller.id.clone()),
                service: None,
                routes: HashMap::new(),
                params: HashMap::new(),
                number,
            };
            (name.as_str().into(), known)
        });
        let has_params = policies.services.values().any(|facts| !facts.params.is_empty());
        Self { services: callers.chain(services).collect(), has_params }
    }

    /// Whether some route of the fleet has segments that policies may ask for.
    pub(crate) fn has_params(&self) -> bool {
        self.has_params
    }

    /// Whether callers of other trust domains are known.
    pub(crate) fn has_foreign(&self) -> bool {
        self.services.values().any(|known| known.foreign)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&KnownService> {
        self.services.get(name)
    }

    /// Why a policy may not name `entity`; `Ok` where it may, or where the type is not one of ours.
    pub(crate) fn check(&self, entity: &EntityUid) -> Result<(), Unknown> {
        let id = entity.id().unescaped();
        let (what, exists) = match Type::of(entity) {
            Some(Type::Workload) => ("workload", self.get(id).is_some_and(|known| !known.foreign)),
            Some(Type::ForeignWorkload) => ("foreign workload", self.get(id).is_some_and(|known| known.foreign)),
            Some(Type::Service) => ("service", self.get(id).is_some_and(|known| known.service.is_some())),
            Some(Type::Route) => {
                let service_and_route = id.split_once('/');
                let known = service_and_route.and_then(|(service, route)| Some((self.get(service)?, route)));
                ("route", known.is_some_and(|(service, route)| service.routes.contains_key(route)))
            }
            Some(Type::Action) | None => return Ok(()), // Cedar's validator knows these
        };
        if exists { Ok(()) } else { Err(self.unknown(what, id)) }
    }

    fn unknown(&self, what: &'static str, id: &str) -> Unknown {
        let gateway = bartizan_core::name::GATEWAY;
        if what == "service" && id == gateway && self.get(gateway).is_some() {
            let help = "no service calls the gateway; as a caller it is `Workload::\"gateway\"`".to_owned();
            return Unknown { message: "the gateway is not a service".to_owned(), help };
        }
        let mut names: Vec<String> = Vec::new();
        for (name, known) in &self.services {
            match what {
                "route" => names.extend(known.routes.keys().map(|route| format!("{name}/{route}"))),
                "service" if known.service.is_none() => {}
                "workload" if known.foreign => {}
                "foreign workload" if !known.foreign => {}
                _ => names.push(name.to_string()),
            }
        }
        let help = match nearest(id, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if what == "route" && names.is_empty() => {
                "name routes in the fleet file, under `routes` of their service".to_owned()
            }
            None => "add it to the fleet file or correct the name".to_owned(),
        };
        Unknown { message: format!("the fleet has no {what} `{}`", id.escape_debug()), help }
    }
}

/// Whether somebody among the services is called by nobody: the gateway, and callers without mutual TLS.
fn calls_alone(name: &ServiceName) -> bool {
    [bartizan_core::name::GATEWAY, bartizan_core::name::UNAUTHENTICATED].contains(&name.as_str())
}

/// A name that is not in the fleet.
pub(crate) struct Unknown {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// All entities, with what policies may ask about them.
///
/// A route has the attributes of its service, so that a policy need not care which of the two a call is about.
///
/// # Errors
/// Cedar's text, where the facts do not have the shape that the schema gives them.
pub(crate) fn entities(policies: &Policies, schema: &Schema) -> Result<Entities, String> {
    let mut all = Vec::new();
    for (name, caller) in policies.callers.iter().filter(|(name, _)| !policies.services.contains_key(*name)) {
        let attributes = if caller.foreign { origin(caller) } else { attributes(&Facts::default()) };
        let entity = Entity::new(uid(kind_of(caller), name.as_str()), attributes, HashSet::new());
        all.push(entity.map_err(|error| DetailedError::from(&error).message)?);
    }
    for (name, facts) in &policies.services {
        let mut add = |uid: EntityUid, parents: HashSet<EntityUid>| {
            let entity =
                Entity::new(uid, attributes(facts), parents).map_err(|error| DetailedError::from(&error).message)?;
            all.push(entity);
            Ok::<(), String>(())
        };
        add(uid(Type::Workload, name.as_str()), HashSet::new())?;
        if calls_alone(name) {
            continue;
        }
        let service = uid(Type::Service, name.as_str());
        for route in &facts.routes {
            add(uid(Type::Route, &route_id(name, route.as_str())), HashSet::from([service.clone()]))?;
        }
        add(service, HashSet::new())?;
    }
    Entities::from_entities(all, Some(schema)).map_err(|error| DetailedError::from(&error).message)
}

fn attributes(facts: &Facts) -> HashMap<String, RestrictedExpression> {
    let Facts { owner, data, routes: _, params: _ } = facts;
    let data = data.iter().map(|class| RestrictedExpression::new_string(class.clone()));
    HashMap::from([
        ("owner".to_owned(), RestrictedExpression::new_string(owner.clone())),
        ("data".to_owned(), RestrictedExpression::new_set(data)),
    ])
}

/// Where a foreign caller comes from.
fn origin(caller: &Caller) -> HashMap<String, RestrictedExpression> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    HashMap::from([("domain".to_owned(), text(caller.id.domain())), ("path".to_owned(), text(caller.id.path()))])
}

fn kind_of(caller: &Caller) -> Type {
    if caller.foreign { Type::ForeignWorkload } else { Type::Workload }
}

/// The name that `text` was perhaps meant to be: fewest edits, at most a third of its length; the first in order.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = text.chars().count() / 3 + 1;
    // A name that differs more in length than in edits cannot be near; this also bounds the work per name.
    let close =
        names.filter(|name| name.len().abs_diff(text.len()) <= most * 4 && name.len() <= 256 && text.len() <= 256);
    let counted = close.map(|name| (edits(text, name), name)).filter(|(edits, _)| *edits <= most);
    counted.min().map(|(_, name)| name)
}

/// Levenshtein distance, in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name() {
        let names = ["accounts", "payment", "users", "accounts/balance"];
        for (text, near) in [
            ("acounts", Some("accounts")),
            ("payments", Some("payment")),
            ("accounts/balence", Some("accounts/balance")),
            ("ledger", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, names.into_iter()), near, "{text}");
        }
        assert_eq!((edits("kitten", "sitting"), edits("", "ab"), edits("ab", "")), (3, 2, 2));
    }
}
