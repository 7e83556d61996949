//! The floor: a proxy that copies bytes over mutual TLS and does nothing else. One connection in, one out.

use crate::options::Options;
use crate::tls;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Bytes moved at once: one TLS record.
const BYTES: usize = 16 << 10;

pub(crate) async fn run(options: &Options) {
    let (listener, to) = (TcpListener::bind(options.addr("listen")).await.unwrap(), options.addr("to"));
    println!("ready");
    match options.text("end") {
        "client" => {
            let (connector, name) = (TlsConnector::from(tls::client(options)), tls::name(options));
            loop {
                let (mut plain, far) = both(&listener, to).await;
                let (connector, name) = (connector.clone(), name.clone());
                spawn_local(async move {
                    let Ok(mut far) = connector.connect(name, far).await else { return };
                    let _ = copy_bidirectional_with_sizes(&mut plain, &mut far, BYTES, BYTES).await;
                });
            }
        }
        "server" => {
            let acceptor = TlsAcceptor::from(tls::server(options));
            loop {
                let (near, mut plain) = both(&listener, to).await;
                let acceptor = acceptor.clone();
                spawn_local(async move {
                    let Ok(mut near) = acceptor.accept(near).await else { return };
                    let _ = copy_bidirectional_with_sizes(&mut near, &mut plain, BYTES, BYTES).await;
                });
            }
        }
        other => panic!("--end {other}: client or server"),
    }
}

async fn both(listener: &TcpListener, to: std::net::SocketAddr) -> (TcpStream, TcpStream) {
    let (near, _) = listener.accept().await.unwrap();
    let far = TcpStream::connect(to).await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}
