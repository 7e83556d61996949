//! The program behind the guards: answers requests, and sends bytes without end to whoever connects to the bulk port.

use crate::options::Options;
use crate::wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// Bytes given to the kernel at once on the bulk port.
const BULK_BYTES: usize = 256 << 10;

pub(crate) async fn run(options: &Options) {
    for addr in options.text("http").split(',') {
        let listener = TcpListener::bind(addr).await.unwrap();
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                spawn_local(serve(stream));
            }
        });
    }
    let listener = TcpListener::bind(options.addr("bulk")).await.unwrap();
    println!("ready");
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        spawn_local(async move {
            let bytes = vec![7; BULK_BYTES];
            while stream.write_all(&bytes).await.is_ok() {}
        });
    }
}

async fn serve(mut stream: TcpStream) {
    let (mut bytes, mut out) = (Vec::with_capacity(8 << 10), Vec::with_capacity(8 << 10));
    while matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
        let mut taken = 0;
        loop {
            match wire::request(&bytes[taken..]) {
                Ok(Some(request)) => {
                    taken += request.taken;
                    // A body that was changed on the way is answered with the body of another number.
                    wire::put_answer(&mut out, if request.good { request.number } else { u64::MAX >> 20 });
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        bytes.drain(..taken);
        if stream.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
    }
}
