//! What control logs, kept for whoever looks at it.

use std::io::{Result, Write};
use std::sync::{Arc, Mutex, OnceLock};

/// The log of this process.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Log {
    /// It is kept from now on. Tests that share a process share it, so each names its outputs differently.
    pub(crate) fn begin() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
            tracing::subscriber::set_global_default(subscriber).expect("the only one that looks at the log");
            log
        });
        log.clone()
    }

    /// Waits until it says that `output` could not send because of `why`, in lower case.
    pub(crate) async fn wait_for(&self, output: &str, why: &str) {
        let said = || {
            let text = String::from_utf8_lossy(&self.0.lock().unwrap()).to_lowercase();
            let of = |line: &&str| line.contains("events are not sent") && line.contains(&format!("output={output} "));
            text.lines().filter(of).map(str::to_owned).collect::<Vec<_>>()
        };
        // A receiver that says nothing costs the time that a request may take.
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(90), async {
            while !said().iter().any(|line| line.contains(why)) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        assert!(waiting.await.is_ok(), "{output} does not say `{why}`: {}", said().join("\n"));
    }
}
