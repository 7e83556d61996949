//! The way to a racer: straight, or through its SOCKS5 door (RFC 1928) where it takes connections from programs there alone.

use crate::options::Options;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

#[derive(Clone, Copy)]
pub(crate) struct Way {
    to: SocketAddr,
    socks: Option<SocketAddr>,
}

impl Way {
    pub(crate) fn of(options: &Options) -> Self {
        Self { to: options.addr("to"), socks: options.has("socks").then(|| options.addr("socks")) }
    }

    /// Blocks; small writes go out at once.
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.socks.unwrap_or(self.to))?;
        stream.set_nodelay(true)?;
        if self.socks.is_some() {
            ask(&mut stream, self.to)?;
        }
        Ok(stream)
    }

    /// As [`Way::connect`], for the runtime. What opens connections here does nothing else meanwhile.
    pub(crate) fn connect_async(&self) -> io::Result<tokio::net::TcpStream> {
        let stream = self.connect()?;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }
}

/// Asks the proxy at the other end to go `to` there, without a password.
fn ask(stream: &mut TcpStream, to: SocketAddr) -> io::Result<()> {
    let SocketAddr::V4(to) = to else { return Err(io::ErrorKind::Unsupported.into()) };
    stream.write_all(&[5, 1, 0])?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen)?;
    let [a, b, c, d] = to.ip().octets();
    let [high, low] = to.port().to_be_bytes();
    stream.write_all(&[5, 1, 0, 1, a, b, c, d, high, low])?;
    let mut answer = [0; 10];
    stream.read_exact(&mut answer)?;
    let is_good = chosen == [5, 0] && answer[..4] == [5, 0, 0, 1];
    if is_good { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}
