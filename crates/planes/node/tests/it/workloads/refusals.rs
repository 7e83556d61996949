//! Who gets nothing.

use crate::workloads::program::{Program, python};
use crate::workloads::world::{DEADLINE, World, uid, wait_for, with_header};
use bartizan_runtime::control_stream::{Code, Request, Status, Streaming};
use bartizan_runtime::workload_api::SECURITY_HEADER;
use bartizan_runtime::workload_v1::{
    JwtBundlesRequest, JwtsvidRequest, ValidateJwtsvidRequest, X509BundlesRequest, X509svidRequest, X509svidResponse,
};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Every method with `request` made by `of`; the code of its refusal.
async fn refusals(world: &World, header: Option<&str>) -> Vec<Code> {
    fn of<T>(message: T, header: Option<&str>) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = header {
            request.metadata_mut().insert(SECURITY_HEADER, value.parse().unwrap());
        }
        request
    }
    let mut client = world.client().await;
    let (audience, spiffe_id) = (vec!["a".to_owned()], String::new());
    let validate = ValidateJwtsvidRequest { audience: "a".to_owned(), svid: "x".to_owned() };
    vec![
        client.fetch_x509svid(of(X509svidRequest {}, header)).await.unwrap_err().code(),
        client.fetch_x509_bundles(of(X509BundlesRequest {}, header)).await.unwrap_err().code(),
        client.fetch_jwtsvid(of(JwtsvidRequest { audience, spiffe_id }, header)).await.unwrap_err().code(),
        client.fetch_jwt_bundles(of(JwtBundlesRequest {}, header)).await.unwrap_err().code(),
        client.validate_jwtsvid(of(validate, header)).await.unwrap_err().code(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_header_nothing_is_said() {
    let world = World::start(&format!("  us: {{ selectors: {{ uid: {} }}, jwt: true }}\n", uid())).await;
    world.entries(1).await;
    for header in [None, Some("false"), Some("True"), Some("")] {
        assert_eq!(refusals(&world, header).await, [Code::InvalidArgument; 5], "{header:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_matches_no_entry_gets_nothing() {
    let hash = "0".repeat(64);
    let world = World::start(&format!(
        "  other: {{ selectors: {{ uid: {other} }} }}\n  both: {{ selectors: {{ uid: {own}, path: /bin/other }} }}\n  \
         hash: {{ selectors: {{ uid: {own}, sha256: \"{hash}\" }} }}\n  unit: {{ selectors: {{ unit: other.service }} }}\n  \
         elsewhere: {{ selectors: {{ uid: {own} }}, node: other }}\n",
        own = uid(),
        other = uid() + 1
    ))
    .await;
    world.entries(4).await;
    assert_eq!(refusals(&world, Some("true")).await, [Code::PermissionDenied; 5]);
    world.stop().await;
}

/// A binding that is ambiguous although it is to be the only one: nobody chooses for the operator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fits_two_entries_gets_nothing_where_one_is_to_be_the_only_one() {
    let own = uid();
    let sole = format!("  sole: {{ selectors: {{ uid: {own} }}, sole: true }}\n");
    let world = World::start(&format!("{sole}  other: {{ selectors: {{ uid: {own} }}, id: /other }}\n")).await;
    world.entries(2).await;
    assert_eq!(refusals(&world, Some("true")).await, [Code::PermissionDenied; 5]);
    // Alone, or with an entry for the same identity, it is not ambiguous.
    let same =
        format!("  same: {{ selectors: {{ gid: {} }}, id: /workload/sole }}\n", rustix::process::getgid().as_raw());
    world.reload(&format!("{sole}{same}")).await;
    wait_for("identity", async || {
        let mut client = world.client().await;
        let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.ok()?.into_inner();
        stream.message().await.ok()?
    })
    .await;
    world.stop().await;
}

/// Where nobody knows containers, and outside of one, a selector for an image matches nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_no_container_matches_no_image() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let world = World::start(&format!(
        "  image: {{ selectors: {{ uid: {}, container: {{ image_digest: \"{digest}\" }} }} }}\n",
        uid()
    ))
    .await;
    world.entries(1).await;
    assert_eq!(refusals(&world, Some("true")).await, [Code::PermissionDenied; 5]);
    world.stop().await;
}

/// Where nobody knows pods, a selector for one matches nobody, also beside one that fits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_no_pod_matches_none() {
    let pod = "kubernetes: { namespace: pay, service_account: ledger }";
    let own = uid();
    let world = World::start(&format!(
        "  pod: {{ selectors: {{ {pod} }} }}\n  both: {{ selectors: {{ uid: {own}, {pod} }} }}\n"
    ))
    .await;
    world.entries(2).await;
    assert_eq!(refusals(&world, Some("true")).await, [Code::PermissionDenied; 5]);
    world.stop().await;
}

/// The next message of a stream that is an answer, or its end.
async fn next(stream: &mut Streaming<X509svidResponse>) -> Result<Option<X509svidResponse>, Status> {
    tokio::time::timeout(DEADLINE, stream.message()).await.expect("something is said in time")
}

async fn python_world() -> World {
    let world = World::start(&format!("  py: {{ selectors: {{ path: {} }} }}\n", python().display())).await;
    world.entries(1).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_becomes_another_program_loses_its_stream() {
    let world = python_world().await;
    let (mut program, mut client) = Program::start(&world).await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.unwrap().unwrap().svids[0].spiffe_id, "spiffe://bank.test/workload/py");
    program.exec();
    let began = Instant::now();
    let ended = next(&mut stream).await.expect_err("the stream went on");
    println!("from exec to the end of the stream: {:?}", began.elapsed());
    assert_eq!(ended.code(), Code::PermissionDenied);
    assert!(began.elapsed() < bartizan_node::limits::ATTEST_EVERY + Duration::from_secs(5));
    let again = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap_err();
    assert_eq!(again.code(), Code::PermissionDenied, "it is `sleep` now");
    world.stop().await;
}

/// Also where the new program has an identity too: it has to come itself, on a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_of_one_program_is_not_continued_for_another() {
    let sleep = std::fs::canonicalize("/bin/sleep").unwrap();
    let python = python();
    let world = World::start(&format!(
        "  py: {{ selectors: {{ path: {} }} }}\n  sl: {{ selectors: {{ path: {} }} }}\n",
        python.display(),
        sleep.display()
    ))
    .await;
    world.entries(2).await;
    let (mut program, mut client) = Program::start(&world).await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    next(&mut stream).await.unwrap().unwrap();
    program.exec();
    assert_eq!(next(&mut stream).await.expect_err("the stream went on").code(), Code::PermissionDenied);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_ended_is_nobody_whoever_has_its_number_now() {
    let world = python_world().await;
    let (program, mut client) = Program::start(&world).await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    next(&mut stream).await.unwrap().unwrap();
    let pid = program.pid();
    program.end();
    let began = Instant::now();
    assert_eq!(next(&mut stream).await.expect_err("the stream went on").code(), Code::PermissionDenied);
    println!("from the end of the process to the end of the stream: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(2), "told by the kernel, not by the next look");

    // Where we may choose process ids, another python gets this one: its selectors would fit.
    let python = python();
    let taken = (0..50).find_map(|_| {
        let chosen = std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string());
        chosen.inspect_err(|error| println!("process ids cannot be chosen: {error}")).ok()?;
        let mut command = std::process::Command::new(&python);
        let mut child = command.args(["-c", "input()"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        if child.id() == pid {
            return Some(child);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        None
    });
    println!("process id {pid} taken again: {}", taken.is_some());
    let refused = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    if let Some(mut child) = taken {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    world.stop().await;
}

/// One process takes every connection and every call that it gets; another one does not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_does_not_starve_others() {
    let world = World::start(&format!("  us: {{ selectors: {{ uid: {} }} }}\n", uid())).await;
    world.entries(1).await;
    let connections: Vec<_> = (0..500).filter_map(|_| UnixStream::connect(world.socket()).ok()).collect();
    let (_program, mut other) = Program::start(&world).await;
    let began = Instant::now();
    let mut stream = other.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    next(&mut stream).await.unwrap().unwrap();
    println!("beside {} connections of another process: {:?}", connections.len(), began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(connections);

    let mut client = wait_for("place", async || {
        let mut client = bartizan_runtime::workload_api::connect(&world.socket()).await.ok()?;
        let open = client.fetch_x509svid(with_header(X509svidRequest {})).await;
        open.is_ok().then_some(client)
    })
    .await;
    let mut refused = 0;
    let mut open = Vec::new();
    for _ in 0..400 {
        match client.fetch_x509_bundles(with_header(X509BundlesRequest {})).await {
            Ok(stream) => open.push(stream),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted);
                refused += 1;
                open.clear();
            }
        }
        if open.len() >= 32 {
            open.clear(); // below the bound on streams, so that the one on calls is met
        }
    }
    assert!(refused > 50, "{refused} of 400 calls at once were refused");
    let again = other.fetch_x509svid(with_header(X509svidRequest {})).await;
    assert!(again.is_ok(), "another process is not refused for that");
    world.stop().await;
}
