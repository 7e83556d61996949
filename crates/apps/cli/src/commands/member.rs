//! `bartizan control --member`: one of several that keep one state.
//!
//! It follows until it leads. Then it lays out what the group has in its data folder, and is control, as one that is alone would be
//! after a restart. When it does not lead any more it ends and begins anew as the same process: nothing of it can be half a leader.

use crate::failure::{Failure, chain};
use crate::limits::{GROUP_END_WITHIN, GROUP_LOOK_AGAIN, GROUP_RENEW_AFTER};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use bartizan_control::{Elsewhere, Leading, Options, Settling};
use bartizan_core::group::{GroupStatus, OtherStatus, Place};
use bartizan_quorum::folder::{Folder, Kept, Own};
use bartizan_quorum::{Ends, Group, GroupKey, Member, Options as GroupOptions, OtherMember, Running, Standing, Status};
use bartizan_runtime::{clock, files, listen, local, stop};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What one member has for itself in its data folder: what came in at it, its own log of it, what `up` keeps there, and the group's log.
const OWN: Own = Own(&[
    "events",
    "ingest.json",
    "outputs",
    "ledger",
    "ledger.key",
    "ledger.pub",
    "group",
    "lock",
    "logs",
    "services",
    "proxies",
    "hosts",
    "porters",
    "members",
    "plan.json",
    "node.cache",
    "node.secret",
    "group.key",
]);
/// The group's log, in the data folder.
const FOLDER: &str = "group";
/// The local API, in the data folder.
const SOCKET: &str = "control.sock";

/// What makes a control a member.
#[derive(Clone, Debug)]
pub(super) struct MemberOptions {
    pub(super) number: u8,
    pub(super) key: PathBuf,
    pub(super) is_new: bool,
    pub(super) takes_files: bool,
    pub(super) front: Option<PathBuf>,
}

/// How it ended.
enum End {
    /// It was asked to.
    Asked,
    /// It led, and does not any more.
    Lost,
}

/// Runs until it is asked to stop. Does not return where it led and does not any more: the process begins anew then.
pub(super) async fn run(options: Options, member: MemberOptions) -> Result<(), Failure> {
    let asked = stop::on_signals();
    if !options.keep_running {
        stop::when_parent_goes(asked.clone());
    }
    match live(&options, &member, &asked).await? {
        End::Asked => Ok(()),
        End::Lost => Err(begin_anew()),
    }
}

/// Becomes a new process with the same number; comes back only where that fails.
fn begin_anew() -> Failure {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Failure::new(format!("cannot find myself: {error}")),
    };
    // This member has run: an empty folder would be one that was lost.
    let args = std::env::args_os().skip(1).filter(|arg| arg != "--new-group");
    let error = std::process::Command::new(program).args(args).exec();
    Failure::new(format!("cannot begin anew: {error}"))
}

async fn live(options: &Options, member: &MemberOptions, asked: &CancellationToken) -> Result<End, Failure> {
    let (folder, over) = (Folder::default(), CancellationToken::new());
    let _ends_with_us = over.clone().drop_guard();
    let (places, group, running) = join(options, member, &folder, &over).await?;
    let seat = Seat { number: member.number, places, group, folder };
    let ended = async {
        Err(match running.await {
            Ok(Err(error)) => Failure::new(chain(&error)),
            Ok(Ok(())) => Failure::new("this member of the group has ended"),
            Err(error) => Failure::new(format!("this member of the group has ended: {error}")),
        })
    };
    tokio::select! {
        ended = ended => ended,
        end = seat.follow_and_lead(options, member, asked) => end,
    }
}

async fn join(
    options: &Options,
    member: &MemberOptions,
    folder: &Folder,
    over: &CancellationToken,
) -> Result<(BTreeMap<u8, Place>, Group, Running), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(chain(error));
    let (fleet, _) = files::load_fleet(&options.fleet).map_err(|error| failed(&error))?;
    let place = fleet.control.get(&member.number).ok_or_else(|| {
        let known: Vec<String> = fleet.control.keys().map(u8::to_string).collect();
        Failure::new(format!(
            "`{}` has no member {} under `control.members` (there are: {}); add it, or start another one",
            options.fleet.display(),
            member.number,
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    })?;
    refuse_another_state(&options.data, member, fleet.control.len())?;
    let key = GroupKey::read(&member.key).map_err(|error| failed(&error))?;
    let (ends, _) = key.ends(clock::now()).map_err(|error| failed(&error))?;
    let ends = Arc::new(arc_swap::ArcSwap::from_pointee(ends));
    let listener = listen::bind(place.group).map_err(|error| failed(&error))?;
    let group_options = GroupOptions {
        name: fleet.trust_domain.to_string(),
        me: Member(member.number),
        members: fleet.control.iter().map(|(number, place)| (Member(*number), place.group)).collect(),
        dir: options.data.join(FOLDER),
        founding: member.is_new,
        ends: Arc::clone(&ends),
        judge: key.judge(),
        // Not all write their state down at the same moment, and are mute for so long.
        log_bytes: Some(bartizan_quorum::limits::LOG_BYTES + (u64::from(member.number % 8) << 22)),
    };
    let started = Group::start(group_options, listener, folder.clone(), over.clone()).await;
    let (group, running) = started.map_err(|error| failed(&error))?;
    tokio::spawn(over.clone().run_until_cancelled_owned(renew(key, ends)));
    Ok((fleet.control, group, running))
}

/// A folder of a control that was alone would be lost to the group: whoever leads first has its own.
fn refuse_another_state(data: &Path, member: &MemberOptions, members: usize) -> Result<(), Failure> {
    if data.join(FOLDER).exists() || members == 1 || !data.join("bartizan.db").exists() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{}` holds the state of a control that was alone, or of a member whose `{FOLDER}` was lost. A member that lost it: empty the \
         folder, and start it without `--new-group`. To bring a control that was alone into a group: start one with member {} as its \
         only member on this folder, stop it, and copy `{FOLDER}` from it into the empty data folders of the others",
        data.display(),
        member.number
    )))
}

/// Shows the others a new identity long before the one before runs out.
async fn renew(key: GroupKey, ends: Arc<arc_swap::ArcSwap<Ends>>) {
    loop {
        tokio::time::sleep(GROUP_RENEW_AFTER).await;
        match key.ends(clock::now()) {
            Ok((new, _)) => ends.store(Arc::new(new)),
            Err(error) => tracing::error!(error = chain(&error), "the identity in the group is not renewed"),
        }
    }
}

/// A member that runs.
#[derive(Clone)]
struct Seat {
    number: u8,
    places: BTreeMap<u8, Place>,
    group: Group,
    folder: Folder,
}

impl Seat {
    async fn follow_and_lead(
        &self,
        options: &Options,
        member: &MemberOptions,
        asked: &CancellationToken,
    ) -> Result<End, Failure> {
        loop {
            let socket = options.data.join(SOCKET);
            let listener = local::bind(&socket).map_err(|error| Failure::new(error.to_string()))?;
            let leads = CancellationToken::new();
            let serving = tokio::spawn(local::serve(listener, self.follower(), leads.clone()));
            let began = asked.run_until_cancelled(self.led()).await;
            leads.cancel();
            // Its socket is gone when this ends: it is control's from now on.
            let _ = serving.await;
            if began.is_none() {
                return Ok(End::Asked);
            }
            // Everything that anybody was told of before this term is here once this answers.
            let term = self.group.status().term;
            if self.group.look_in(term, Vec::new()).await.is_ok() {
                return self.lead(term, options, member, asked).await;
            }
            tokio::time::sleep(GROUP_LOOK_AGAIN).await;
        }
    }

    /// Returns once this member leads.
    async fn led(&self) {
        let mut status = self.group.watch();
        // Where it ends, whoever waits beside us knows why.
        if status.wait_for(|status| status.standing == Standing::Leads).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn lead(
        &self,
        term: u64,
        options: &Options,
        member: &MemberOptions,
        asked: &CancellationToken,
    ) -> Result<End, Failure> {
        let Some(place) = self.places.get(&self.number) else { return Err(Failure::new("there is no such member")) };
        let (folder, data) = (self.folder.clone(), options.data.clone());
        let laid = tokio::task::spawn_blocking(move || folder.lay_out(&data, &OWN)).await;
        laid.map_err(|error| Failure::new(error.to_string()))?.map_err(|error| Failure::new(chain(&error)))?;
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let (group, folder) = (self.group.clone(), self.folder.clone());
        let kept = Kept::start((group, term), folder, options.data.clone(), OWN, lost.clone(), stop.clone());
        let leading = Leading {
            elsewhere: Arc::new(Others { seat: self.clone(), kept: kept.clone() }),
            listen: place.listen,
            takes_files: member.takes_files,
            front: member.front.clone(),
        };
        tracing::info!(member = self.number, "this member leads, and is control");
        let serving_stop = CancellationToken::new();
        let options = Options { leading: Some(leading), ..options.clone() };
        let serving = bartizan_control::serve(options, serving_stop.clone());
        let mut serving = std::pin::pin!(serving);
        let mut status = self.group.watch();
        let leads = |status: &Status| status.standing == Standing::Leads && status.term == term;
        let end = tokio::select! {
            served = &mut serving => return match served {
                Ok(()) => Ok(End::Asked),
                // It may have failed for the reason that it is to end.
                Err(_) if lost.is_cancelled() || !leads(&self.group.status()) => Ok(End::Lost),
                Err(error) => Err(Failure::new(chain(&error))),
            },
            () = asked.cancelled() => End::Asked,
            () = lost.cancelled() => End::Lost,
            _ = status.wait_for(|status| !leads(status)) => End::Lost,
        };
        serving_stop.cancel();
        if matches!(end, End::Lost) {
            // Nothing of what is still written is to be kept, and nobody waits for long for what cannot be.
            stop.cancel();
            let _ = tokio::time::timeout(GROUP_END_WITHIN, serving).await;
            return Ok(end);
        }
        let served = serving.await;
        // What was written on the way to the end; where the others are gone, it is lost with this member.
        let _ = kept.settle().await;
        stop.cancel();
        served.map(|()| end).map_err(|error| Failure::new(chain(&error)))
    }

    /// What a member answers that does not lead.
    fn follower(&self) -> Router {
        let (seat, other) = (self.clone(), self.clone());
        Router::new()
            .route("/v1/group", get(async move || Json(seat.status())))
            .fallback(async move || (StatusCode::SERVICE_UNAVAILABLE, other.elsewhere()))
    }

    fn elsewhere(&self) -> String {
        let number = self.number;
        let leader = self.status().leader.and_then(|leader| Some((leader, self.places.get(&leader)?)));
        match leader {
            Some((leader, place)) => format!(
                "this control is member {number} of a group and does not lead; member {leader} does, at {}: ask on its machine\n",
                place.listen
            ),
            None => format!(
                "this control is member {number} of a group, and nobody leads it now: less than half of the members may be there, \
                 or one is just being chosen\n"
            ),
        }
    }

    fn status(&self) -> GroupStatus {
        let status = self.group.status();
        let leader = match status.standing {
            Standing::Leads => Some(self.number),
            Standing::Follows(leader) => leader.map(|Member(number)| number),
            Standing::Asks => None,
        };
        GroupStatus {
            member: self.number,
            leader,
            term: status.term,
            applied: status.applied,
            state_bytes: self.folder.image().bytes() as u64,
            others: status.others.into_iter().map(other).collect(),
        }
    }
}

fn other(it: OtherMember) -> OtherStatus {
    let OtherMember { member: Member(member), behind, is_away: away } = it;
    OtherStatus { member, behind, away }
}

/// The others, as control sees them.
struct Others {
    seat: Seat,
    kept: Kept,
}

impl std::fmt::Debug for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Others({:?})", self.seat.status())
    }
}

impl Elsewhere for Others {
    fn settle(&self) -> Settling<'_> {
        Box::pin(async { self.kept.settle().await.map_err(|error| error.to_string()) })
    }

    fn status(&self) -> GroupStatus {
        self.seat.status()
    }
}
