//! What of a guard stands in the network namespace of its program, where that has one: everything between the two of them.
//! What others reach stays outside.

use crate::conn::Side;
use crate::limits;
use crate::worker::Door;
use bartizan_core::ServiceName;
use bartizan_runtime::descriptors::Message;
use bartizan_runtime::inside::Inside;
use bartizan_runtime::listen;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// What the parent says when it hands over an end of the porter's socket.
pub const PORTER: u8 = b'p';

/// Whether this door is for the own program alone, so that it stands in the program's namespace. Further ones for the program
/// belong here too.
pub const fn is_for_the_program(door: &Door) -> bool {
    match door {
        Door::Traffic(Side::Outbound(_)) | Door::Captured => true,
        Door::Traffic(Side::Inbound | Side::Gateway) | Door::ExtAuthz => false,
    }
}

/// Takes the porter that the parent hands over.
///
/// # Errors
/// Where it says something else, or nothing in time.
pub async fn porter_of(service: &ServiceName, parent: &mut mpsc::Receiver<Message>) -> io::Result<Arc<Inside>> {
    let missing =
        || io::Error::new(io::ErrorKind::InvalidData, format!("no porter for `{service}` came on standard input"));
    let said = tokio::time::timeout(limits::PORTER_TIME, parent.recv()).await.ok().flatten();
    let mut said = said.filter(|said| said.bytes == [PORTER]).ok_or_else(missing)?;
    Inside::new(said.descriptors.pop().ok_or_else(missing)?).map(Arc::new)
}

/// Dials the own program, where it is.
pub async fn dial_program(inside: Option<&Inside>, addr: SocketAddr) -> io::Result<TcpStream> {
    match inside {
        Some(inside) => inside.connect(addr, limits::CONNECT_TIME).await,
        None => listen::connect(addr, limits::CONNECT_TIME).await,
    }
}
