//! The order of starting and stopping.
//!
//! Started: control, node, namespaces, sidecars, programs, gateway: nothing is reachable before its guard is there, and the edge
//! opens last. Stopped: the other way round, so that nothing new comes in while calls under way find their callees.

use super::board::{Board, Phase};
use super::console;
use super::keep::Keeper;
use super::kept::{Kept, Stage};
use super::launcher::Launcher;
use super::log;
use super::once;
use super::part::Part;
use super::prepare::{Held, Prepared, prepare};
use super::pulse::Pulse;
use super::record::Recorder;
use super::scale;
use super::screen::{Screen, Step};
use super::signals::{self, Asked};
use super::table;
use super::tries::{self, Ground, Question, Tries};
use super::undertaker::Undertaker;
use super::upgrade::{self, Upgrades};
use super::wait::{self, Waiter};
use crate::args::UpArgs;
use crate::check::counted;
use crate::failure::Failure;
use crate::limits::{
    AT_READY_WITHIN, DRAW_EVERY, GONE_WITHIN, LOG_CHECK_EVERY, PART_READY_WITHIN, PROGRAM_READY_WITHIN,
    START_ATTEMPTS_MAX, SUMMARY_EVERY,
};
use bartizan_core::fleet::{Program, Service};
use bartizan_core::profile::Profile;
use bartizan_core::snapshot::{Epoch, Mode};
use bartizan_core::{Decision, Member};
use bartizan_policy::{Ask, Engine};
use bartizan_runtime::{clock, files, local};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Starts the fleet, keeps it until it is asked to stop, stops it.
///
/// # Errors
/// A [`Failure`] where it did not come up, or what `--once-ready` ended with.
pub(crate) async fn run(args: &UpArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let screen = Arc::new(Screen::start(args.no_table || args.once_ready.is_some()));
    let asked = signals::listen()?;
    let prepared = prepare(args, &screen).inspect_err(|_| screen.clear())?;
    let mut fleet = Up::new(prepared, screen, asked);
    let outcome = match fleet.start().await {
        Ok(()) => fleet.work(args, began).await,
        Err(failure) => Err(failure),
    };
    fleet.stop().await;
    match outcome {
        // Asked to stop while starting: it did.
        Err(Failure::Said(0)) => Ok(()),
        outcome => outcome,
    }
}

/// A fleet that is up, or on its way.
struct Up {
    keeper: Keeper,
    policy_files: BTreeMap<String, String>,
    stamp: String,
    mode: Mode,
    stages: Vec<Stage>,
    kept: Arc<Kept>,
    scaling: Option<JoinHandle<Vec<Stage>>>,
    asked: Asked,
    /// Ends what helps us, at the very end.
    over: CancellationToken,
    _held: Held,
}

impl Up {
    fn new(prepared: Prepared, screen: Arc<Screen>, asked: Asked) -> Self {
        let Prepared { launcher, policy_files, stamp, mode, held } = prepared;
        let (launcher, board, over) = (Arc::new(launcher), Arc::new(Board::default()), CancellationToken::new());
        let recorder = Arc::new(Recorder::start(launcher.data.control_socket()));
        let waiter = Waiter {
            fleet: Arc::clone(&launcher.fleet),
            plan: launcher.plan.clone().map(Arc::new),
            data: launcher.data.clone(),
            spaces: Arc::clone(&launcher.spaces),
            pulse: Pulse::start(launcher.data.control_socket(), Arc::clone(&board), over.clone()),
            screen: Arc::clone(&screen),
            recorder: Arc::clone(&recorder),
        };
        let undertaker = Undertaker::start(&launcher.bartizan);
        let (upgrades, hurry) = (Arc::new(Upgrades::default()), asked.hurry.clone());
        let keeper = Keeper { launcher, waiter, board, screen, recorder, undertaker, upgrades, hurry };
        let (kept, scaling) = (Arc::new(Kept::new(Arc::clone(&keeper.launcher))), None);
        Self { keeper, policy_files, stamp, mode, stages: Vec::new(), kept, scaling, asked, over, _held: held }
    }

    fn launcher(&self) -> &Launcher {
        &self.keeper.launcher
    }

    /// Answers `bartizan upgrade` from now on.
    fn hear_upgrades(&self) -> Result<(), Failure> {
        let path = self.launcher().data.up_socket();
        let listener = local::bind(&path)
            .map_err(|error| Failure::new(format!("cannot listen on `{}`: {error}", path.display())))?;
        let (launcher, board) = (Arc::clone(&self.keeper.launcher), Arc::clone(&self.keeper.board));
        tokio::spawn(upgrade::serve(listener, launcher, Arc::clone(&self.keeper.upgrades), board, self.over.clone()));
        Ok(())
    }

    async fn start(&mut self) -> Result<(), Failure> {
        let fleet = Arc::clone(&self.launcher().fleet);
        let guarded = self.mode != Mode::Off;
        let observes = fleet.profile == Profile::Observe;
        if guarded {
            self.hear_upgrades()?;
            self.controls().await?;
            if !observes {
                self.stage("node", vec![Part::Node], PART_READY_WITHIN, |up| {
                    format!("vouches for {}", up.launcher().proxy.display())
                })
                .await?;
            }
            let spaces = &self.launcher().spaces;
            let porters: Vec<_> = fleet.instances().filter(|member| spaces.has(member)).map(Part::Porter).collect();
            if !porters.is_empty() {
                let result = format!("{}, each the only way in and out", counted(porters.len(), "network namespace"));
                self.stage("namespaces", porters, PART_READY_WITHIN, |_| result).await?;
            }
            let sidecars: Vec<_> = fleet.guarded_instances().map(Part::Sidecar).collect();
            if !sidecars.is_empty() {
                let result = format!("{}, each with an identity of its own", counted(sidecars.len(), "sidecar"));
                self.stage("sidecars", sidecars, PART_READY_WITHIN, |_| result).await?;
            }
        }
        self.programs().await?;
        if let Some(gateway) = fleet.gateway.as_ref().filter(|_| guarded) {
            let result = format!("https://{}", wait::loopback_of(gateway.listen));
            self.stage("gateway", vec![Part::Gateway], PART_READY_WITHIN, |_| result).await?;
        }
        Ok(())
    }

    async fn controls(&mut self) -> Result<(), Failure> {
        let fleet = Arc::clone(&self.launcher().fleet);
        if fleet.control.is_empty() {
            let listens = |up: &Self| up.launcher().plan.as_ref().map(|plan| format!("listens on {}", plan.control));
            return self
                .stage("control", vec![Part::Control], PART_READY_WITHIN, |up| listens(up).unwrap_or_default())
                .await;
        }
        let members = fleet.control.keys().copied().map(Part::ControlMember).collect();
        let text = format!("{} keep one state, one of them leads", fleet.control.len());
        self.stage("control", members, PART_READY_WITHIN, |_| text).await?;
        // Somebody leads, so a majority has run: from now on an empty folder of a member is one that was lost.
        let path = self.launcher().data.group_began();
        files::write_atomic(&path, b"", 0o600)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
    }

    async fn programs(&mut self) -> Result<(), Failure> {
        let fleet = Arc::clone(&self.launcher().fleet);
        let started: Vec<_> = self.launcher().programs.keys().cloned().map(Part::Program).collect();
        // What is only watched may be anywhere, and need not be reached from here.
        let is_waited_for =
            |service: &Service| matches!(service.program, Program::Already) && fleet.profile != Profile::Observe;
        let already: Vec<_> = fleet.services.iter().filter(|(_, service)| is_waited_for(service)).collect();
        let result = match already.len() {
            0 => format!("{} started", counted(started.len(), "program")),
            n => format!("{} started, {n} running already", counted(started.len(), "program")),
        };
        self.stage("programs", started, PROGRAM_READY_WITHIN, |_| result).await?;
        let places = already.into_iter().flat_map(|(name, service)| {
            let more = service.instances.more.iter().filter_map(|instance| instance.listen);
            std::iter::once(service.listen).chain(more).map(move |listen| (name, listen))
        });
        for (name, listen) in places {
            let waited =
                self.asked.stop.run_until_cancelled(tokio::time::timeout(AT_READY_WITHIN, wait::accepts(listen)));
            match waited.await {
                None => return Err(Failure::Said(0)),
                Some(Ok(())) => self.keeper.waiter.warn_if_exposed(name, listen),
                Some(Err(_)) => {
                    return Err(Failure::new(format!(
                        "service `{name}` is said to run already, but nothing answers at {listen}; start it first, correct `at`, or \
                         give it a `run`"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Starts parts together and waits until all of them are ready.
    async fn stage(
        &mut self,
        name: &'static str,
        parts: Vec<Part>,
        within: Duration,
        result: impl FnOnce(&Self) -> String,
    ) -> Result<(), Failure> {
        let screen = Arc::clone(&self.keeper.screen);
        let step = screen.step(name);
        let mut stage = Stage::new(parts.first().map_or(0, Part::rank));
        for part in &parts {
            stage.keep(&self.keeper, &self.kept, part.clone());
        }
        self.stages.push(stage);
        self.all_ready(&parts, within, &step).await?;
        step.done(&result(self));
        Ok(())
    }

    async fn all_ready(&self, parts: &[Part], within: Duration, step: &Step<'_>) -> Result<(), Failure> {
        let mut changes = self.keeper.board.subscribe();
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let (ready, hopeless) = {
                let states = changes.borrow_and_update();
                let is_ready = |part: &&Part| states.get(part).is_some_and(|state| state.phase == Phase::Ready);
                let dead = |part: &&Part| states.get(part).is_some_and(|state| state.deaths >= START_ATTEMPTS_MAX);
                (parts.iter().filter(is_ready).count(), parts.iter().find(dead).cloned())
            };
            if let Some(part) = hopeless {
                return Err(self.gave_up(&part));
            }
            if ready == parts.len() {
                return Ok(());
            }
            step.progress(&format!("{ready} of {}", parts.len()));
            tokio::select! {
                _ = changes.changed() => {}
                () = self.asked.stop.cancelled() => return Err(Failure::Said(0)),
                () = tokio::time::sleep_until(deadline) => return Err(self.too_slow(parts, within)),
            }
        }
    }

    fn gave_up(&self, part: &Part) -> Failure {
        let log = self.launcher().data.log(&part.log_name());
        Failure::new(format!(
            "{part} did not come up in {START_ATTEMPTS_MAX} attempts; what it said is in {}",
            log.display()
        ))
    }

    fn too_slow(&self, parts: &[Part], within: Duration) -> Failure {
        let states = self.keeper.board.now();
        let late: Vec<_> =
            parts.iter().filter(|part| states.get(part).is_none_or(|state| state.phase != Phase::Ready)).collect();
        let listen = |member: &Member| {
            let launcher = self.launcher();
            let place = launcher.plan.as_ref().and_then(|plan| plan.program(&launcher.fleet, member));
            let place = place.or_else(|| launcher.fleet.services.get(member.service()).map(|s| s.listen));
            place.map(|listen| format!(" (expected to listen on {listen})"))
        };
        let names: Vec<_> = late
            .iter()
            .map(|part| match part {
                Part::Program(name) => format!("{part}{}", listen(name).unwrap_or_default()),
                part => part.to_string(),
            })
            .collect();
        let mut message = format!("not ready within {} s: {}", within.as_secs(), names.join(", "));
        // Most telling of all, where a proxy and control are of different builds.
        for proxy in self.keeper.waiter.pulse.now().iter().flat_map(|status| &status.proxies) {
            for (kind, why) in &proxy.refused {
                message.push_str(&format!("\n    the proxy of {} refused {}: {why}", proxy.service, kind.as_str()));
            }
        }
        if let Some(first) = late.first() {
            let log = self.launcher().data.log(&first.log_name());
            message.push_str(&format!("\n    the last lines of {}:", log.display()));
            for line in log::tail(&log, 0) {
                message.push_str(&format!("\n    | {line}"));
            }
        }
        Failure::new(message)
    }

    /// Says that the fleet is ready, then shows how it fares until it is asked to stop or the one command has ended.
    async fn work(&mut self, args: &UpArgs, began: Instant) -> Result<(), Failure> {
        let took = began.elapsed();
        let console = match self.mode {
            Mode::Off => String::new(),
            // Whoever starts one command is nobody who opens a browser.
            Mode::Mtls | Mode::Full => {
                console::text(&self.launcher().data.control_socket(), args.once_ready.is_none()).await
            }
        };
        let ready = self.ready_text(took, &console)?;
        if !self.keeper.screen.is_live() {
            self.keeper.screen.line(&ready);
        }
        if self.mode != Mode::Off {
            let (keeper, kept, stop) = (self.keeper.clone(), Arc::clone(&self.kept), self.asked.stop.clone());
            self.scaling = Some(tokio::spawn(scale::follow(keeper, kept, self.stamp.clone(), stop)));
        }
        let watch = self.watch(ready);
        match &args.once_ready {
            None => {
                watch.await;
                Ok(())
            }
            Some(command) => {
                let launcher = self.launcher();
                let gateway = launcher.fleet.gateway.as_ref().filter(|_| self.mode != Mode::Off);
                let around = once::Around {
                    gateway: gateway.map(|g| format!("https://{}", wait::loopback_of(g.listen))).unwrap_or_default(),
                    ca: &launcher.data.roots(),
                    data: launcher.data.path(),
                };
                tokio::select! {
                    outcome = once::run(command, &around, &launcher.bartizan, &self.keeper.undertaker, &self.asked.stop) => outcome,
                    // Ends only once a stop was asked for, which ends the command too.
                    () = async { watch.await; std::future::pending().await } => Ok(()),
                }
            }
        }
    }

    fn ready_text(&self, took: Duration, console: &str) -> Result<String, Failure> {
        let launcher = self.launcher();
        let mut text = format!("\nready in {:.1} s", took.as_secs_f64());
        let Some(plan) = &launcher.plan else {
            text.push_str("; mode `off`: programs talk directly, nothing is guarded\n");
            for (name, service) in &launcher.fleet.services {
                text.push_str(&format!("  {:<16} {}\n", name.as_str(), service.listen));
            }
            return Ok(text);
        };
        if launcher.fleet.profile == Profile::Observe {
            text.push_str("; profile `observe`: nothing is guarded, and what others log is taken in\n");
            text.push_str(console);
            return Ok(text);
        }
        let here = std::env::current_dir().unwrap_or_default();
        let ca = tries::short(&launcher.data.roots(), &here);
        let gateway = launcher.fleet.gateway.as_ref().map(|gateway| wait::loopback_of(gateway.listen));
        match gateway {
            Some(addr) => {
                text.push_str(&format!("; the gateway is at https://{addr} (trust it by {})\n", ca.display()))
            }
            None => text.push_str("; this fleet has no gateway\n"),
        }
        text.push_str(console);
        let engine = self.engine()?;
        let decide = |question: &Question<'_>| decide(&engine, question);
        let decide: Option<&dyn Fn(&Question<'_>) -> Decision> =
            if self.mode == Mode::Full { Some(&decide) } else { None };
        let ground = Ground { fleet: &launcher.fleet, plan, gateway, ca: &ca, decide };
        let file = crate::data_dir::folder_of(&launcher.fleet_file).join("TRY");
        let given = tries::read(&file, &ground).unwrap_or_else(|error| {
            self.keeper.screen.line(&format!("warning: {error}"));
            Tries::default()
        });
        text.push_str(&told(&tries::complete(given, &ground)));
        let (bartizan, data) = (tries::short(&launcher.bartizan, &here), tries::short(launcher.data.path(), &here));
        text.push_str(&format!(
            "then, with `export BARTIZAN_DATA={}`: {} events --deny | status | explain REQUEST_ID\n",
            data.display(),
            bartizan.display()
        ));
        Ok(text)
    }

    fn engine(&self) -> Result<Engine, Failure> {
        let policies = bartizan_policy::from_fleet(&self.launcher().fleet, self.policy_files.clone());
        // They were checked before anything was started.
        Engine::compile(&policies, Epoch(0)).map_err(|errors| Failure::new(errors.to_string()))
    }

    /// Draws until a stop is asked for; `ready` stays below the table.
    fn watch(&self, ready: String) -> impl Future<Output = ()> + use<> {
        let (keeper, mode, stop) = (self.keeper.clone(), self.mode, self.asked.stop.clone());
        let kept = Arc::clone(&self.kept);
        async move {
            let (mut summed, mut measured) = (Instant::now(), Instant::now());
            loop {
                let parts = keeper.board.now().clone();
                let status = keeper.waiter.pulse.now();
                let launcher = kept.launcher();
                let (fleet, isolation) = (&launcher.fleet, launcher.spaces.isolation());
                let rows = table::rows(fleet, mode, &isolation, &parts, status.as_deref(), clock::now());
                if keeper.screen.is_live() {
                    keeper.screen.show(block(&rows, mode, &ready));
                } else if summed.elapsed() >= SUMMARY_EVERY {
                    summed = Instant::now();
                    keeper.screen.line(&table::summary(&rows, mode));
                }
                if measured.elapsed() >= LOG_CHECK_EVERY {
                    measured = Instant::now();
                    shorten_logs(&launcher, parts.keys());
                }
                if stop.run_until_cancelled(tokio::time::sleep(DRAW_EVERY)).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Stops everything in the opposite order of starting, and says what was left, if anything.
    async fn stop(&mut self) {
        let screen = Arc::clone(&self.keeper.screen);
        screen.clear();
        if self.asked.stop.is_cancelled() {
            screen.line("\nstopping; Ctrl-C once more kills at once");
        }
        // From here on a first Ctrl-C is a second one.
        self.asked.stop.cancel();
        let began = Instant::now();
        if let Some(scaling) = self.scaling.take() {
            self.stages.extend(scaling.await.unwrap_or_default());
            self.stages.sort_by_key(|stage| stage.rank);
        }
        while let Some(stage) = self.stages.pop() {
            if self.stages.is_empty() && self.mode != Mode::Off {
                // Control is next: what it has not heard of by then, nobody will.
                let dropped = self.keeper.recorder.flush(GONE_WITHIN).await;
                if dropped > 0 {
                    screen.line(&format!(
                        "warning: {dropped} process events were dropped, since control did not take them"
                    ));
                }
            }
            stage.end().await;
        }
        self.over.cancel();
        if self.mode != Mode::Off {
            // A dead one does no harm: the next `up` replaces it.
            let _ = std::fs::remove_file(self.launcher().data.up_socket());
        }
        self.keeper.undertaker.dismiss();
        self.say_what_is_left(began.elapsed()).await;
    }

    async fn say_what_is_left(&self, took: Duration) {
        let (screen, launcher) = (&self.keeper.screen, self.kept.launcher());
        let mut left = 0;
        for name in launcher.programs.keys() {
            let listen = match &launcher.plan {
                Some(plan) => plan.program(&launcher.fleet, name),
                None => launcher.fleet.services.get(name.service()).map(|service| service.listen),
            };
            let Some(listen) = listen else { continue };
            let pids = launcher.spaces.left_in(name);
            if !pids.is_empty() {
                left += 1;
                screen.line(&format!(
                    "warning: processes {pids:?} that `{name}` started have left its group and go on, in a network namespace \
                     that nobody reaches any more; end them yourself"
                ));
            } else if !launcher.spaces.has(name) && wait::is_open(listen).await {
                left += 1;
                screen.line(&format!(
                    "warning: {listen} is still open: a process that `{name}` started has left its group and goes on; end it yourself"
                ));
            }
        }
        if left == 0 {
            screen.line(&format!("stopped in {} ms, nothing is left", took.as_millis()));
        }
    }
}

fn decide(engine: &Engine, question: &Question<'_>) -> Decision {
    engine.decide(&Ask {
        user: None,
        id: None,
        principal: question.from,
        action: question.action(),
        resource: question.to,
        route: question.route,
        method: question.method,
        path: question.path,
    })
}

fn told(tries: &Tries) -> String {
    let mut text = String::from("\ntry:\n");
    let mut tell = |what: &str, command: &str| text.push_str(&format!("  # {what}\n  {command}\n"));
    if let Some(command) = &tries.works {
        tell("works", command);
    }
    if let Some(command) = &tries.denied {
        let reason = tries.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        tell(&format!("denied by policy{reason}"), command);
    }
    if let Some(command) = &tries.stranger {
        tell("straight to a sidecar, without an identity: refused at the handshake", command);
    }
    text
}

fn block(rows: &[table::Row], mode: Mode, below: &str) -> String {
    let (width, height) = Screen::size();
    // The block must fit, or redrawing it would scroll. Three lines are for header, remainder and cursor.
    let columns = usize::from(width).max(1);
    let below_lines: usize = below.lines().map(|line| line.chars().count().div_ceil(columns).max(1)).sum();
    let rows_max = usize::from(height).saturating_sub(below_lines + 3).max(1);
    format!("{}\n{below}", table::draw(rows, mode, width, rows_max))
}

fn shorten_logs<'a>(launcher: &Launcher, parts: impl Iterator<Item = &'a Part>) {
    for part in parts {
        let path = launcher.data.log(&part.log_name());
        if let Err(error) = log::shorten(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "cannot shorten a log");
        }
    }
}
