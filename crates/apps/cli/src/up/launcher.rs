//! How each part is started: its executable, arguments, token and log.

use super::child::{self, Input, Running, Spec};
use super::environment::Ready;
use super::part::Part;
use super::porter_note::PorterNote;
use super::spaces::{Space, Spaces};
use crate::data_dir::{DataDir, make_private};
use crate::failure::chain;
use crate::limits::{DRAIN_SLACK, STOP_WITHIN, TOKEN_WITHIN};
use bartizan_core::fleet::Fleet;
use bartizan_core::plan::Plan;
use bartizan_core::status::NodeToken;
use bartizan_core::{Member, Secret, ServiceName};
use bartizan_crypto::{base64, hash, random};
use bartizan_node::api::{Done, Expect};
use bartizan_runtime::{descriptors, local};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// The name of the node that `up` starts; one machine has one.
const NODE_NAME: &str = "local";

/// Everything that starting a part needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    /// `bartizan` itself.
    pub(crate) bartizan: PathBuf,
    /// `bartizan-proxy`.
    pub(crate) proxy: PathBuf,
    /// The fleet file, absolute.
    pub(crate) fleet_file: PathBuf,
    /// The fleet.
    pub(crate) fleet: Arc<Fleet>,
    /// Where everything listens; `None` in mode `off`, where nothing but programs is started.
    pub(crate) plan: Option<Plan>,
    /// The data folder.
    pub(crate) data: DataDir,
    /// The programs.
    pub(crate) programs: BTreeMap<Member, Ready>,
    /// Their network namespaces.
    pub(crate) spaces: Arc<Spaces>,
    /// How long guards go on with what is under way once they are stopped, in milliseconds, as the fleet file in force says:
    /// whoever keeps a part has the launcher that it was started with.
    pub(crate) drain_ms: Arc<AtomicU32>,
}

impl Launcher {
    /// How long a part gets to end after it was asked to; then it is killed. A guard finishes what is under way.
    pub(crate) fn patience(&self, part: &Part) -> Duration {
        match part {
            Part::Sidecar(_) | Part::Gateway => Duration::from_millis(self.drain_ms.load(Relaxed).into()) + DRAIN_SLACK,
            _ => STOP_WITHIN,
        }
    }

    /// Starts `part` anew. A proxy gets a new ticket each time, a node a new join token where control is there.
    ///
    /// # Errors
    /// A text that says which step failed.
    pub(crate) async fn start(&self, part: &Part) -> Result<Running, String> {
        match part {
            Part::Control => child::spawn(self.control()).await,
            Part::ControlMember(number) => child::spawn(self.control_member(*number)).await,
            Part::Node => child::spawn(self.node().await?).await,
            Part::Porter(member) => self.porter(part, member).await,
            Part::Sidecar(member) => self.proxy(part, member).await,
            Part::Gateway => self.proxy(part, &ServiceName::gateway().into()).await,
            Part::Program(member) => {
                let space = self.spaces.get(member)?;
                let mut running = child::spawn(self.program(part, member, space.as_deref())?).await?;
                running.space_gone = space.map(|space| space.gone.clone());
                Ok(running)
            }
        }
    }

    async fn porter(&self, part: &Part, member: &Member) -> Result<Running, String> {
        let (ours, theirs) = descriptors::pair().map_err(|error| format!("cannot make a socket: {error}"))?;
        let mut args = vec![("--way", self.spaces.way()?.as_str().into())];
        let captured = self.plan()?.captured.get(member).zip(self.spaces.rules.as_ref());
        if let Some((at, rules)) = captured {
            let wanted = self.fleet.services.get(member.service()).map(|service| service.capture).unwrap_or_default();
            args.push(("--nft", rules.nft.clone().into_os_string()));
            args.push(("--redirect-to", at.port().to_string().into()));
            args.push(("--by", rules.means_for(wanted).as_str().into()));
        }
        let running =
            child::spawn(self.ours(&self.bartizan, Some("porter"), &args, Input::Given(theirs), part)).await?;
        // Where it fails, what was spawned ends as it is dropped.
        self.spaces.add(member, running.pid, ours).await?;
        PorterNote::write(&self.data, member, running.pid, self.spaces.way()?, captured.is_some());
        Ok(running)
    }

    fn control(&self) -> Spec {
        self.ours(&self.bartizan, Some("control"), &self.control_args(&self.data), Input::Open, &Part::Control)
    }

    fn control_args(&self, data: &DataDir) -> Vec<(&'static str, OsString)> {
        vec![
            ("--fleet", self.fleet_file.clone().into_os_string()),
            ("--plan", self.data.plan().into_os_string()),
            ("--data", data.path().as_os_str().to_owned()),
            // Anybody who may call the gateway makes events: they must not fill the disk that programs write to.
            ("--events-bytes-max", crate::limits::EVENTS_BYTES_MAX.to_string().into()),
        ]
    }

    fn control_member(&self, number: u8) -> Spec {
        let mut args = self.control_args(&self.data.member(number));
        args.extend([
            ("--member", number.to_string().into()),
            ("--group-key", self.data.group_key().into_os_string()),
            // All of them read the same files, here.
            ("--front", self.data.path().as_os_str().to_owned()),
        ]);
        let mut spec = self.ours(&self.bartizan, Some("control"), &args, Input::Open, &Part::ControlMember(number));
        spec.args.push("--take-files".into());
        spec.args.extend((!self.data.group_began().exists()).then(|| "--new-group".into()));
        spec
    }

    /// Where control is found: each of several.
    fn controls(&self) -> Result<Vec<(&'static str, OsString)>, String> {
        let one = |at: SocketAddr| ("--control", OsString::from(at.to_string()));
        Ok(match self.fleet.control.is_empty() {
            true => vec![one(self.plan()?.control)],
            false => self.fleet.control.values().map(|place| one(place.listen)).collect(),
        })
    }

    async fn node(&self) -> Result<Spec, String> {
        let request = serde_json::json!({});
        let socket = self.data.control_socket();
        let token = tokio::time::timeout(TOKEN_WITHIN, local::post(&socket, "/v1/node-tokens", &request)).await;
        let token = match token {
            Ok(Ok(NodeToken { token, .. })) => token,
            // It may serve what its cache holds. Where it does not, it says so, and is started again.
            _ if self.data.node_cache().exists() => String::new(),
            Ok(Err(error)) => return Err(format!("control gave no join token: {}", chain(&error))),
            Err(_) => return Err(format!("control gave no join token within {} s", TOKEN_WITHIN.as_secs())),
        };
        let mut args = vec![
            ("--name", NODE_NAME.into()),
            ("--trust-bundle", self.data.roots().into_os_string()),
            ("--trust-domain", self.fleet.trust_domain.to_string().into()),
            ("--socket", self.data.node_socket().into_os_string()),
            ("--proxy-binary", self.proxy.clone().into_os_string()),
            ("--workload-socket", self.data.workload_socket().into_os_string()),
            ("--seal-secret", self.data.seal_secret().into_os_string()),
            ("--cache", self.data.node_cache().into_os_string()),
            ("--supervisor-pid", std::process::id().to_string().into()),
        ];
        args.extend(self.controls()?);
        Ok(self.ours(&self.bartizan, Some("node"), &args, Input::Token(Secret::new(token)), &Part::Node))
    }

    async fn proxy(&self, part: &Part, member: &Member) -> Result<Running, String> {
        let space = self.spaces.get(member)?;
        let spec = self.proxy_spec(part, member, space.is_some()).await?;
        let mut running = child::spawn(spec).await?;
        if let Some(space) = space {
            hand_over_porter(&space, &running).map_err(|error| format!("its porter was not handed over: {error}"))?;
            running.space_gone = Some(space.gone.clone());
        }
        Ok(running)
    }

    /// Starts a proxy that is to take over from one that runs; see [`Launcher::introduce`].
    ///
    /// # Errors
    /// A text that says which step failed.
    pub(crate) async fn spawn_successor(&self, part: &Part) -> Result<Running, String> {
        let member = part.member().ok_or_else(|| format!("{part} is no proxy"))?;
        let mut spec = self.proxy_spec(part, &member, self.spaces.has(&member)).await?;
        spec.args.push("--takes-over".into());
        child::spawn(spec).await
    }

    /// Gives `successor` what it needs and lets the two talk.
    ///
    /// # Errors
    /// A text that says which step failed; `running` goes on.
    pub(crate) fn introduce(&self, part: &Part, successor: &mut Running, running: &Running) -> Result<(), String> {
        let member = part.member().ok_or_else(|| format!("{part} is no proxy"))?;
        if let Some(space) = self.spaces.get(&member)? {
            hand_over_porter(&space, successor).map_err(|error| format!("its porter was not handed over: {error}"))?;
            successor.space_gone = Some(space.gone.clone());
        }
        let introduced = descriptors::pair().and_then(|(old, new)| {
            descriptors::send(line(successor)?, &[PREDECESSOR], &[new.as_fd()])?;
            descriptors::send(line(running)?, &[SUCCESSOR], &[old.as_fd()])
        });
        introduced.map_err(|error| format!("the two were not introduced: {error}"))
    }

    async fn proxy_spec(&self, part: &Part, member: &Member, isolated: bool) -> Result<Spec, String> {
        let service = member.service();
        let state = self.data.proxy_state(&member.to_string());
        make_private(&state).map_err(|failure| failure.to_string())?;
        // 256 bits: as good as a key, which it is for the one process that redeems it.
        let ticket = Secret::new(base64::encode_url(&random::bytes::<32>()));
        let expect = Expect {
            service: service.clone(),
            ticket_sha256: hash::hex(&hash::sha256(ticket.expose().as_bytes())),
            uid: rustix::process::getuid().as_raw(),
        };
        let Done {} = local::post(&self.data.node_socket(), "/v1/expect", &expect)
            .await
            .map_err(|error| format!("the node did not take its ticket: {}", chain(&error)))?;
        let mut args = vec![
            ("--service", service.to_string().into()),
            ("--instance", member.number().to_string().into()),
            ("--trust-domain", self.fleet.trust_domain.to_string().into()),
            ("--node-socket", self.data.node_socket().into_os_string()),
            ("--trust-bundle", self.data.roots().into_os_string()),
            ("--state-dir", state.into_os_string()),
        ];
        args.extend(self.controls()?);
        let mut spec = self.ours(&self.proxy, None, &args, Input::Line(ticket), part);
        spec.args.push("--exit-with-stdin".into());
        // Its allocator takes pages of 2 MiB before the program can say that it wants small ones.
        spec.env.insert("MIMALLOC_ALLOW_THP".to_owned(), "0".to_owned());
        spec.args.extend(isolated.then(|| "--isolated".into()));
        Ok(spec)
    }

    fn program(&self, part: &Part, member: &Member, space: Option<&Space>) -> Result<Spec, String> {
        let ready = self.programs.get(member).ok_or_else(|| format!("`{member}` has no program"))?;
        let captured = self.plan.as_ref().is_some_and(|plan| plan.captured.contains_key(member));
        let hosts = Some(self.data.hosts(member.service().as_str())).filter(|_| captured);
        let mut args: Vec<OsString> = wrapped(space, hosts);
        args.push(ready.executable.clone().into_os_string());
        args.extend(ready.args.iter().map(OsString::from));
        Ok(Spec {
            executable: self.bartizan.clone(),
            args,
            env: ready.env.clone(),
            dir: Some(ready.dir.clone()),
            input: Input::Null,
            log: self.data.log(&part.log_name()),
        })
    }

    fn plan(&self) -> Result<&Plan, String> {
        self.plan.as_ref().ok_or_else(|| "mode `off` starts programs alone".to_owned())
    }

    fn ours(
        &self,
        executable: &Path,
        subcommand: Option<&str>,
        args: &[(&str, OsString)],
        input: Input,
        part: &Part,
    ) -> Spec {
        let mut all: Vec<OsString> = subcommand.map(OsString::from).into_iter().collect();
        all.extend(args.iter().flat_map(|(flag, value)| [OsString::from(flag), value.clone()]));
        Spec {
            executable: executable.to_owned(),
            args: all,
            env: BTreeMap::new(),
            dir: None,
            input,
            log: self.data.log(&part.log_name()),
        }
    }
}

/// What a proxy is told with an end of the porter's socket; `bartizan_proxy::inside`.
const PORTER: u8 = b'p';
/// What a proxy is told with an end of the socket to the one before it; `bartizan_proxy::handover`.
const PREDECESSOR: u8 = b'h';
/// What the one before is told with the other end.
const SUCCESSOR: u8 = b's';

fn line(running: &Running) -> std::io::Result<&OwnedFd> {
    running.line.as_ref().ok_or_else(|| std::io::Error::other("there is no line to it"))
}

fn hand_over_porter(space: &Space, running: &Running) -> std::io::Result<()> {
    let (guards, porters) = descriptors::pair()?;
    space.inside.admit(porters.as_fd())?;
    descriptors::send(line(running)?, &[PORTER], &[guards.as_fd()])
}

/// Arguments that make `bartizan` run what follows them as a program that dies with us, in `space` where there is one.
pub(crate) fn wrapped(space: Option<&Space>, hosts: Option<PathBuf>) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["exec-program".into(), "--parent".into(), std::process::id().to_string().into()];
    if let Some(space) = space {
        args.extend(["--inside".into(), space.porter.to_string().into(), "--way".into(), space.way.as_str().into()]);
    }
    if let Some(hosts) = hosts.filter(|_| space.is_some()) {
        args.extend(["--hosts".into(), hosts.into_os_string()]);
    }
    args.push("--".into());
    args
}
