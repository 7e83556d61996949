//! Whether a plan has an address for everything that a fleet needs.

use bartizan_core::fleet::{Fleet, Isolate};
use bartizan_core::plan::{Isolation, Plan};
use bartizan_core::snapshot::Mode;

/// What the plan lacks, one line each; nothing where it fits the fleet.
pub(crate) fn check_plan(fleet: &Fleet, plan: &Plan) -> Result<(), Vec<String>> {
    let mut missing = cannot_be_kept_apart(fleet, plan);
    for member in fleet.instances() {
        let name = &member;
        let guarded = fleet.has_guard(name.service());
        if guarded && !plan.mesh.contains_key(name) {
            missing
                .push(format!("the plan has no address for the sidecar of `{name}`; start the fleet anew to get one"));
        }
        if plan.program(fleet, name).is_none() {
            missing
                .push(format!("the plan has no address for the program of `{name}`; start the fleet anew to get one"));
        }
        if !guarded {
            continue;
        }
        let way_out = fleet.services.get(name.service()).is_some_and(|service| service.egress.is_some());
        if way_out && !plan.egress.contains_key(name) {
            missing.push(format!(
                "the plan says not where `{name}` goes out of the fleet; start the fleet anew to get an address"
            ));
        }
        let places = plan.outbound.get(name);
        let calls = fleet.services.get(name.service()).into_iter().flat_map(|service| &service.calls);
        for call in calls {
            if !places.is_some_and(|places| places.contains_key(&call.to)) {
                let callee = &call.to;
                missing.push(format!(
                    "the plan says not where `{name}` finds `{callee}`; start the fleet anew to get an address"
                ));
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// Whose program is to be kept apart or to find its callees by name, and is one for which that is not possible here.
fn cannot_be_kept_apart(fleet: &Fleet, plan: &Plan) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, service) in &fleet.services {
        if let (Isolate::Required, Some(Isolation::Shared { why })) = (service.isolate, plan.isolation.get(name)) {
            missing.push(format!("`{name}` is to be isolated (`isolate: true`), which is not possible here: {why}"));
        }
        let by_name = plan.captured.keys().any(|member| member.service() == name);
        if service.is_run() && service.capture.is_required() && plan.mode != Mode::Off && !by_name {
            missing.push(format!("`{name}` is to find its callees by name (`capture`), which is not possible here"));
        }
    }
    missing
}
