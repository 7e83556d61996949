//! `bartizan control`.

use super::member::{self, MemberOptions};
use crate::args::ControlArgs;
use crate::failure::{Failure, chain};
use bartizan_control::{Options, Psat, X509Pop};

/// Runs the control plane until its input ends or a signal comes.
pub(crate) fn run(args: ControlArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let ControlArgs {
        fleet,
        plan,
        data,
        root_passphrase_file,
        events_bytes_max,
        edge_names,
        x509pop_roots,
        x509pop_domain,
        psat_api,
        psat_ca,
        psat_token,
        psat_audience,
        psat_accounts,
        keep_running,
        member,
        group_key,
        new_group,
        take_files,
        front,
    } = args;
    let x509pop = x509pop_roots.zip(x509pop_domain).map(|(roots, domain)| X509Pop { roots, domain });
    let psat = psat_api.zip(psat_ca).zip(psat_token).map(|((api, ca), token)| Psat {
        api,
        ca,
        token,
        audience: psat_audience,
        accounts: psat_accounts,
    });
    let options = Options {
        root_passphrase_file,
        events_bytes_max,
        edge_names,
        x509pop,
        psat,
        keep_running,
        ..Options::new(fleet, plan, data)
    };
    if let Some((number, key)) = member.zip(group_key) {
        let member = MemberOptions { number, key, is_new: new_group, takes_files: take_files, front };
        return runtime.block_on(Box::pin(member::run(options, member)));
    }
    // Boxed: starting control is a long way, and all of it would lie on the stack.
    runtime.block_on(Box::pin(bartizan_control::run(options))).map_err(|error| Failure::new(chain(&error)))
}
