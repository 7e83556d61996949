//! Questions to control about people who log in, from whichever thread, over the one stream that there is.

use crate::limits::{LOGIN_FRESH_MAX, LOGIN_QUESTIONS_MAX, LOGIN_RENEW_AGAIN, LOGIN_WAIT};
use bartizan_core::Timestamp;
use bartizan_core::login::{Answer, Ask};
use bartizan_core::user::User;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// A question, and where its answer goes.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub ask: Ask,
    /// Who waits.
    pub answer: Asker,
}

/// Who waits for an answer.
#[derive(Debug)]
pub enum Asker {
    /// Somebody's request.
    Request(oneshot::Sender<Answer>),
    /// Nobody: it is noted for the next request of that session.
    Session(String),
}

impl Asker {
    /// Whether an answer is still of use.
    pub fn still_waits(&self) -> bool {
        match self {
            Self::Request(answer) => !answer.is_closed(),
            Self::Session(_) => true,
        }
    }
}

/// What control said of a session's user meanwhile.
#[derive(Clone, Debug)]
pub enum Fresh {
    /// Who it is now, and when to ask again.
    Known(Box<User>, Option<Timestamp>),
    /// Nothing new; ask again then, or not at all.
    Later(Option<Timestamp>),
}

/// See the module.
#[derive(Debug)]
pub struct Desk {
    questions: mpsc::Sender<Question>,
    taken: Mutex<Option<mpsc::Receiver<Question>>>,
    noted: Mutex<HashMap<String, Noted>>,
    /// For what strangers may send and control has to look at.
    pub strangers: Semaphore,
}

#[derive(Debug)]
enum Noted {
    Asked(Timestamp),
    Answered(Fresh),
}

impl Default for Desk {
    fn default() -> Self {
        let (questions, taken) = mpsc::channel(LOGIN_QUESTIONS_MAX);
        let strangers = Semaphore::new(crate::limits::LOGIN_STRANGERS_MAX);
        Self { questions, taken: Mutex::new(Some(taken)), noted: Mutex::default(), strangers }
    }
}

impl Desk {
    /// Asks, and waits for [`LOGIN_WAIT`] at most. `None` where nobody answers.
    ///
    /// Dropping the future gives up the answer; what was asked may be done.
    pub async fn ask(&self, ask: Ask) -> Option<Answer> {
        let (answer, waiting) = oneshot::channel();
        self.questions.try_send(Question { ask, answer: Asker::Request(answer) }).ok()?;
        tokio::time::timeout(LOGIN_WAIT, waiting).await.ok()?.ok()
    }

    /// What control said of a session since its cookie was made. Asks where nobody did yet; nobody waits for that.
    pub fn fresh(&self, session: &str, now: Timestamp) -> Option<Fresh> {
        let mut noted = self.noted();
        match noted.get(session) {
            Some(Noted::Answered(_)) => {
                let Some(Noted::Answered(fresh)) = noted.remove(session) else { return None };
                return Some(fresh);
            }
            Some(Noted::Asked(at)) if now < at.plus(LOGIN_RENEW_AGAIN) => return None,
            // It goes on as it is; there are too many to be noted.
            None if noted.len() >= LOGIN_FRESH_MAX => {
                noted.retain(|_, it| matches!(it, Noted::Asked(at) if now < at.plus(LOGIN_RENEW_AGAIN)));
                return None;
            }
            _ => {}
        }
        let ask = Ask::Renew { session: session.to_owned() };
        if self.questions.try_send(Question { ask, answer: Asker::Session(session.to_owned()) }).is_ok() {
            noted.insert(session.to_owned(), Noted::Asked(now));
        }
        None
    }

    /// The questions, for the one who asks control.
    pub fn questions(&self) -> Option<mpsc::Receiver<Question>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands an answer to who waits for it.
    pub fn answered(&self, asker: Asker, answer: Answer) {
        match (asker, answer) {
            (Asker::Request(waiting), answer) => drop(waiting.send(answer)), // it may have given up
            (Asker::Session(session), Answer::Renewed(user, renew)) => {
                self.noted().insert(session, Noted::Answered(Fresh::Known(user, renew)));
            }
            (Asker::Session(session), Answer::Later(renew)) => {
                self.noted().insert(session, Noted::Answered(Fresh::Later(renew)));
            }
            // It is over, which the list of what was taken back says to everybody; or asked again in its time.
            (Asker::Session(_), _) => {}
        }
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<String, Noted>> {
        // Every change leaves it whole.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_to_be_said_of_somebody_is_asked_once_whoever_comes_meanwhile() {
        let desk = Desk::default();
        let mut questions = desk.questions().unwrap();
        assert!(desk.questions().is_none(), "one asks control");
        let now = Timestamp::from_secs(1_790_000_000);
        for _ in 0..10 {
            assert!(desk.fresh("s", now).is_none());
        }
        let question = questions.try_recv().unwrap();
        assert!(questions.try_recv().is_err(), "single flight");
        let user = User { subject: "ana".into(), ..User::default() };
        desk.answered(question.answer, Answer::Renewed(Box::new(user), Some(now)));
        let Some(Fresh::Known(user, Some(_))) = desk.fresh("s", now) else { panic!("nothing was noted") };
        assert_eq!(user.subject, "ana");
        assert!(desk.fresh("t", now).is_none());
        drop(questions.try_recv().unwrap());
        let later = now.plus(LOGIN_RENEW_AGAIN + Duration::from_secs(1));
        assert!(desk.fresh("t", later).is_none());
        assert!(questions.try_recv().is_ok(), "an answer that does not come is asked for again");
    }
}
