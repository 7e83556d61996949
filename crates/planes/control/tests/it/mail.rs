//! Mail over TLS with a password, taken by a server that nobody here wrote; and what is refused before anything of it leaves.

use crate::alerts::{Ended, breach, place, port, status};
use crate::support::{Running, wait_for};
use bartizan_core::alerts::RouteStatus;
use bartizan_crypto::base64;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const PASSWORD: &str = "correct horse";

/// Arguments: port, file of mails, mode, certificate, key.
const JUDGE: &str = "import asyncio, ssl, sys\n\
    from aiosmtpd.controller import Controller\n\
    from aiosmtpd.smtp import AuthResult\n\
    port, mails, mode, cert, key = sys.argv[1:]\n\
    def note(data):\n\
    \x20   with open(mails, 'ab') as file: file.write(data + b'\\n')\n\
    class It:\n\
    \x20   async def handle_DATA(self, server, session, envelope):\n\
    \x20       encrypted = session.ssl is not None or mode == 'implicit'\n\
    \x20       note(repr((encrypted, session.authenticated, envelope.rcpt_tos)).encode() + b'\\n' + envelope.content)\n\
    \x20       return '250 OK'\n\
    def judge(server, session, envelope, mechanism, data):\n\
    \x20   good = (data.login, data.password) == (b'bartizan', b'correct horse')\n\
    \x20   note(('auth ' + mechanism + ' ' + str(good)).encode())\n\
    \x20   return AuthResult(success=good, handled=False)\n\
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
    tls.load_cert_chain(cert, key)\n\
    more = dict(authenticator=judge)\n\
    if mode in ('plain', 'login'): more.update(tls_context=tls, require_starttls=True, auth_required=True)\n\
    if mode == 'login': more.update(auth_exclude_mechanism=['PLAIN'])\n\
    if mode == 'implicit': more.update(ssl_context=tls, auth_required=True, auth_require_tls=False)\n\
    if mode == 'none': more.update(auth_require_tls=False)\n\
    Controller(It(), hostname='127.0.0.1', port=int(port), **more).start()\n\
    asyncio.new_event_loop().run_forever()\n";

struct Judge {
    port: u16,
    mails: PathBuf,
    _ended: Ended,
}

impl Judge {
    async fn start(dir: &Path, mode: &str) -> Self {
        let (port, mails) = (port(), dir.join(format!("{mode}.mails")));
        let script = dir.join("judge.py");
        std::fs::write(&script, JUDGE).unwrap();
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin/python");
        let child = Command::new(&python)
            .arg(&script)
            .arg(port.to_string())
            .arg(&mails)
            .args([mode, "leaf.pem", "leaf.key"])
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let ended =
            Ended(child.unwrap_or_else(|error| panic!("{}: {error}; run `sh xtask/judges.sh`", python.display())));
        wait_for("the mail server", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        Self { port, mails, _ended: ended }
    }

    fn got(&self) -> String {
        std::fs::read_to_string(&self.mails).unwrap_or_default()
    }
}

/// A certificate for `localhost` by a root of its own.
fn certificates(dir: &Path, root: &str, leaf: &str) {
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    let ca = format!("{new} -subj /CN={root} -keyout {root}.key -out {root}.pem");
    let one = format!(
        "{new} -subj /CN={leaf} -CA {root}.pem -CAkey {root}.key -addext subjectAltName=DNS:localhost \
         -addext basicConstraints=critical,CA:FALSE -keyout {leaf}.key -out {leaf}.pem"
    );
    for args in [ca, one] {
        let done = Command::new("openssl").args(args.split(' ')).current_dir(dir).output();
        let done = done.expect("openssl is installed; see xtask/needs.sh");
        assert!(done.status.success(), "{args}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Somebody between, who takes the offer of TLS out of what the relay says, and listens.
async fn stripping(relay: u16) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, heard) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<u8>>>::default());
    let ear = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", relay)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (from_server, mut to_server) = server.into_split();
            let ear = Arc::clone(&ear);
            tokio::spawn(async move {
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = from_client.read(&mut piece).await {
                    ear.lock().unwrap().extend_from_slice(&piece[..read]);
                    if to_server.write_all(&piece[..read]).await.is_err() {
                        return;
                    }
                }
            });
            tokio::spawn(async move {
                let mut lines = BufReader::new(from_server).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if !line.contains("STARTTLS")
                        && to_client.write_all(format!("{line}\r\n").as_bytes()).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    (at, heard)
}

/// A relay that sends more in plain than the answer to STARTTLS, for us to take as said over TLS.
async fn injecting() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                for answer in ["220 x\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n"] {
                    let mut line = String::new();
                    let asked = answer.starts_with("220 x") || client.read_line(&mut line).await.is_ok();
                    if !asked || client.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
                let mut rest = Vec::new();
                let _ = client.read_to_end(&mut rest).await; // whoever notices hangs up
            });
        }
    });
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_with_a_password_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path(), "root", "leaf");
    certificates(dir.path(), "other", "stranger");
    let plain = Judge::start(dir.path(), "plain").await;
    let login = Judge::start(dir.path(), "login").await;
    let implicit = Judge::start(dir.path(), "implicit").await;
    let none = Judge::start(dir.path(), "none").await;
    let (between, heard) = stripping(plain.port).await;
    let injector = injecting().await;

    let route = |name: &str, host: &str, port: u16, tls: &str, roots: &str, password: &str| {
        format!(
            "{name}: {{ email: {name}@bank.example, from: b@bank.example, relay: '{host}:{port}', tls: {tls}, roots: {roots}, user: bartizan, \
             password: {password}, takes: ticket }}"
        )
    };
    let routes = [
        route("wrong-root", "localhost", plain.port, "starttls", "other.pem", "good"),
        route("wrong-name", "127.0.0.1", plain.port, "starttls", "root.pem", "good"),
        route("no-offer", "localhost", none.port, "starttls", "root.pem", "good"),
        route("no-tls", "localhost", none.port, "implicit", "root.pem", "good"),
        route("stripped", "localhost", between, "starttls", "root.pem", "good"),
        route("injected", "localhost", injector, "starttls", "root.pem", "good"),
        route("wrong-password", "localhost", plain.port, "starttls", "root.pem", "bad"),
        route("no-password", "localhost", plain.port, "starttls", "root.pem", "nowhere"),
        route("plain", "localhost", plain.port, "starttls", "root.pem", "good"),
        route("login", "localhost", login.port, "starttls", "root.pem", "good"),
        route("implicit", "localhost", implicit.port, "implicit", "root.pem", "good"),
    ];
    let place = place(&format!(", routes: {{ {} }}", routes.join(", ")));
    for name in ["root.pem", "other.pem"] {
        std::fs::copy(dir.path().join(name), place.path(name)).unwrap();
    }
    place.write("good", &format!("{PASSWORD}\n"));
    place.write("bad", "battery staple");
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    breach(&mut proxy, 1).await;

    let refused = [
        ("wrong-root", "TLS with relay `localhost`"),
        ("wrong-name", "TLS with relay `127.0.0.1`"),
        ("no-offer", "does not offer STARTTLS"),
        ("no-tls", "TLS with relay `localhost`"),
        ("stripped", "does not offer STARTTLS"),
        ("injected", "sent more in plain"),
        ("wrong-password", "login as `bartizan`: the relay said `535"),
        ("no-password", "nowhere"),
    ];
    let all: Vec<RouteStatus> = wait_for("an outcome of each", async || {
        let all = status(&control).await.routes;
        all.iter().all(|it| it.sent > 0 || it.why.is_some()).then_some(all)
    })
    .await;
    let of = |name: &str| all.iter().find(|it| it.name == name).unwrap();
    for (name, why) in refused {
        let it = of(name);
        assert!(it.sent == 0 && it.why.as_deref().is_some_and(|it| it.contains(why)), "{name}: {it:?}");
    }
    for name in ["plain", "login", "implicit"] {
        assert!(of(name).sent > 0 && of(name).why.is_none(), "{:?}", of(name));
    }
    // Nobody repeats a password that was refused: that would lock the account.
    assert_eq!((of("wrong-password").failed, of("wrong-password").waiting), (1, 0), "{:?}", of("wrong-password"));

    let (on_plain, on_login, on_implicit) = (plain.got(), login.got(), implicit.got());
    assert!(on_plain.contains("auth PLAIN True") && on_plain.contains("auth PLAIN False"), "{on_plain}");
    assert!(on_login.contains("auth LOGIN True") && !on_login.contains("PLAIN"), "{on_login}");
    for (got, to) in [(&on_plain, "plain"), (&on_login, "login"), (&on_implicit, "implicit")] {
        assert!(got.contains(&format!("(True, True, ['{to}@bank.example'])")), "{to}: {got}");
    }
    for other in ["wrong", "no-", "stripped", "injected"] {
        assert!(!on_plain.contains(&format!("['{other}")), "{other}: {on_plain}");
    }
    assert_eq!(none.got(), "", "neither password nor mail in plain");
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    let lines: std::collections::BTreeSet<&str> = heard.lines().collect();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), ["EHLO localhost"], "all that who sits between hears");
    let told = control.text("/v1/alerts").await;
    let encoded = base64::encode(format!("\0bartizan\0{PASSWORD}").as_bytes());
    assert!(!told.contains(PASSWORD) && !told.contains(&encoded), "no password in what is shown");
}
