//! A machine's answer to a challenge: checked on a thread of its own, by what the verified certificate says alone.

use crate::app::App;
use crate::stream::Refusal;
use bartizan_core::ServiceName;
use bartizan_identity::machine::{Machine, Question};
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::MachineProof;
use std::sync::Arc;

/// Checks that whoever asks to be `name` with the request `csr` is that machine. The challenge is used up by a yes.
pub(crate) async fn machine(
    app: &Arc<App>,
    name: &ServiceName,
    csr: &[u8],
    proof: MachineProof,
) -> Result<(), Refusal> {
    // The cheapest first: an answer to nothing costs nobody a place.
    let denied = |error: &dyn std::error::Error| Refusal::denied(error.to_string());
    app.attestation.machines()?;
    app.attestation.challenges.check(&proof.challenge, clock::now()).map_err(|error| denied(&error))?;
    let slot = app.attestation.slot()?;
    let (at_work, name, csr) = (Arc::clone(app), name.clone(), csr.to_vec());
    let checking = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        check(&at_work, &name, &csr, &proof).map(|machine| (machine, proof.challenge))
    });
    let checked = checking.await.map_err(|_| Refusal::unable("the check of a machine ended badly"))?;
    let (machine, challenge) = checked?;
    if let Some(entry) = app.in_force().denied.denies_machine(&machine) {
        return Err(Refusal::on_deny_list(entry));
    }
    // Last, so that nobody but the holder of the key can use a challenge up; and before anything is issued.
    app.attestation.challenges.take(&challenge, clock::now()).map_err(|error| denied(&error))
}

fn check(app: &App, name: &ServiceName, csr: &[u8], proof: &MachineProof) -> Result<Machine, Refusal> {
    let chain: Vec<&[u8]> = proof.chain.iter().map(Vec::as_slice).collect();
    let authority = app.authority();
    let question = Question { domain: authority.domain(), name, challenge: &proof.challenge, csr };
    let machine = app.attestation.machines()?.check(&chain, &proof.signature, &question, clock::now());
    machine.map_err(|error| Refusal::denied(error.to_string()))
}
