//! The fleet file and the folder of policies it names.

use super::read_bounded;
use crate::limits;
use bartizan_core::alerts::Rule;
use bartizan_core::fleet::{self, Fleet, FleetErrors};
use bartizan_core::limits::{
    ALERT_RULES_FILE_BYTES_MAX, ALERT_RULES_FILES_MAX, ALERT_RULES_MAX, API_DOCUMENT_BYTES_MAX,
    API_DOCUMENTS_BYTES_MAX, FLEET_FILE_BYTES_MAX, OBJECTIVES_FILE_BYTES_MAX, POLICY_FILE_BYTES_MAX,
    PROMETHEUS_RULES_MAX,
};
use bartizan_core::prometheus_rules::Group;
use bartizan_crypto::limits::JWKS_BYTES_MAX;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Prefix of policy names that the fleet file itself compiles to.
const RESERVED: &str = "fleet:";

/// Why a fleet was not loaded. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder could not be read, or is too long.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file is not text.
    #[error("`{}` is not UTF-8; save it as UTF-8", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
    /// The fleet file has errors, each with its place.
    #[error(transparent)]
    Fleet(FleetErrors),
    /// A policy file cannot bear its name.
    #[error("policy file `{}` has a name that is not UTF-8 or begins with `{RESERVED}`; rename it", path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// The documents of APIs are too long together.
    #[error(
        "the API documents of all routes and services have more than {API_DOCUMENTS_BYTES_MAX} bytes together; shorten them, or give routes that share one document a pattern that they share"
    )]
    TooManyDocuments,
    /// Something stands among the policies that would not be read.
    #[error("`{}` would not be read: policies are `*.cedar` files directly in their folder; rename, move or remove it", path.display())]
    NotRead {
        /// What.
        path: PathBuf,
    },
    /// Something stands among the rules that would not be read.
    #[error("`{}` would not be read: alert rules are `*.yaml` files directly in their folder; rename, move or remove it", path.display())]
    NoRules {
        /// What.
        path: PathBuf,
    },
    /// Two rules have one name.
    #[error("{second}: alert rule `{name}` is there already, in {first}; give each a name of its own")]
    RuleTwice {
        /// The name.
        name: String,
        /// File and line.
        first: String,
        /// File and line.
        second: String,
    },
    /// Too many rules.
    #[error("`{}` holds more than {ALERT_RULES_FILES_MAX} files or {ALERT_RULES_MAX} alert rules; leave out those that nobody would act on", dir.display())]
    TooManyRules {
        /// The folder.
        dir: PathBuf,
    },
    /// Too many rules in the form of Prometheus.
    #[error("`{}` holds more than {PROMETHEUS_RULES_MAX} rules; leave out those that nobody would act on", dir.display())]
    TooManyPrometheusRules {
        /// The folder.
        dir: PathBuf,
    },
    /// Too many or too long policies.
    #[error("`{}` holds more than {} policy files or {} bytes of policies", dir.display(), limits::POLICY_FILES_MAX, limits::POLICIES_BYTES_MAX)]
    TooMuch {
        /// The folder.
        dir: PathBuf,
    },
}

/// Reads the fleet file at `path`, and what it names relative to itself: the policies of a folder, the keys of issuers, and the
/// documents of APIs.
///
/// Blocks for the disk.
///
/// # Errors
/// [`LoadError`]; the fleet is loaded whole or not at all.
pub fn load_fleet(path: &Path) -> Result<(Fleet, BTreeMap<String, String>), LoadError> {
    let text = read_text(path, FLEET_FILE_BYTES_MAX)?;
    let mut fleet = fleet::parse(&text, &path.display().to_string()).map_err(LoadError::Fleet)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let issuers = fleet.users.iter_mut().flat_map(|users| &mut users.issuers);
    for issuer in issuers.filter(|issuer| !issuer.is_fetched()) {
        issuer.jwks = read_text(&folder.join(&issuer.keys), JWKS_BYTES_MAX)?;
    }
    let mut left = API_DOCUMENTS_BYTES_MAX;
    let routes = fleet.gateway.iter_mut().flat_map(|gateway| &mut gateway.routes);
    let services = fleet.services.values_mut().filter_map(|service| service.api.as_mut());
    for api in routes.filter_map(|route| route.api.as_mut()).chain(services) {
        let text = read_text(&folder.join(&api.document), API_DOCUMENT_BYTES_MAX)?;
        left = left.checked_sub(text.len()).ok_or(LoadError::TooManyDocuments)?;
        api.text = text.into();
    }
    if let Some(file) = fleet.objectives.as_ref().map(|it| folder.join(&it.file)) {
        let text = read_text(&file, OBJECTIVES_FILE_BYTES_MAX)?;
        let said = fleet::parse_objectives(&text, &file.display().to_string(), &fleet).map_err(LoadError::Fleet)?;
        fleet.objectives.iter_mut().for_each(|it| it.said.clone_from(&said));
    }
    if let Some(dir) = fleet.alerts.folder.as_ref().map(|it| folder.join(it)) {
        fleet.alerts.rules = load_rules(&dir, Some(&fleet))?;
    }
    if let Some(dir) = fleet.alerts.prometheus_folder.as_ref().map(|it| folder.join(it)) {
        fleet.alerts.prometheus = load_prometheus_rules(&dir)?;
    }
    let policies = match &fleet.policies {
        Some(dir) => load_policies(&folder.join(dir))?,
        None => BTreeMap::new(),
    };
    Ok((fleet, policies))
}

/// Reads the `*.cedar` files of a folder, by file name. Hidden files and texts such as a README are passed over; what might be
/// meant as a policy and would not be read is an error.
///
/// Blocks for the disk.
///
/// # Errors
/// [`LoadError`] at the first file that cannot be taken: half a folder of policies would allow what it forbids.
pub fn load_policies(dir: &Path) -> Result<BTreeMap<String, String>, LoadError> {
    let unread = |source| LoadError::Read { path: dir.to_owned(), source };
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let cedar = path.extension().is_some_and(|e| e == "cedar");
        let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if hidden || (!cedar && !path.is_dir() && is_prose(&path)) {
            continue;
        }
        if !cedar || path.is_dir() {
            return Err(LoadError::NotRead { path });
        }
        let name = match path.file_name().and_then(|n| n.to_str()) {
            Some(name) if !name.starts_with(RESERVED) => name.to_owned(),
            _ => return Err(LoadError::Name { path }),
        };
        let text = read_text(&path, POLICY_FILE_BYTES_MAX)?;
        bytes += text.len();
        files.insert(name, text);
        if files.len() > limits::POLICY_FILES_MAX || bytes > limits::POLICIES_BYTES_MAX {
            return Err(LoadError::TooMuch { dir: dir.to_owned() });
        }
    }
    Ok(files)
}

/// Reads the `*.yaml` files of alert rules in a folder, or one such file. Hidden files and texts such as a README are passed over.
///
/// Blocks for the disk.
///
/// # Errors
/// [`LoadError`] at the first file that cannot be taken: an alert that is not there looks like a fleet in which all is well.
pub fn load_rules(place: &Path, fleet: Option<&Fleet>) -> Result<Vec<Rule>, LoadError> {
    let mut all: Vec<Rule> = Vec::new();
    for path in rule_files(place)? {
        let text = read_text(&path, ALERT_RULES_FILE_BYTES_MAX)?;
        let rules = fleet::parse_rules(&text, &path.display().to_string(), fleet).map_err(LoadError::Fleet)?;
        for rule in rules {
            if let Some(first) = all.iter().find(|it| it.name == rule.name) {
                return Err(LoadError::RuleTwice { name: rule.name, first: first.place.clone(), second: rule.place });
            }
            all.push(rule);
        }
    }
    if all.len() > ALERT_RULES_MAX {
        return Err(LoadError::TooManyRules { dir: place.to_owned() });
    }
    Ok(all)
}

/// Reads the files of rules in the form of Prometheus in a folder, or one such file. What they ask is not read.
///
/// Blocks for the disk.
///
/// # Errors
/// [`LoadError`], as [`load_rules`].
pub fn load_prometheus_rules(place: &Path) -> Result<Vec<Group>, LoadError> {
    let mut all = Vec::new();
    for path in rule_files(place)? {
        let text = read_text(&path, ALERT_RULES_FILE_BYTES_MAX)?;
        all.extend(fleet::parse_prometheus_rules(&text, &path.display().to_string()).map_err(LoadError::Fleet)?);
    }
    if all.iter().map(|it| it.rules.len()).sum::<usize>() > PROMETHEUS_RULES_MAX {
        return Err(LoadError::TooManyPrometheusRules { dir: place.to_owned() });
    }
    Ok(all)
}

/// Whether what lies there are rules in the form of Prometheus: its first file begins a list of groups.
pub fn is_of_prometheus(place: &Path) -> bool {
    let first = rule_files(place).ok().and_then(|all| all.into_iter().next());
    let text = first.and_then(|path| read_text(&path, ALERT_RULES_FILE_BYTES_MAX).ok());
    text.is_some_and(|text| text.lines().any(|line| line.starts_with("groups:")))
}

/// The files of a folder of rules, in order, or the one file.
fn rule_files(place: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unread = |source| LoadError::Read { path: place.to_owned(), source };
    let mut paths = Vec::new();
    if place.is_file() {
        paths.push(place.to_owned());
    } else {
        for entry in std::fs::read_dir(place).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            let rules = path.extension().is_some_and(|e| e == "yaml" || e == "yml") && !path.is_dir();
            let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            if hidden || (!rules && !path.is_dir() && is_prose(&path)) {
                continue;
            }
            if !rules {
                return Err(LoadError::NoRules { path });
            }
            paths.push(path);
        }
    }
    paths.sort();
    if paths.len() > ALERT_RULES_FILES_MAX {
        return Err(LoadError::TooManyRules { dir: place.to_owned() });
    }
    Ok(paths)
}

/// What stands beside policies without being one.
fn is_prose(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    matches!(extension, "md" | "cedarschema" | "json") || path.file_name().is_some_and(|n| n == "LICENSE")
}

fn read_text(path: &Path, bytes_max: usize) -> Result<String, LoadError> {
    let bytes = read_bounded(path, bytes_max).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|_| LoadError::NotText { path: path.to_owned() })
}
