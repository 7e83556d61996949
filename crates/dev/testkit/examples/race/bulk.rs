//! As many bytes as a few connections can carry, from upstream to here.

use crate::options::Options;
use crate::way::Way;
use serde_json::json;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::task::spawn_local;

const BYTES: usize = 256 << 10;

pub(crate) async fn run(options: &Options) {
    let began = Instant::now();
    let until = began + options.seconds();
    let way = Way::of(options);
    let tasks: Vec<_> = (0..options.number("connections"))
        .map(|_| {
            spawn_local(async move {
                let mut stream = way.connect_async().unwrap();
                let (mut bytes, mut all) = (vec![0; BYTES], 0u64);
                while Instant::now() < until {
                    match stream.read(&mut bytes).await {
                        Ok(n @ 1..) => {
                            assert!(bytes[..n].iter().all(|byte| *byte == 7), "a byte was changed");
                            all += n as u64;
                        }
                        _ => return (all, 1),
                    }
                }
                (all, 0)
            })
        })
        .collect();
    let (mut all, mut cut) = (0, 0);
    for task in tasks {
        let (bytes, its_cut) = task.await.unwrap();
        all += bytes;
        cut += its_cut;
    }
    let seconds = began.elapsed().as_secs_f64();
    let errors = if cut > 0 { json!({"cut": cut}) } else { json!({}) };
    println!("{}", json!({"done": all, "per_second": all as f64 / seconds, "seconds": seconds, "errors": errors}));
}
