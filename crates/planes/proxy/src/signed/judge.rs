//! Reads an event whole and finds out whose it is.

use super::held::Held;
use super::shown::NotTaken;
use super::{BY, Room};
use crate::answer::Answer;
use crate::filter;
use crate::inspect::{Stopped, Whole, whole};
use crate::limits;
use crate::live::{Live, Proxy};
use crate::message::{Body, RequestHead, Trouble};
use bartizan_core::{Decision, Denial, Timestamp, Verdict};
use bartizan_runtime::clock;
use bartizan_tokens::signed::{EventError, Message, Verified};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// An event of which the head alone is here.
#[derive(Debug)]
pub struct Wanted {
    /// Whose it may be.
    pub senders: Vec<Arc<Held>>,
    /// Largest body, in bytes.
    pub bytes_max: usize,
}

/// An event whose sender is known, and that was taken as shown.
#[derive(Debug)]
pub struct Signed {
    /// The sender.
    pub sender: Arc<Held>,
    /// How long it took until the body was there: the client's time, and not ours.
    pub waited: Duration,
    /// What is said of it in its event.
    pub note: String,
    verified: Verified,
}

/// No sender is known to have signed it.
struct Unknown {
    /// The keys of one that may have cannot be used.
    keyless: bool,
    why: String,
}

impl Signed {
    /// It came to nothing, so that its sender may send it again.
    pub fn give_back(&self) {
        self.sender.shown.give_back(&self.verified);
    }
}

impl Wanted {
    /// Reads the body, finds the sender, and takes the event where it did not come before.
    ///
    /// # Errors
    /// [`Stopped`]: the sender learns that it is not accepted, the operator by which check.
    pub async fn judge(self, proxy: &Proxy, head: &RequestHead, body: Body) -> Result<(Box<Signed>, Bytes), Stopped> {
        let (body, waited) = self.read(&proxy.event_room, body).await?;
        let now = clock::now();
        let (sender, verified) = self.sender(head, &body, now).map_err(|unknown| {
            let busy = || busy("events cannot be judged here at the moment");
            stopped(proxy, if unknown.keyless { busy() } else { refused() }, unknown.why)
        })?;
        if let Err(not) = sender.shown.take(&verified, now) {
            let detail = format!("sender `{}`, key `{}`: {not}", sender.name, verified.key);
            return Err(stopped(proxy, refusal(&not), detail));
        }
        let note = noted(&verified, now);
        Ok((Box::new(Signed { sender, waited, note, verified }), body))
    }

    async fn read(&self, room: &Room, body: Body) -> Result<(Bytes, Duration), Stopped> {
        let began = Instant::now();
        let mut share = room.share();
        let read = timeout(limits::EVENT_BODY_TIME, whole(body, self.bytes_max, |bytes| share.grow(bytes))).await;
        let broken = |answer: Answer| Err(Stopped { answer: answer.and_close(), decision: None });
        match read {
            Ok(Whole::All(bytes)) => Ok((bytes, began.elapsed())),
            Ok(Whole::TooLarge(..) | Whole::Broken(Trouble::TooLarge)) => broken(filter::body_too_large()),
            Ok(Whole::NoRoom) => broken(busy("too many events are on their way here")),
            Ok(Whole::Broken(Trouble::Broken)) => {
                broken(Answer::new(400, "body_cut_short", "the request body ended too early"))
            }
            Err(_) => broken(Answer::new(408, "body_timeout", "the request body took too long to arrive")),
        }
    }

    /// The first of the senders that signed it.
    fn sender(&self, head: &RequestHead, body: &Bytes, now: Timestamp) -> Result<(Arc<Held>, Verified), Unknown> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let field =
            |name: &str| head.fields.iter().filter(|(n, _)| *n == name.as_bytes()).map(|(_, value)| value).collect();
        let message = Message {
            method: head.method.as_str(),
            scheme: "https", // nobody comes in without
            authority: head.authority().or_else(|| head.fields.get("host")).and_then(text).unwrap_or_default(),
            target: head.target(),
            field: &field,
            body,
        };
        let (mut whys, mut keyless) = (Vec::new(), false);
        for held in self.senders.iter().filter(|held| head.fields.contains(held.field())) {
            let why = match held.keys() {
                Ok(keys) => match keys.verify(&message, now, Duration::from_secs(held.said.tolerance_s.into())) {
                    Ok(verified) => return Ok((Arc::clone(held), verified)),
                    Err(error) => error.to_string(),
                },
                Err(why) => {
                    keyless = true;
                    why
                }
            };
            whys.push(format!("sender `{}`: {why}", held.name));
        }
        Err(Unknown { keyless, why: whys.join("; ") })
    }
}

/// The one answer to everything that is wrong with an event: which check it was is for the operator.
pub fn refused() -> Answer {
    Answer::new(401, "event_refused", "the event is not accepted").with_challenge("Signature".to_owned())
}

/// The answer where the sender is to try again.
fn busy(text: &'static str) -> Answer {
    Answer::new(503, "events_busy", text).saying(vec![("retry-after", limits::EVENT_RETRY_S.to_string().into())])
}

fn refusal(not: &NotTaken) -> Answer {
    match not {
        NotTaken::Early(_) => busy("the event came too early; sign it anew and send it again"),
        NotTaken::Event(EventError::NoRoom) => busy("too many events of this sender"),
        NotTaken::Event(_) => refused(),
    }
}

fn stopped(proxy: &Proxy, answer: Answer, why: String) -> Stopped {
    // A 503 asks the sender to come again: there is nothing wrong with the event.
    let denial = if answer.status == 503 { Denial::Expected } else { Denial::Attack };
    Stopped { answer, decision: Some(Arc::new(Decision { denial, ..denied(&proxy.live(), why) })) }
}

/// The decision that refuses an event.
pub fn denied(live: &Live, why: String) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason: Some(why.into()),
        public: false,
        // Not ours, not whole, not now, or not the first time: whoever means well signs.
        denial: Denial::Attack,
        epoch: live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default(),
    }
}

fn noted(verified: &Verified, now: Timestamp) -> String {
    match verified.signed_at {
        None => format!("signed with key `{}`, no time", verified.key),
        Some(at_s) if at_s > now.as_secs() => {
            format!("signed with key `{}`, {} s ahead of this clock", verified.key, at_s - now.as_secs())
        }
        Some(at_s) => format!("signed with key `{}`, {} s ago", verified.key, now.as_secs() - at_s),
    }
}
