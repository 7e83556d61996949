//! Certificates as somebody outside makes them, by `openssl`, and programs that nobody here wrote.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A certificate authority in a folder. Files are `NAME.pem` and `NAME.key`; its own are `ca.pem` and `ca.key`.
pub(crate) struct Authority {
    dir: PathBuf,
}

impl Authority {
    pub(crate) fn new(dir: PathBuf) -> Self {
        std::fs::create_dir_all(&dir).unwrap();
        let it = Self { dir };
        let made = openssl(&[
            &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"][..],
            &["-subj", "/CN=outside", "-addext", "basicConstraints=critical,CA:TRUE"],
            &["-keyout", &it.file("ca.key"), "-out", &it.file("ca.pem")],
        ]);
        run(made);
        it
    }

    /// A certificate for `names` (`DNS:localhost`, `IP:127.0.0.1`), good for two days from now.
    pub(crate) fn issue(&self, name: &str, names: &str) {
        run(self.signed(name, names, openssl(&[])));
    }

    /// One that ran out a month ago.
    pub(crate) fn issue_expired(&self, name: &str, names: &str) {
        // The library alone: the program `faketime` refuses to start where a process of the same number was killed under it before
        // and left its semaphore.
        let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
        let library = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
        let mut a_month_ago = openssl(&[]);
        a_month_ago.env("LD_PRELOAD", library.expect("install `faketime`")).env("FAKETIME", "-30d");
        run(self.signed(name, names, a_month_ago));
    }

    /// The file of that name, for arguments and fleet files.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn signed(&self, name: &str, names: &str, mut openssl_at_its_time: Command) -> Command {
        let (key, request) = (self.file(&format!("{name}.key")), self.file(&format!("{name}.csr")));
        run(openssl(&[
            &["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"][..],
            &["-subj", "/CN=localhost", "-keyout", &key, "-out", &request],
        ]));
        let extensions = self.file(&format!("{name}.ext"));
        std::fs::write(&extensions, format!("subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n")).unwrap();
        let (ca, ca_key, out) = (self.file("ca.pem"), self.file("ca.key"), self.file(&format!("{name}.pem")));
        openssl_at_its_time
            .args(["x509", "-req", "-days", "2", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"])
            .args(["-extfile", &extensions, "-out", &out]);
        openssl_at_its_time
    }
}

fn openssl(args: &[&[&str]]) -> Command {
    let mut openssl = Command::new("openssl");
    openssl.args(args.concat());
    openssl
}

fn run(mut command: Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A script of `tests/judges`, run by the Python that has the judges' packages.
pub(crate) fn judge(script: &str) -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../../target/judges/bin/python3");
    assert!(python.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", python.display());
    let mut command = Command::new(python);
    // Or they would be trusted instead of what a case names.
    command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
    command.arg(here.join("tests/judges").join(script));
    command
}

/// A program in the background, ended when it is dropped.
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
