//! What a reload has put in force, read by whoever starts programs.

use super::capture;
use super::keep::Keeper;
use super::launcher::Launcher;
use super::prepare::programs;
use crate::check::check;
use crate::failure::Failure;
use bartizan_core::plan::Plan;
use bartizan_runtime::files;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A keeper for the fleet file in force, which is in the state `stamp`. Blocks for the disk.
///
/// # Errors
/// Why there is none, such as that the file was changed since.
pub(crate) fn newer(keeper: &Keeper, stamp: &str) -> Result<Keeper, Failure> {
    let launcher = &keeper.launcher;
    let is_in_force = || files::stamp(&launcher.fleet_file).is_ok_and(|now| now == stamp);
    let changed =
        || Failure::new("the fleet file is not as it was at the last reload; `bartizan reload` puts it in force");
    if !is_in_force() {
        return Err(changed());
    }
    let checked = check(&launcher.fleet_file).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        Failure::new(lines.join("\n"))
    })?;
    let path = launcher.data.plan();
    let text = std::fs::read(&path).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
    let plan: Plan =
        serde_json::from_slice(&text).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
    let ready = programs(&checked.fleet, Some(&plan), &launcher.fleet_file, &launcher.bartizan, &launcher.data)?;
    if !is_in_force() {
        return Err(changed());
    }
    launcher.spaces.set_isolation(plan.isolation.clone());
    capture::add_hosts(&checked.fleet, &plan, &launcher.data)?;
    let fleet = Arc::new(checked.fleet);
    let mut waiter = keeper.waiter.clone();
    (waiter.fleet, waiter.plan) = (Arc::clone(&fleet), Some(Arc::new(plan.clone())));
    launcher.drain_ms.store(fleet.drain(), Relaxed);
    let launcher = Launcher { fleet, plan: Some(plan), programs: ready, ..Launcher::clone(launcher) };
    Ok(Keeper { launcher: Arc::new(launcher), waiter, ..keeper.clone() })
}
