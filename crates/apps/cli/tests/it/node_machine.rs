//! A node that joins with the machine's certificate, and no token anywhere: real processes.

use crate::node_restart::{Place, fetched, wait_for};
use bartizan_crypto::forge::{Forged, Recipe};
use bartizan_crypto::{cert, key};
use bartizan_runtime::clock;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

const ROOTS: [&str; 4] = ["--x509pop-roots", "machines.pem", "--x509pop-domain", "nodes.bank.example"];
const SHOWN: [&str; 4] = ["--x509pop-cert", "machine.pem", "--x509pop-key", "machine.key"];

fn write(place: &Place, name: &str, text: &str) {
    std::fs::write(place.path(name), text).unwrap();
    std::fs::set_permissions(place.path(name), PermissionsExt::from_mode(0o600)).unwrap();
}

/// Puts the certificate of a machine called `local` in place.
fn install(place: &Place, root: &Forged) {
    let recipe = Recipe::leaf("", clock::now()).with(|it| {
        it.uris.clear();
        it.dns_names = vec!["local.nodes.bank.example".to_owned()];
    });
    let leaf = recipe.signed_by(root);
    write(place, "machine.pem", &cert::pem(&leaf.der));
    write(place, "machine.key", key::pem(&leaf.key).expose());
}

#[tokio::test]
async fn joins_with_its_certificate_as_often_as_it_starts() {
    let place = Place::new();
    let root = Recipe::ca("machines", clock::now()).self_signed();
    write(&place, "machines.pem", &cert::pem(&root.der));
    install(&place, &root);
    // Control is away when the node starts: it is waited for.
    place.control_with(&ROOTS).await.kill();
    let node = place.start_node(&SHOWN, Stdio::null(), "node.log");
    let control = place.control_with(&ROOTS).await;
    wait_for("identity", async || fetched(&place.client().await).await).await;
    assert_eq!(place.health().await.id.as_str(), "spiffe://bank.test/bartizan/node/local");
    node.kill();
    // Again, without a cache, with another certificate of the same machine.
    install(&place, &root);
    let node = place.start_node(&SHOWN, Stdio::null(), "again.log");
    place.logged("again.log", "joined").await;
    wait_for("identity", async || fetched(&place.client().await).await).await;
    node.kill();

    // Of another CA: refused, with a word on where to look.
    install(&place, &Recipe::ca("machines", clock::now()).self_signed());
    let _stranger = place.start_node(&SHOWN, Stdio::null(), "stranger.log");
    place.logged("stranger.log", "could not join; see `bartizan events --deny`").await;
    place.logged("control.log", "no path to a trusted root").await;
    control.kill();
}
