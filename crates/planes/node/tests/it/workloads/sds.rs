//! Envoy's protocol, message by message.

use crate::workloads::world::{World, uid, wait_for};
use bartizan_runtime::control_stream::{Code, Status, Streaming};
use bartizan_runtime::sds_v3::secret_discovery_service_client::SecretDiscoveryServiceClient;
use bartizan_runtime::sds_v3::{self, DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse, Secret, secret};
use bartizan_runtime::workload_api::{SECRET_TYPE, unpack};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

struct Stream {
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

fn request(names: &[&str]) -> DiscoveryRequest {
    let resource_names = names.iter().map(|&name| name.to_owned()).collect();
    DiscoveryRequest { resource_names, type_url: SECRET_TYPE.to_owned(), ..DiscoveryRequest::default() }
}

impl Stream {
    async fn open(world: &World, names: &[&str]) -> Self {
        let mut client = SecretDiscoveryServiceClient::new(world.channel().await);
        let (requests, queue) = mpsc::channel(8);
        requests.send(request(names)).await.unwrap();
        let responses = client.stream_secrets(ReceiverStream::new(queue)).await.unwrap().into_inner();
        Self { requests, responses }
    }

    async fn next(&mut self) -> Result<DiscoveryResponse, Status> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.responses.message()).await;
        next.expect("something is said in time").map(|message| message.expect("the stream goes on"))
    }

    async fn answer(&self, names: &[&str], to: &DiscoveryResponse, refused: Option<&str>) {
        let error_detail = refused.map(|message| sds_v3::Status { code: 3, message: message.to_owned() });
        let (version_info, response_nonce) = (to.version_info.clone(), to.nonce.clone());
        self.requests
            .send(DiscoveryRequest { version_info, response_nonce, error_detail, ..request(names) })
            .await
            .unwrap();
    }

    async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(300), self.responses.message()).await.is_err()
    }
}

fn secrets(response: &DiscoveryResponse) -> Vec<Secret> {
    assert_eq!(response.type_url, SECRET_TYPE);
    response.resources.iter().map(|any| unpack(any).unwrap()).collect()
}

async fn world() -> World {
    let world = World::start(&format!("  us: {{ selectors: {{ uid: {} }} }}\n", uid())).await;
    world.entries(1).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_what_it_may_not_have() {
    let world = world().await;
    for names in [&["spiffe://bank.test/svc/accounts"][..], &["spiffe://other.test"], &["default", "ALL"]] {
        let mut stream = Stream::open(&world, names).await;
        assert_eq!(stream.next().await.unwrap_err().code(), Code::PermissionDenied, "{names:?}");
    }
    let many = vec!["default"; 33];
    assert_eq!(Stream::open(&world, &many).await.next().await.unwrap_err().code(), Code::InvalidArgument);
    let mut client = SecretDiscoveryServiceClient::new(world.channel().await);
    let other = DiscoveryRequest { type_url: "type.googleapis.com/x".to_owned(), ..request(&["default"]) };
    assert_eq!(client.fetch_secrets(other).await.unwrap_err().code(), Code::InvalidArgument);
    let delta = client.delta_secrets(tokio_stream::iter([DeltaDiscoveryRequest {}])).await;
    assert_eq!(delta.unwrap_err().code(), Code::Unimplemented);
    world.reload(&format!("  us: {{ selectors: {{ uid: {} }} }}\n", uid() + 1)).await;
    wait_for("refusal", async || {
        let refused = client.fetch_secrets(request(&["default"])).await.err()?;
        (refused.code() == Code::PermissionDenied).then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_and_roots_come_by_name_and_again_when_they_change() {
    let world = world().await;
    let id = "spiffe://bank.test/workload/us";
    let names = [id, "spiffe://bank.test"];
    let mut stream = Stream::open(&world, &names).await;
    // Roots are there at once; a busy machine may need a moment for the certificate.
    let mut first = stream.next().await.unwrap();
    if secrets(&first).len() == 1 {
        first = stream.next().await.unwrap();
    }
    let both = secrets(&first);
    assert_eq!((both[0].name.as_str(), both[1].name.as_str()), (names[0], names[1]));
    let Some(secret::Type::TlsCertificate(_)) = &both[0].r#type else { panic!("no certificate: {both:?}") };
    let Some(secret::Type::ValidationContext(_)) = &both[1].r#type else { panic!("no roots: {both:?}") };
    stream.answer(&names, &first, None).await;
    assert!(stream.is_silent().await, "an acknowledgement is not answered");

    // The entry is another one now, so there is another certificate; the name stays.
    world.reload(&format!("  us: {{ selectors: {{ uid: {} }}, ttl_s: 600 }}\n", uid())).await;
    let second = stream.next().await.unwrap();
    assert_ne!((&first.version_info, &first.nonce), (&second.version_info, &second.nonce));
    stream.answer(&names, &second, Some("cannot be used")).await;
    assert!(stream.is_silent().await, "what was refused is not sent again");
    stream.answer(&["ROOTCA"], &first, None).await;
    assert!(stream.is_silent().await, "an answer to what is no longer the last word");
    stream.answer(&["ROOTCA"], &second, None).await;
    let third = stream.next().await.unwrap();
    assert_eq!(secrets(&third)[0].name, "ROOTCA", "other names");
    assert_eq!(third.resources.len(), 1);
    world.stop().await;
}
