//! Takes a rotation from step to step: looks, decides, keeps, puts in force.

use crate::app::App;
use crate::ca::{CaError, OwnIdentity, Source};
use crate::deny;
use crate::error::{ControlError, chain};
use crate::issuance;
use crate::limits::{ROTATION_ISSUES_PER_S, ROTATION_TICK, ROTATION_TOLD_EVERY};
use crate::rotation::book::{Kept, Look};
use crate::rotation::facts::{Watch, abroad_until, members, others_until};
use crate::rotation::next::{Next, below, make_ready};
use crate::rotation::{OrderBook, files};
use bartizan_core::Timestamp;
use bartizan_core::deny::Subject;
use bartizan_core::rotation::{Phase, Rotated};
use bartizan_core::snapshot::Kind;
use bartizan_crypto::hash;
use bartizan_identity::TrustBundles;
use bartizan_identity::rotation::{Facts, Roots, Rotation, slots};
use bartizan_runtime::clock;
use std::sync::Arc;

/// What the task remembers; all of it can be found out again.
struct Memory {
    template: Source,
    source: Option<Source>,
    watch: Watch,
    /// What the bundle in force holds.
    published: Roots,
    /// Something was changed and not published yet.
    unpublished: bool,
    told_at: Option<Timestamp>,
}

/// Runs until the app stops. What cannot be done now is tried again.
pub(crate) async fn drive(app: Arc<App>, template: Source) {
    let published = app.rotation.kept().await.running().map_or(Roots::Old, |it| it.desired().roots);
    let (source, watch) = (None, Watch::default());
    let mut memory = Memory { template, source, watch, published, unpublished: false, told_at: None };
    loop {
        let rest = match Box::pin(memory.tick(&app)).await {
            Ok(rest) => rest,
            Err(error) => {
                memory.complain(&chain(&error));
                false
            }
        };
        let pause = async {
            if rest {
                app.rotation.asked.notified().await;
            } else {
                tokio::time::sleep(ROTATION_TICK).await;
            }
        };
        if app.stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

impl Memory {
    /// One look. True where there is nothing to do until somebody asks.
    async fn tick(&mut self, app: &Arc<App>) -> Result<bool, ControlError> {
        let mut kept = app.rotation.kept().await;
        if kept.running().is_none() {
            return Ok(true);
        }
        let ready = make_ready(app, &mut kept, &self.template, &mut self.source).await;
        let ready = ready.map_err(|error| chain(&error));
        self.put_in_force(app, &mut kept).await?;
        let Some(rotation) = kept.running().cloned() else { return Ok(true) };
        let now = clock::now();
        let facts = self.facts(app, &rotation, ready, now);
        let plan = rotation.advance(&facts, now);
        app.rotation.looked(Look {
            waiting_for: plan.waiting_for.clone(),
            handshakes: facts.handshakes,
            facts: Some(facts),
        });
        if plan.stepped {
            if ends_distrusted(&plan.rotation) {
                // Before the step is kept: where this fails, or we are stopped, it is done again.
                deny_issuer(app, &plan.rotation.old.sha256, rotation.number).await?;
            }
            app.rotation.turn_to(app, &mut kept, plan.rotation)?;
            self.put_in_force(app, &mut kept).await?;
        } else if let (Some(first), true) = (plan.waiting_for.first(), self.is_time_to_tell(now)) {
            tracing::warn!(
                waiting_for = plan.waiting_for.len(),
                first = first.name,
                why = first.why,
                "a rotation waits"
            );
        }
        if !plan.renew.is_empty() {
            let slots = slots(&plan.renew, ROTATION_ISSUES_PER_S, now);
            let reason = format!("rotation {} of the {}", rotation.number, rotation.what.as_str());
            app.orders.send_modify(|orders| *orders = Arc::new(OrderBook::with(orders, slots, &reason)));
        }
        if kept.running().is_some_and(|it| it.phase.is_over()) && !self.unpublished {
            app.rotation.settle(&mut kept)?;
            self.source = None;
            self.published = Roots::Old; // what is in force is the old one of the next rotation
        }
        Ok(false)
    }

    /// Compares what is with what the state wants, and corrects it.
    async fn put_in_force(&mut self, app: &Arc<App>, kept: &mut Kept) -> Result<(), ControlError> {
        let Some(rotation) = kept.running().cloned() else { return Ok(()) };
        let now = clock::now();
        files::settle(app.rotation.dir(), &rotation)?;
        self.trust(app, &rotation, now)?;
        if rotation.desired().control_is_new {
            self.go_over(app, kept, &rotation, now).await?;
        } else if !rotation.phase.is_reversible() {
            // From then on the new issuer is the only one, or none is needed any more.
            app.set_next(None);
        } else if let Some(next) = app.next() {
            let released = rotation.desired().released;
            if next.released != released {
                app.set_next(Some(Next { authority: Arc::clone(&next.authority), released }));
            }
        }
        if self.unpublished {
            app.publish_again().await?;
            self.unpublished = false;
        }
        self.published = rotation.desired().roots;
        Ok(())
    }

    /// The roots that everybody is to trust, ourselves among them.
    fn trust(&mut self, app: &Arc<App>, rotation: &Rotation, now: Timestamp) -> Result<(), CaError> {
        let Some(text) = files::roots(rotation) else { return Ok(()) };
        let roots = TrustBundles::from_pem(app.authority().domain(), &text)
            .map_err(|source| CaError::Roots { path: files::ROTATION_JSON.into(), source })?;
        if *app.authority().bundles() != roots {
            app.replace_authority(app.authority().trusting(roots.clone(), now));
            self.unpublished = true;
        }
        if let Some(next) = app.next().filter(|next| *next.authority.bundles() != roots) {
            let authority = Arc::new(next.authority.trusting(roots, now));
            app.set_next(Some(Next { authority, released: next.released.clone() }));
        }
        Ok(())
    }

    /// The new issuer becomes the one for everybody, and for ourselves. All is signed anew, so that what proxies have on
    /// their disks can be checked once the old root is gone.
    async fn go_over(
        &mut self,
        app: &Arc<App>,
        kept: &mut Kept,
        rotation: &Rotation,
        now: Timestamp,
    ) -> Result<(), CaError> {
        if let Some(next) = app.next() {
            app.replace_authority(next.authority.trusting(app.authority().bundles().clone(), now));
            app.set_next(None);
        }
        let authority = app.authority();
        let sha256 = authority.sha256();
        if !rotation.counts_as_new(&sha256) {
            // This process began after the change-over, or has renewed its issuing CA since.
            let ours = below(rotation, authority.domain())?.is_none_or(|roots| authority.is_below(&roots, now));
            if !ours {
                tracing::error!("the issuing CA stands below the old root; sign `issuing.csr` with the new one");
                return Ok(());
            }
            let mut after = rotation.clone();
            after.count_issuer(&sha256);
            app.rotation.turn_to(app, kept, after)?;
        }
        if own_issuer(app).as_deref() != Some(sha256.as_str()) {
            let own = OwnIdentity::issue(&authority, now)?;
            issuance::record_own(&app.journal, &authority, &own).await;
            app.replace_own(own)?;
            self.unpublished = true;
        }
        Ok(())
    }

    fn facts(&mut self, app: &App, rotation: &Rotation, issuer: Result<(), String>, now: Timestamp) -> Facts {
        let (handshakes, canary) = self.watch.read(app, rotation);
        Facts {
            epoch: app.in_force().epoch(Kind::Bundles),
            published: self.published,
            issuer,
            control_is_new: own_issuer(app).is_some_and(|it| rotation.counts_as_new(&it)),
            members: members(app, now),
            others_until: others_until(app, rotation),
            abroad_until: abroad_until(app, rotation),
            handshakes,
            canary,
        }
    }

    fn is_time_to_tell(&mut self, now: Timestamp) -> bool {
        let due = self.told_at.is_none_or(|at| now.since(at) >= ROTATION_TOLD_EVERY);
        if due {
            self.told_at = Some(now);
        }
        due
    }

    fn complain(&mut self, error: &str) {
        if self.is_time_to_tell(clock::now()) {
            tracing::error!(error, "a rotation cannot go on, trying again");
        }
    }
}

fn own_issuer(app: &App) -> Option<String> {
    app.own().svid.chain.get(1).map(|der| hash::hex(&hash::sha256(der)))
}

/// Puts an old issuing CA on the deny list that is distrusted: everybody alive has an identity of the new one by now, and
/// everything is signed anew. Whoever still comes with one of the old is refused, and what is open with it ends.
async fn deny_issuer(app: &App, sha256: &str, number: u64) -> Result<(), ControlError> {
    let subject = Subject::Issuer(sha256.to_owned());
    deny::revoke(app, subject, "distrusted", &format!("rotation {number}"), clock::now()).await.map(|_| ())
}

/// Whether `rotation` is over that took an issuer out of use by distrust.
fn ends_distrusted(rotation: &Rotation) -> bool {
    rotation.urgent && rotation.what == Rotated::Issuing && rotation.phase == Phase::Retired
}
