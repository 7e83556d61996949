//! The fleet's schema, and its declared calls as policies.

use crate::declared::{Origin, permit};
use crate::known::route_id;
use crate::scope::Actions;
use bartizan_core::fleet::{Fleet, Protocol, Service};
use bartizan_core::snapshot::{Caller, Facts, Policies};
use bartizan_core::{Action, ServiceName, SpiffeId};
use std::collections::{BTreeMap, BTreeSet};

/// Begins the names of files and policies that are compiled from the fleet file.
pub const OWN_PREFIX: &str = "fleet:";
/// The file of permits that the declared calls and the gateway's routes compile to.
pub const CALLS_FILE: &str = "fleet:calls";

/// The policy snapshot of a fleet: schema, permits for the declared calls, facts about services, and `files` as given.
///
/// Nothing is checked here; [`crate::check`] does, before a snapshot is published. A file of the user's that is
/// called [`CALLS_FILE`] is replaced.
pub fn from_fleet(fleet: &Fleet, files: BTreeMap<String, String>) -> Policies {
    let mut files = files;
    files.insert(CALLS_FILE.to_owned(), calls(fleet));
    Policies { schema: schema(fleet), files, services: facts(fleet), callers: callers(fleet), share_of: None }
}

/// The actions that a proxy in front of a program of this protocol can tell apart.
pub(crate) fn actions_of(protocol: Protocol) -> Actions {
    match protocol {
        Protocol::Tcp => Actions::of(&[Action::Connect]),
        Protocol::Http | Protocol::Grpc => Actions::of(&[Action::Read, Action::Write, Action::Other]),
        Protocol::Auto => Actions::ALL,
    }
}

const FOREIGN: &str = r#"
// A workload of another trust domain as caller, by its name in the fleet file, such as `ForeignWorkload::"partner"`.
entity ForeignWorkload = {
  "domain": String, // its trust domain
  "path": String,   // the path of its SPIFFE ID
};
"#;

const USER: &str = r#"
// The user on whose behalf a call comes; there is none where nobody showed a token: `context has user && …`.
type User = {
  "issuer": String,      // who vouches for them
  "subject": String,     // who they are, unique within the issuer
  "client": String,      // the client that they use
  "scopes": Set<String>, // what it may do for them
  "roles": Set<String>,
  "tenant"?: String,
"#;

fn schema(fleet: &Fleet) -> String {
    // Where there are none, policies need not say whom they do not mean.
    let foreign = fleet.others.values().any(|it| !it.calls.is_empty() && fleet.is_foreign(&it.id));
    let (entity, principal) = if foreign { (FOREIGN, ", ForeignWorkload") } else { ("", "") };
    // Where no user is known, a policy that asks for one could never be enforced and does not pass.
    let (user_type, user) = match &fleet.users {
        Some(users) => (user_type(&users.claims()), ", \"user\"?: User"),
        None => (String::new(), ""),
    };
    let params: BTreeSet<&str> = names_of_params(fleet).collect();
    let (params_type, params) =
        if params.is_empty() { (String::new(), "") } else { (params_type(&params), ", \"params\": Params") };
    format!(
        r#"// What policies of the fleet `{}` are checked against.

// A service or another workload as caller, such as `Workload::"payment"`; the gateway is `Workload::"gateway"`.
entity Workload = {{
  "owner": String,     // who answers for it; empty where nobody was named
  "data": Set<String>, // classes of data it handles
}};
{entity}{user_type}{params_type}
// A service as callee.
entity Service = {{ "owner": String, "data": Set<String> }};

// A named part of a service, such as `Route::"accounts/balance"`; it has the attributes of its service.
entity Route in [Service] = {{ "owner": String, "data": Set<String> }};

action "call";

// read: GET, HEAD, OPTIONS; write: POST, PUT, PATCH, DELETE; other: any other method;
// connect: a TCP connection, for which method and path are empty.
action "read", "write", "other", "connect" in ["call"] appliesTo {{
  principal: [Workload{principal}],
  resource: [Service, Route],
  context: {{ "method": String, "path": String{user}{params} }},
}};
"#,
        fleet.name
    )
}

fn user_type(claims: &BTreeSet<&str>) -> String {
    let mut text = USER.to_owned();
    if !claims.is_empty() {
        text.push_str("  \"claims\": { // what else tokens say of them; empty where they do not\n");
        claims.iter().for_each(|claim| text.push_str(&format!("    \"{claim}\": Set<String>,\n")));
        text.push_str("  },\n");
    }
    text.push_str("};\n");
    text
}

fn params_type(names: &BTreeSet<&str>) -> String {
    let mut text =
        "\n// The named segments of the route that fits: `context.params has account && …`.\ntype Params = {\n"
            .to_owned();
    names.iter().for_each(|name| text.push_str(&format!("  \"{name}\"?: String,\n")));
    text.push_str("};\n");
    text
}

fn names_of_params(fleet: &Fleet) -> impl Iterator<Item = &str> {
    let routes = fleet.services.values().flat_map(|service| &service.routes);
    routes.flat_map(|route| route.path.params()).map(|(_, name)| &**name)
}

fn calls(fleet: &Fleet) -> String {
    let mut text =
        format!("// The declared calls of the fleet `{}`. Compiled from its file; change them there.\n", fleet.name);
    let edges: BTreeSet<(ServiceName, ServiceName)> = fleet.edges().collect();
    for (from, to) in &edges {
        // Where nobody asks, nothing is permitted: it would read as if somebody did.
        if let Some(callee) = fleet.services.get(to).filter(|_| fleet.is_asked(from, to)) {
            text.push('\n');
            text.push_str(&permit(from, who(fleet, from), to, callee.protocol));
            text.push('\n');
        }
    }
    // A name that nobody else can have: what names a caller never means them.
    let unauthenticated = ServiceName::unauthenticated();
    for (to, callee) in fleet.services.iter().filter(|(_, service)| !service.mtls.is_strict()) {
        text.push('\n');
        text.push_str(&permit(&unauthenticated, Origin::Unauthenticated, to, callee.protocol));
        text.push('\n');
    }
    text
}

fn who(fleet: &Fleet, name: &ServiceName) -> Origin {
    match fleet.others.get(name) {
        Some(other) if fleet.is_foreign(&other.id) => Origin::Foreign,
        Some(_) => Origin::Workload,
        None => Origin::Service,
    }
}

/// Those who call and are no services.
fn callers(fleet: &Fleet) -> BTreeMap<ServiceName, Caller> {
    let callers = fleet.others.iter().filter(|(_, it)| !it.calls.is_empty());
    let caller = |id: &SpiffeId| Caller { id: id.clone(), foreign: fleet.is_foreign(id) };
    callers.map(|(name, it)| (name.clone(), caller(&it.id))).collect()
}

fn facts(fleet: &Fleet) -> BTreeMap<ServiceName, Facts> {
    let mut facts: BTreeMap<ServiceName, Facts> = BTreeMap::new();
    for (name, service) in &fleet.services {
        let routes = service.routes.iter().map(|route| route.name.clone()).collect();
        let owner = service.owner.clone().unwrap_or_default();
        let named = service.routes.iter().filter(|route| !route.path.params().is_empty());
        let params = named.map(|route| {
            let numbers = route.path.params().iter().map(|(number, name)| (name.to_string(), *number));
            (route.name.clone(), numbers.collect())
        });
        facts.insert(name.clone(), Facts { owner, data: service.data.clone(), routes, params: params.collect() });
    }
    if fleet.gateway.is_some() {
        facts.insert(ServiceName::gateway(), Facts::default());
    }
    if fleet.services.values().any(|service| !service.mtls.is_strict()) {
        facts.insert(ServiceName::unauthenticated(), Facts::default());
    }
    facts
}

/// Every resource that a call to `name` may be about: the service, then its routes, as policies write them.
pub(crate) fn resources(name: &ServiceName, service: &Service) -> impl Iterator<Item = Option<String>> {
    let routes = service.routes.iter().map(|route| Some(route_id(name, route.name.as_str())));
    std::iter::once(None).chain(routes.collect::<Vec<_>>())
}
