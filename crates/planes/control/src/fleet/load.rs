//! Reads fleet file, policies and plan, and checks that they fit together.

use crate::alerts;
use crate::authorization;
use crate::error::ControlError;
use crate::federation::Sources;
use crate::fleet::directory::Away;
use crate::fleet::grow::grow;
use crate::fleet::plan::check_plan;
use crate::inventory::Declared;
use crate::issuers;
use crate::limits::PLAN_BYTES_MAX;
use crate::login;
use crate::options::Options;
use crate::people;
use bartizan_core::Secret;
use bartizan_core::api_key::ApiKey;
use bartizan_core::fleet::{Fleet, FleetError};
use bartizan_core::login::Provider;
use bartizan_core::plan::Plan;
use bartizan_core::signed::SENDER_FILE_BYTES_MAX;
use bartizan_core::snapshot::{Epoch, Policies};
use bartizan_core::user::{RevokedToken, TokenIssuer, Users};
use bartizan_crypto::hash;
use bartizan_policy::{Engine, Shares};
use bartizan_runtime::files;
use bartizan_runtime::ports::Claimed;
use bartizan_tokens::signed::{Form, Sender};
use bartizan_waf::Api;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What the files say. A value was checked: the policies compile, and the plan has a place for everything.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    pub(crate) fleet: Fleet,
    /// What tells the fleet file from another state of it; empty where it was changed while it was read.
    pub(crate) stamp: String,
    /// SHA-256 over fleet file, policies and plan, hexadecimal.
    pub(crate) digest: String,
    pub(crate) plan: Plan,
    pub(crate) policies: Arc<Policies>,
    /// The same, ready to be shared out.
    pub(crate) shares: Arc<Shares>,
    /// The documents of APIs, compiled.
    pub(crate) apis: Arc<Declared>,
    /// How other trust domains are recognised.
    pub(crate) sources: Sources,
    /// The instances that callers are not told of. Not from the files: whoever publishes puts it in.
    pub(crate) away: Away,
    /// Our own authorization server with its keys, as the gateway is told of it. Neither from the files.
    pub(crate) own_issuer: Option<TokenIssuer>,
    /// What the provider at which people log in says of itself.
    pub(crate) provider: Option<Provider>,
    /// Users' tokens that were taken back.
    pub(crate) revoked: Vec<RevokedToken>,
    /// The keys of programs that count.
    pub(crate) keys: Vec<ApiKey>,
}

impl Desired {
    /// Whose tokens are believed, and which of them not any more.
    pub(crate) fn believed(&self) -> Option<Users> {
        let mut users = self.fleet.users.clone()?;
        users.issuers.extend(self.own_issuer.clone());
        users.revoked.clone_from(&self.revoked);
        Some(users)
    }

    /// Whether anything is to be signed with the key of tokens: JWT-SVIDs, or delegations to the gateway.
    pub(crate) fn wants_tokens(&self) -> bool {
        let vouches = self.fleet.gateway.iter().flat_map(|it| &it.routes).any(|route| route.auth.is_vouched_here());
        let mut egress = self.fleet.services.values().filter_map(|it| it.egress.as_ref());
        let shows = egress.any(|it| it.rules.tokens().next().is_some());
        vouches || shows || self.fleet.users.is_some() || self.fleet.workloads.values().any(|entry| entry.jwt)
    }
}

/// What was read, with places for what has none yet.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) desired: Desired,
    /// Whether the plan is another one than in its file.
    pub(crate) is_other_plan: bool,
    /// The ports that it took; nobody else is given them while this lives.
    pub(crate) _ports: Option<Claimed>,
}

/// Reads everything. Blocks for the disk, and for about 0.1 ms per policy.
pub(crate) fn load(options: &Options) -> Result<Desired, ControlError> {
    read(options, read_plan(&options.plan)?)
}

/// As [`load`]; what was added gets a place in the plan, which is not written down yet.
pub(crate) fn load_growing(options: &Options) -> Result<Grown, ControlError> {
    let (fleet, _) = files::load_fleet(&options.fleet)?;
    let before = read_plan(&options.plan)?;
    let mut plan = before.clone();
    let ports = grow(&mut plan, &fleet, &options.plan)?;
    let is_other_plan = plan != before;
    Ok(Grown { desired: read(options, plan)?, is_other_plan, _ports: ports })
}

/// Writes a plan that has grown to its file. Blocks for the disk.
pub(crate) fn write_plan(plan: &Plan, path: &Path) -> Result<(), ControlError> {
    let refuse = |why: String| ControlError::Plan { path: path.to_owned(), why };
    let text = serde_json::to_vec_pretty(plan).map_err(|error| refuse(error.to_string()))?;
    files::write_atomic(path, &text, 0o600).map_err(|error| refuse(error.to_string()))
}

/// Of a file that cannot be read nobody reads more than that; it was read a moment ago.
fn digest(fleet: &Path, policies: &BTreeMap<String, String>, plan: &Plan) -> String {
    let mut text = std::fs::read(fleet).unwrap_or_default();
    text.extend(serde_json::to_vec(plan).unwrap_or_default());
    for (name, policy) in policies {
        text.extend(format!("\0{name}\0{policy}").into_bytes());
    }
    hash::hex(&hash::sha256(&text))
}

fn read(options: &Options, plan: Plan) -> Result<Desired, ControlError> {
    let stamp = files::stamp(&options.fleet).unwrap_or_default();
    let (mut fleet, files) = files::load_fleet(&options.fleet)?;
    let digest = digest(&options.fleet, &files, &plan);
    let summary = bartizan_policy::check(&fleet, &files)?;
    for warning in &fleet.warnings {
        tracing::warn!("{warning}");
    }
    for warning in &summary.warnings {
        tracing::warn!("{warning}");
    }
    check_users(&fleet, options.fleet.parent().unwrap_or(Path::new("")))?;
    check_senders(&fleet, options.fleet.parent().unwrap_or(Path::new("")))?;
    let apis = compile_apis(&fleet).map_err(ControlError::Apis)?;
    for warning in apis.values().flatten().flat_map(|api| &api.warnings) {
        tracing::warn!("{warning}");
    }
    alerts::check_prometheus_rules(&fleet.alerts.prometheus).map_err(ControlError::PrometheusRules)?;
    let policies = Arc::new(bartizan_policy::from_fleet(&fleet, files));
    // Exactly what each proxy will do with its share of them. What would fail there is refused here.
    Engine::compile(&policies, Epoch(1))?;
    let shares = Arc::new(Shares::of(Arc::clone(&policies)));
    check_plan(&fleet, &plan).map_err(|missing| ControlError::PlanMisfit { path: options.plan.clone(), missing })?;
    let dir = options.fleet.parent().unwrap_or(Path::new(""));
    let sources = Sources::read(&fleet.federation, dir)?;
    // Guards have folders of their own.
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let egress = fleet.services.values_mut().filter_map(|service| service.egress.as_mut());
    egress.for_each(|it| it.rules.resolve_files(&dir));
    let senders = fleet.gateway.iter_mut().flat_map(|gateway| gateway.senders.values_mut());
    senders.for_each(|sender| sender.resolve_file(&dir));
    fleet.counts.iter_mut().for_each(|counts| counts.resolve_files(&dir));
    let (away, own_issuer, provider, revoked, keys) = (Away::new(), None, None, Vec::new(), Vec::new());
    let apis = Arc::new(apis);
    let stamp = files::stamp(&options.fleet).ok().filter(|now| *now == stamp).unwrap_or_default();
    Ok(Desired {
        fleet,
        stamp,
        digest,
        plan,
        policies,
        shares,
        apis,
        sources,
        away,
        own_issuer,
        provider,
        revoked,
        keys,
    })
}

/// Checks the keys of those whose tokens are believed, as the gateway will, and the roots of those whose keys are fetched, which lie in
/// `dir`.
///
/// # Errors
/// [`ControlError::Users`], [`ControlError::Roots`].
pub fn check_users(fleet: &Fleet, dir: &Path) -> Result<(), ControlError> {
    if let Some(said) = &fleet.authorization {
        people::check_upstreams(said, dir).map_err(ControlError::Roots)?;
        authorization::check_apps(said, dir).map_err(ControlError::Roots)?;
    }
    let Some(users) = &fleet.users else { return Ok(()) };
    issuers::check(users, dir).map_err(ControlError::Roots)?;
    login::check(fleet, dir).map_err(ControlError::Roots)?;
    bartizan_tokens::issuers_of(users, 1).map(drop).map_err(ControlError::Users)
}

/// Checks the secrets and keys of those who send signed events, as far as this process may read them: the gateway does, and where only it
/// may, it says what is wrong with them.
///
/// # Errors
/// [`ControlError::Sender`].
pub fn check_senders(fleet: &Fleet, dir: &Path) -> Result<(), ControlError> {
    for (name, sender) in fleet.gateway.iter().flat_map(|gateway| &gateway.senders) {
        let path = dir.join(&sender.file);
        let refuse = |why: String| ControlError::Sender { name: name.clone(), path: path.clone(), why };
        let text = match files::read_bounded(&path, SENDER_FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
            text => String::from_utf8(text.map_err(|error| refuse(error.to_string()))?),
        };
        let text = Secret::new(text.map_err(|_| refuse("it is no text".to_owned()))?);
        Sender::read(Form::parse(sender.scheme.as_str()), &text).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(())
}

/// Compiles the documents of APIs, as guards and the gateway will; what is worth saying of them.
///
/// # Errors
/// Everything that is wrong with them, each with its file and place.
pub fn check_apis(fleet: &Fleet) -> Result<Vec<FleetError>, Vec<FleetError>> {
    let apis = compile_apis(fleet)?;
    Ok(apis.values().flatten().flat_map(|api| api.warnings.clone()).collect())
}

/// The documents, by the service that they describe.
fn compile_apis(fleet: &Fleet) -> Result<Declared, Vec<FleetError>> {
    let (mut declared, mut errors, mut seen) = (Declared::new(), Vec::new(), BTreeMap::new());
    let routes = fleet.gateway.iter().flat_map(|gateway| &gateway.routes);
    let routes = routes.filter_map(|route| Some((&route.to, route.api.as_ref()?)));
    let services = fleet.services.iter().filter_map(|(name, service)| Some((name, service.api.as_ref()?)));
    for (service, check) in routes.chain(services) {
        let known = seen.entry((&check.document, &check.base)).or_insert_with(|| {
            let compiled = Api::compile(&check.text, &check.document, check.base.as_deref());
            compiled.map(Arc::new).map_err(|found| errors.extend(found.errors)).ok()
        });
        let Some(api) = known else { continue };
        let of_service = declared.entry(service.clone()).or_default();
        if !of_service.iter().any(|it| Arc::ptr_eq(it, api)) {
            of_service.push(Arc::clone(api));
        }
    }
    if errors.is_empty() { Ok(declared) } else { Err(errors) }
}

fn read_plan(path: &Path) -> Result<Plan, ControlError> {
    let refuse = |why: String| ControlError::Plan { path: path.to_owned(), why };
    let text = files::read_bounded(path, PLAN_BYTES_MAX).map_err(|error| refuse(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))
}
