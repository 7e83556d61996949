//! One connection to the place of shared counts.

use super::resp::{Reply, RespError, command, reply};
use crate::limiting::Share;
use crate::limits::{COUNTS_ANSWER, COUNTS_FILE_BYTES_MAX};
use bartizan_core::Secret;
use bartizan_core::counts::Counts;
use bartizan_runtime::files;
use bartizan_runtime::tls::{HandshakeError, TlsError, WebClient};
use std::io;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Adds to each count and says what it came to, by the clock of the place itself. Of a rate: the microseconds that are owed. Of a
/// quota: the units that were used.
const SCRIPT: &str = "\
local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] local out = {}
for i, key in ipairs(KEYS) do
  local add, keep = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  if keep > 0 then
    out[i] = redis.call('INCRBY', key, add)
    redis.call('PEXPIRE', key, keep)
  else
    local tat = tonumber(redis.call('GET', key) or now)
    if tat < now then tat = now end
    tat = tat + add
    if tat > now then
      redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
    else
      redis.call('DEL', key)
      tat = now
    end
    out[i] = tat - now
  end
end
return out";

/// Why the counts are not known.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file cannot be read.
    #[error("cannot read `{0}`")]
    File(String, #[source] io::Error),
    /// Nobody is there, or they hung up.
    #[error("it cannot be reached")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("no answer within {} ms", COUNTS_ANSWER.as_millis())]
    Slow,
    /// Its roots are none.
    #[error("its roots cannot be used")]
    Roots(#[from] TlsError),
    /// It is not who it should be.
    #[error("no TLS with it: {}", .0.detail)]
    Tls(HandshakeError),
    /// It speaks another protocol.
    #[error(transparent)]
    Resp(#[from] RespError),
    /// It says no.
    #[error("it says: {0}")]
    Refused(String),
    /// It answers something else than was asked.
    #[error("it answered something else than was asked")]
    Other,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that was let in.
pub(super) struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects, over TLS where there are roots, and shows the password where there is one.
    pub(super) async fn connect(counts: &Counts) -> Result<Self, ClientError> {
        let (host, port) = counts.host_and_port().ok_or(ClientError::Other)?;
        let tcp = timeout(COUNTS_ANSWER, TcpStream::connect((host, port))).await.map_err(|_| ClientError::Slow)??;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &counts.roots {
            None => Box::new(tcp),
            Some(roots) => {
                let tls = WebClient::new(&read(roots)?, &[])?;
                Box::new(tls.connect(tcp, host, COUNTS_ANSWER).await.map_err(ClientError::Tls)?)
            }
        };
        let mut client = Self { stream, buffer: Vec::new() };
        if let Some(password) = &counts.password {
            let password = Secret::new(read(password)?);
            client.ask(&[b"AUTH", password.expose().trim().as_bytes()]).await?;
        }
        Ok(client)
    }

    /// Tells counts and asks what they came to, in their order.
    pub(super) async fn add(&mut self, shares: &[Share]) -> Result<Vec<i64>, ClientError> {
        let count = shares.len().to_string();
        let numbers: Vec<_> = shares.iter().map(|it| [it.add.to_string(), it.keep_ms.to_string()]).collect();
        let mut words: Vec<&[u8]> = vec![b"EVAL", SCRIPT.as_bytes(), count.as_bytes()];
        words.extend(shares.iter().map(|share| share.name.as_bytes()));
        words.extend(numbers.iter().flatten().map(|number| number.as_bytes()));
        match self.ask(&words).await? {
            Reply::Numbers(all) if all.len() == shares.len() => Ok(all),
            _ => Err(ClientError::Other),
        }
    }

    async fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, ClientError> {
        let asking = async {
            self.stream.write_all(&command(words)).await?;
            self.stream.flush().await?;
            loop {
                if let Some((reply, length)) = reply(&self.buffer)? {
                    self.buffer.drain(..length);
                    return Ok::<Reply, ClientError>(reply);
                }
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
            }
        };
        match timeout(COUNTS_ANSWER, asking).await.map_err(|_| ClientError::Slow)?? {
            Reply::Refused(why) => Err(ClientError::Refused(why.chars().filter(|c| !c.is_control()).collect())),
            reply => Ok(reply),
        }
    }
}

fn read(path: &str) -> Result<String, ClientError> {
    let text = files::read_bounded(Path::new(path), COUNTS_FILE_BYTES_MAX);
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    text.map_err(|error| ClientError::File(path.to_owned(), error))
}
