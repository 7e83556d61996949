//! SMTP (RFC 5321), as much as a submission needs: in plain to a relay of this machine, else over TLS (RFC 3207, RFC 8314), with a
//! password where one is asked for (RFC 4954).
//!
//! Nothing but the question for TLS goes out before TLS is there: a relay that does not offer it, or somebody between who takes the offer
//! out, gets neither password nor alert.

use super::send::Wrong;
use crate::error::chain;
use crate::federation::web_roots;
use crate::limits::{ALERT_SEND_WITHIN, SMTP_LINE_BYTES_MAX, SMTP_LINES_MAX, SMTP_PASSWORD_BYTES_MAX};
use bartizan_core::Secret;
use bartizan_core::alerts::{Relay, RelayLogin, RelayTls};
use bartizan_crypto::base64;
use bartizan_runtime::tls::WebClient;
use bartizan_runtime::{files, https};
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// A connection, encrypted or not.
trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// A relay that waits for mail.
pub(super) struct Talk {
    stream: BufReader<Box<dyn Both>>,
    /// What it said that it can do.
    offers: Vec<String>,
}

impl Talk {
    /// Connects, begins TLS and logs in, as the relay's entry says. Files are read anew each time. The caller bounds the time.
    pub(super) async fn open(relay: &Relay, dir: &Path) -> Result<Self, Wrong> {
        let Relay { host, port, tls, roots, login } = relay;
        let password = login.as_ref().map(|it| password(&dir.join(&it.password))).transpose()?;
        let stream =
            https::dial(host, *port).await.map_err(|error| Wrong::later(format!("relay: {}", chain(&error))))?;
        let mut talk = Self::of(Box::new(stream));
        if *tls == Some(RelayTls::Implicit) {
            talk = talk.encrypted(host, roots.as_deref(), dir).await?;
        }
        talk.expect(220).await?;
        talk.hello().await?;
        if *tls == Some(RelayTls::Starttls) {
            if !talk.offers.iter().any(|it| it == "STARTTLS") {
                let why =
                    "the relay does not offer STARTTLS, or somebody between us takes it out: nothing is sent in plain";
                return Err(Wrong::later(why));
            }
            talk.say("STARTTLS").await?;
            talk.expect(220).await?;
            // What came before TLS was there may be anybody's (RFC 3207, section 6): it is not to be read as the relay's.
            if !talk.stream.buffer().is_empty() {
                return Err(Wrong::later("somebody sent more in plain than the answer to STARTTLS"));
            }
            talk = talk.encrypted(host, roots.as_deref(), dir).await?;
            talk.hello().await?;
        }
        if let Some((login, password)) = login.as_ref().zip(password) {
            talk.log_in(login, &password).await?;
        }
        Ok(talk)
    }

    fn of(stream: Box<dyn Both>) -> Self {
        Self { stream: BufReader::new(stream), offers: Vec::new() }
    }

    async fn encrypted(self, host: &str, roots: Option<&str>, dir: &Path) -> Result<Self, Wrong> {
        let path = roots.map(|file| dir.join(file));
        let roots = web_roots(path.as_deref()).map_err(|error| Wrong::later(chain(&error)))?;
        let client = WebClient::new(&roots, &[]).map_err(|error| Wrong::later(chain(&error)))?;
        let stream = client.connect(self.stream.into_inner(), host, ALERT_SEND_WITHIN).await;
        let stream = stream.map_err(|error| Wrong::later(format!("TLS with relay `{host}`: {error}")))?;
        Ok(Self::of(Box::new(stream)))
    }

    async fn hello(&mut self) -> Result<(), Wrong> {
        self.say("EHLO localhost").await?;
        // The first line is its name.
        self.offers = self.expect(250).await?.into_iter().skip(1).map(|it| it.to_ascii_uppercase()).collect();
        Ok(())
    }

    /// By whatever of the two it takes. Only reached over TLS: the fleet file asks for that.
    async fn log_in(&mut self, login: &RelayLogin, password: &Secret<String>) -> Result<(), Wrong> {
        let ways = self.offers.iter().find_map(|it| it.strip_prefix("AUTH "));
        let takes = |way: &str| ways.is_some_and(|ways| ways.split_whitespace().any(|it| it == way));
        let (user, password) = (login.user.as_bytes(), password.expose().as_bytes());
        if takes("PLAIN") {
            let all = [&b"\0"[..], user, b"\0", password].concat();
            self.say(&format!("AUTH PLAIN {}", base64::encode(&all))).await?;
        } else if takes("LOGIN") {
            for word in ["AUTH LOGIN".to_owned(), base64::encode(user)] {
                self.say(&word).await?;
                self.expect(334).await?;
            }
            self.say(&base64::encode(password)).await?;
        } else {
            return Err(Wrong::later("the relay takes no password by PLAIN or LOGIN; take `user` and `password` out"));
        }
        self.expect(235)
            .await
            .map_err(|wrong| Wrong { why: format!("login as `{}`: {}", login.user, wrong.why), ..wrong })?;
        Ok(())
    }

    pub(super) async fn say(&mut self, line: &str) -> Result<(), Wrong> {
        let sent = self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await;
        let sent = match sent {
            Ok(()) => self.stream.get_mut().flush().await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| Wrong::later(format!("the relay broke off: {error}")))
    }

    /// The answer, which may have several lines. 5xx is final, all else is not.
    pub(super) async fn expect(&mut self, code: u16) -> Result<Vec<String>, Wrong> {
        let mut lines = Vec::new();
        for _ in 0..SMTP_LINES_MAX {
            let mut line = Vec::new();
            let mut bounded = (&mut self.stream).take(SMTP_LINE_BYTES_MAX);
            bounded
                .read_until(b'\n', &mut line)
                .await
                .map_err(|error| Wrong::later(format!("the relay broke off: {error}")))?;
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let said: Option<u16> = text.get(..3).and_then(|it| it.parse().ok());
            let goes_on = text.as_bytes().get(3) == Some(&b'-');
            match said {
                Some(said) if said == code => {
                    lines.push(text.get(4..).unwrap_or_default().to_owned());
                    if !goes_on {
                        return Ok(lines);
                    }
                }
                Some(said) => return Err(Wrong { why: format!("the relay said `{text}`"), again: said < 500 }),
                None => return Err(Wrong::later("the relay said nothing that could be read")),
            }
        }
        Err(Wrong::later("the relay does not end its answer"))
    }
}

fn password(path: &Path) -> Result<Secret<String>, Wrong> {
    let wrong = |why: String| Wrong::later(format!("password `{}`: {why}", path.display()));
    let bytes = files::read_bounded(path, SMTP_PASSWORD_BYTES_MAX).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("is no text".to_owned()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(wrong("is empty".to_owned()));
    }
    Ok(Secret::new(text.to_owned()))
}
