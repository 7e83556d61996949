//! Whether the files on disk say something else than what is in force: somebody edited them and did not reload, or put back an
//! old state. What is in force does not change by that; that the two differ is said.

use crate::app::App;
use crate::error::chain;
use crate::fleet::{Desired, Grown, load_growing};
use crate::limits::{DRIFT_EVERY, DRIFT_SHOWN_MAX};
use crate::options::Options;
use crate::publish::{Current, InForce};
use bartizan_core::event::{Change, Config, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::snapshot::Kind;
use bartizan_core::status::DriftStatus;
use bartizan_policy::OWN_PREFIX;
use bartizan_runtime::clock;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct Drift(Mutex<Option<DriftStatus>>);

impl Drift {
    pub(crate) fn status(&self) -> Option<DriftStatus> {
        self.0.lock().expect("nothing panics while it holds it").clone()
    }

    /// Takes in what differs now. True where that is news.
    fn set(&self, what: Vec<String>) -> bool {
        let mut held = self.0.lock().expect("nothing panics while it holds it");
        if held.as_ref().map_or(&[][..], |drift| &drift.what) == what {
            return false;
        }
        let since = held.as_ref().map_or_else(clock::now, |drift| drift.since);
        *held = (!what.is_empty()).then_some(DriftStatus { since, what });
        true
    }
}

/// What a look at a file tells without reading it: path, length, and when it was changed.
type Stamp = BTreeSet<(PathBuf, u64, i64, i64)>;

/// Looks again and again, until the app stops. Files are read only where they look different from the last time.
pub(crate) async fn watch(app: Arc<App>) {
    let mut seen: Option<(Stamp, Current)> = None;
    while app.stop.run_until_cancelled(tokio::time::sleep(DRIFT_EVERY)).await.is_some() {
        let (in_force, options) = (app.in_force(), app.options.clone());
        let stamp = stamp(&options, &in_force.desired);
        if seen.as_ref().is_some_and(|(then, by)| *then == stamp && Arc::ptr_eq(by, &in_force)) {
            continue;
        }
        let Ok(on_disk) = tokio::task::spawn_blocking(move || load_growing(&options)).await else { continue };
        let what = match on_disk {
            Ok(on_disk) => differences(&in_force.desired, &on_disk),
            Err(error) => vec![format!("the files on disk would be refused: {}", chain(&error))],
        };
        if app.drift.set(what.clone()) {
            tell(&app, &in_force, &what);
        }
        seen = Some((stamp, in_force));
    }
}

fn stamp(options: &Options, desired: &Desired) -> Stamp {
    let dir = options.fleet.parent().unwrap_or(Path::new(""));
    let mut paths = vec![options.fleet.clone(), options.plan.clone()];
    if let Some(policies) = &desired.fleet.policies {
        let folder = dir.join(policies);
        paths.extend(std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()));
        paths.push(folder);
    }
    paths.extend(desired.fleet.objectives.as_ref().map(|it| dir.join(&it.file)));
    if let Some(folder) = desired.fleet.alerts.folder.as_ref().map(|it| dir.join(it)) {
        paths.extend(std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()));
        paths.push(folder);
    }
    if let Some(place) = desired.fleet.alerts.prometheus_folder.as_ref().map(|it| dir.join(it)) {
        paths.extend(std::fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path()));
        paths.push(place);
    }
    let look = |path: PathBuf| match std::fs::metadata(&path) {
        Ok(about) => (path, about.len(), about.mtime(), about.mtime_nsec()),
        Err(_) => (path, 0, 0, 0),
    };
    paths.into_iter().map(look).collect()
}

/// A line for each thing that differs.
fn differences(in_force: &Desired, on_disk: &Grown) -> Vec<String> {
    let Grown { desired: on_disk, is_other_plan, _ports } = on_disk;
    let mut what = Vec::new();
    // Warnings name lines, which move.
    let plain = |fleet: &Fleet| {
        let mut fleet = Fleet { warnings: Vec::new(), ..fleet.clone() };
        // What was fetched is in no file.
        let issuers = fleet.users.iter_mut().flat_map(|users| &mut users.issuers);
        issuers.filter(|issuer| issuer.is_fetched()).for_each(|issuer| issuer.jwks.clear());
        fleet
    };
    if plain(&in_force.fleet) != plain(&on_disk.fleet) {
        what.push("the fleet file".to_owned());
    }
    // One that would grow does so with the fleet file.
    if !is_other_plan && in_force.plan != on_disk.plan {
        what.push("the plan".to_owned());
    }
    let (held, wanted) = (&in_force.policies.files, &on_disk.policies.files);
    let names: BTreeSet<&String> =
        held.keys().chain(wanted.keys()).filter(|name| !name.starts_with(OWN_PREFIX)).collect();
    for name in names {
        match (held.get(name), wanted.get(name)) {
            (None, _) => what.push(format!("policy file `{name}` is new")),
            (_, None) => what.push(format!("policy file `{name}` is gone")),
            (held, wanted) if held != wanted => what.push(format!("policy file `{name}`")),
            _ => {}
        }
    }
    let more = what.len().saturating_sub(DRIFT_SHOWN_MAX);
    what.truncate(DRIFT_SHOWN_MAX);
    if more > 0 {
        what.push(format!("{more} more"));
    }
    what
}

fn tell(app: &App, in_force: &InForce, what: &[String]) {
    let detail = match what {
        [] => "the files on disk are what is in force again".to_owned(),
        what => format!("the files on disk differ from what is in force: {}", what.join(", ")),
    };
    tracing::warn!("{detail}");
    let (kind, change) = (Kind::Policies, Change::Drifted);
    let epoch = in_force.epoch(kind);
    app.own_events.write(None, What::Config(Config { kind, epoch, change, detail: Some(detail.into()) }));
}
