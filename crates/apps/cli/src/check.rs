//! A fleet file and its policies, read and judged whole; what `bartizan check` prints and `bartizan up` starts from.

use bartizan_core::fleet::{Fleet, FleetError};
use bartizan_policy::{PolicyError, Summary};
use bartizan_runtime::files::{LoadError, load_fleet};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A fleet that may be started.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The fleet.
    pub(crate) fleet: Fleet,
    /// Its policy files, by name.
    pub(crate) files: BTreeMap<String, String>,
    /// What they amount to.
    pub(crate) policies: Summary,
    /// What is no error but deserves a look.
    pub(crate) warnings: Vec<Finding>,
}

/// One thing that is wrong or deserves a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    file: String,
    /// From 1; 0 where it is about the file as a whole.
    line: u64,
    /// From 1, in characters; 0 as for `line`.
    column: u64,
    /// Key in the fleet file, such as `services.accounts.calls[1]`.
    #[serde(skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// The line for people.
    #[serde(skip)]
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<&FleetError> for Finding {
    fn from(error: &FleetError) -> Self {
        Self {
            file: error.file.clone(),
            line: error.line,
            column: error.column,
            key: error.key.clone(),
            value: error.value.clone(),
            message: error.problem.clone(),
            help: Some(error.way_out.clone()).filter(|help| !help.is_empty()),
            text: error.to_string(),
        }
    }
}

/// `folder` is where policy files lie, so that a terminal can open what is printed.
fn of_policy(error: &PolicyError, folder: &Path) -> Finding {
    let file = folder.join(&error.file).display().to_string();
    let text = PolicyError { file: file.clone(), ..error.clone() }.to_string();
    Finding {
        file,
        line: error.line.into(),
        column: error.column.into(),
        key: String::new(),
        value: None,
        message: error.message.clone(),
        help: error.help.clone(),
        text,
    }
}

/// Reads and judges the fleet file at `path` and the policies it names.
///
/// # Errors
/// Everything that is wrong; never empty.
pub(crate) fn check(path: &Path) -> Result<Checked, Vec<Finding>> {
    let (fleet, files) = load_fleet(path).map_err(|error| of_load(path, &error))?;
    let folder = crate::data_dir::folder_of(path).join(fleet.policies.as_deref().unwrap_or_default());
    let place = |errors: &[PolicyError]| errors.iter().map(|error| of_policy(error, &folder)).collect::<Vec<_>>();
    let policies = bartizan_policy::check(&fleet, &files).map_err(|errors| place(errors.as_slice()))?;
    let named = bartizan_control::check_federation(&fleet.federation, &crate::data_dir::folder_of(path));
    named.map_err(|error| vec![whole(path, crate::failure::chain(&error))])?;
    bartizan_control::check_console(&fleet.console, &crate::data_dir::folder_of(path))
        .map_err(|error| vec![whole(path, crate::failure::chain(&error))])?;
    bartizan_control::check_users(&fleet, path.parent().unwrap_or(Path::new("")))
        .map_err(|error| vec![whole(path, crate::failure::chain(&error))])?;
    bartizan_control::check_senders(&fleet, path.parent().unwrap_or(Path::new("")))
        .map_err(|error| vec![whole(path, crate::failure::chain(&error))])?;
    let folder_of_fleet = crate::data_dir::folder_of(path);
    let of_api = |found: &FleetError| {
        Finding::from(&FleetError { file: folder_of_fleet.join(&found.file).display().to_string(), ..found.clone() })
    };
    let apis = bartizan_control::check_apis(&fleet).map_err(|errors| errors.iter().map(of_api).collect::<Vec<_>>())?;
    bartizan_control::check_prometheus_rules(&fleet.alerts.prometheus)
        .map_err(|errors| errors.iter().map(Finding::from).collect::<Vec<_>>())?;
    let mut warnings: Vec<_> = fleet.warnings.iter().map(Finding::from).collect();
    warnings.extend(apis.iter().map(of_api));
    warnings.extend(place(&policies.warnings));
    Ok(Checked { fleet, files, policies, warnings })
}

fn of_load(path: &Path, error: &LoadError) -> Vec<Finding> {
    if let LoadError::Fleet(errors) = error {
        return errors.as_slice().iter().map(Finding::from).collect();
    }
    vec![whole(path, crate::failure::chain(error))]
}

/// Something about the file as a whole.
fn whole(path: &Path, text: String) -> Finding {
    Finding {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        key: String::new(),
        value: None,
        message: text.clone(),
        help: None,
        text,
    }
}

impl Checked {
    /// Calls of services and of others; what the gateway's routes open is counted apart.
    pub(crate) fn declared_calls(&self) -> usize {
        let services = self.fleet.services.values().map(|service| service.calls.len());
        services.chain(self.fleet.others.values().map(|other| other.calls.len())).sum()
    }

    /// How many services there are, and how many of them have a guard where not all have.
    fn services(&self) -> String {
        let (all, bare) = (self.fleet.services.len(), self.fleet.unguarded().count());
        let guarded = if bare > 0 { format!(" ({} with a guard)", all - bare) } else { String::new() };
        format!("{}{guarded}", counted(all, "service"))
    }

    /// What the fleet amounts to, in a line.
    pub(crate) fn summary(&self) -> String {
        let Summary { files, permits, forbids, shadow, declared, warnings: _ } = &self.policies;
        let gateway =
            self.fleet.gateway.as_ref().map_or_else(|| "no gateway".to_owned(), |g| counted(g.routes.len(), "route"));
        format!(
            "fleet `{}`: {}, {}, {gateway}; {} ({} of them in {}{})",
            self.fleet.name,
            self.services(),
            counted(self.declared_calls(), "declared call"),
            counted(permits + forbids + declared, "policy"),
            permits + forbids,
            counted(*files, "file"),
            if *shadow > 0 { format!(", {shadow} in shadow") } else { String::new() },
        )
    }
}

/// `1 service`, `2 policies`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        (_, None) => format!("{n} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        assert_eq!(
            [counted(1, "policy"), counted(0, "policy"), counted(2, "call")],
            ["1 policy", "0 policies", "2 calls"]
        );
    }
}
