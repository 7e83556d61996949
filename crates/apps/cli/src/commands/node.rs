//! `bartizan node`.

use crate::args::NodeArgs;
use crate::failure::{Failure, chain};
use bartizan_node::{Kubernetes, MachineFiles, Options, Proof};
use bartizan_runtime::control_stream::Addresses;
use bartizan_runtime::stop;
use tokio_util::sync::CancellationToken;

/// Threads of the node, a count: it answers a few requests a minute, and one of them may hash a large file.
const THREADS: usize = 2;

/// Runs the node agent until its input ends, a signal comes, or its identity is lost.
pub(crate) fn run(args: NodeArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(serve(args))
}

async fn serve(args: NodeArgs) -> Result<(), Failure> {
    let control = Addresses::new(args.control.clone()).map_err(|error| Failure::new(format!("--control: {error}")))?;
    let signals = stop::on_signals();
    let parent = CancellationToken::new();
    let proof = proof(&args, &parent).await?;
    if !args.keep_running {
        let signals = signals.clone();
        tokio::spawn(async move {
            parent.cancelled().await;
            signals.cancel();
        });
    }
    let kubernetes = kubernetes(&args);
    let options = Options {
        name: args.name,
        trust_domain: args.trust_domain,
        control,
        trust_bundle: args.trust_bundle,
        socket: args.socket,
        workload_socket: args.workload_socket,
        docker_socket: args.docker_socket,
        kubernetes,
        proxy_binary: args.proxy_binary,
        seal_secret: args.seal_secret,
        cache: args.cache,
        supervisor: args.supervisor_pid,
        proof,
    };
    bartizan_node::run(options, signals).await.map_err(|error| Failure::new(chain(&error)))
}

/// All three are given, or none.
fn kubernetes(args: &NodeArgs) -> Option<Kubernetes> {
    let (api, ca, token) = (args.kubernetes_api.clone()?, args.kubernetes_ca.clone()?, args.kubernetes_token.clone()?);
    let node = args.kubernetes_node.clone().unwrap_or_else(|| args.name.to_string());
    Some(Kubernetes { api, ca, token, node })
}

/// The machine's certificate or the pod's token where one is named, else the first line of standard input; `parent` fires when that ends.
async fn proof(args: &NodeArgs, parent: &CancellationToken) -> Result<Option<Proof>, Failure> {
    if let (Some(cert), Some(key)) = (&args.x509pop_cert, &args.x509pop_key) {
        stop::when_parent_goes(parent.clone());
        let files = MachineFiles::new(cert.clone(), key.clone());
        return files.map(|files| Some(Proof::Machine(files))).map_err(|error| Failure::new(chain(&error)));
    }
    if let Some(path) = &args.psat_token {
        stop::when_parent_goes(parent.clone());
        return Ok(Some(Proof::Kubernetes(path.clone())));
    }
    let token = match args.cache {
        None => stop::first_line_then_watch(parent.clone()).await.map(Some),
        Some(_) => stop::first_line_if_any_then_watch(parent.clone()).await,
    };
    let token = token.map_err(|error| {
        Failure::new(format!("no join token: {error}; pipe one in with `bartizan token node | bartizan node …`"))
    })?;
    Ok(token.map(Proof::Token))
}
