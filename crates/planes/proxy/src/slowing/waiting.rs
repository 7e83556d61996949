//! A request that waits, and what it is asked once it waited: limits and capacity, since until then it takes nothing that others share.

use super::Slowed;
use crate::answer::Answer;
use crate::filter;
use crate::limiting::{Asked, Now, Passed, Rules, Told};
use crate::overload::{Admission, Admitted};
use bartizan_core::user::User;
use bartizan_core::{Decision, ServiceName};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A request that has to wait.
#[derive(Debug)]
pub struct Waiting {
    slowed: Slowed,
    asked: OwnedAsked,
    grpc: bool,
    /// Set by the filters after it.
    rules: Option<Arc<Rules>>,
    admission: Option<(ServiceName, Arc<Admission>)>,
}

/// [`Asked`], to be kept.
#[derive(Clone, Debug)]
pub struct OwnedAsked {
    caller: Option<Box<str>>,
    user: Option<Arc<User>>,
    address: IpAddr,
    route: Option<Arc<str>>,
    method: Box<str>,
}

/// A request that waited and goes on.
#[derive(Debug)]
pub struct WentOn {
    /// What limits let through.
    pub limited: Option<Box<Passed>>,
    /// Its place among what the service bears.
    pub admitted: Option<Admitted>,
    /// What its caller is told.
    pub told: Told,
    /// What the operator learns.
    pub why: String,
}

/// A request that waited, and is refused for another reason.
#[derive(Debug)]
pub struct Stopped {
    /// What the operator learns.
    pub decision: Decision,
    /// What is answered.
    pub answer: Answer,
}

impl Waiting {
    /// That is asked about nothing yet.
    pub fn new(slowed: Slowed, asked: OwnedAsked, grpc: bool) -> Self {
        Self { slowed, asked, grpc, rules: None, admission: None }
    }

    /// Has to be asked about `rules`.
    pub fn is_limited_by(&mut self, rules: Arc<Rules>) {
        self.rules = Some(rules);
    }

    /// Has to be asked whether `to` bears one more.
    pub fn is_admitted_by(&mut self, to: ServiceName, admission: Arc<Admission>) {
        self.admission = Some((to, admission));
    }

    /// For how long.
    pub fn wait(&self) -> Duration {
        self.slowed.wait
    }

    /// It waited.
    ///
    /// # Errors
    /// [`Stopped`], by limits or for want of capacity. What it took of what is usual for it is given back.
    pub fn goes_on(self, now: Now) -> Result<WentOn, Box<Stopped>> {
        let Self { mut slowed, asked, grpc, rules, admission } = self;
        let asked = asked.asked();
        let stopped = |(decision, answer)| Box::new(Stopped { decision, answer });
        let limited = rules.map(|rules| rules.take(&asked, now)).transpose();
        let limited = limited.map_err(|refused| stopped(filter::over_limit(refused, grpc)))?;
        let admitted = match admission {
            None => None,
            Some((to, admission)) => match admission.admit(asked.client(), now.steady_ns) {
                None => return Err(stopped(filter::overloaded(&to, &admission, grpc))),
                admitted => admitted,
            },
        };
        let (told, why) = (std::mem::take(&mut slowed.told), std::mem::take(&mut slowed.why));
        slowed.goes_on();
        Ok(WentOn { limited: limited.map(Box::new), admitted, told, why })
    }
}

impl OwnedAsked {
    /// A copy of `asked`, with what of it is shared already.
    pub fn of(asked: &Asked<'_>, user: Option<Arc<User>>, route: Option<Arc<str>>) -> Self {
        let caller = asked.caller.map(Into::into);
        Self { caller, user, address: asked.address, route, method: asked.method.into() }
    }

    fn asked(&self) -> Asked<'_> {
        let Self { caller, user, address, route, method } = self;
        Asked { caller: caller.as_deref(), user: user.as_deref(), address: *address, route: route.as_deref(), method }
    }
}
