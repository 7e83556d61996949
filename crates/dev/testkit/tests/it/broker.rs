//! People who come from other identity providers to a whole fleet: from a certified one that others wrote, and from another fleet.

use bartizan_testkit::{Deadline, Up, free_ports, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const PERSON: &str = "ana@twin.test";
const PASSWORD: &str = "a horse of four words";
const SECRET: &str = "a secret that both know, & not short";

fn judges() -> PathBuf {
    std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges")).unwrap()
}

/// A certificate authority of the web and a certificate of it for 127.0.0.1.
fn web_certificate(folder: &Path) {
    let openssl = |line: &str| {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
    };
    std::fs::write(folder.join("web.ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n").unwrap();
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=web",
    );
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout web.key -out web.csr -subj /CN=login");
    openssl("x509 -req -in web.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile web.ext -out web.pem");
}

/// A fleet of one program, with an authorization server at `server`.
fn fleet(name: &str, web: u16, server: u16, rest: &str) -> String {
    format!(
        "fleet: {name}\ntrust_domain: {name}.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
         authorization:\n  listen: 127.0.0.1:{server}\n{rest}"
    )
}

fn start(folder: &Path, text: &str) -> Up {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join("fleet.yaml");
    std::fs::write(&file, text).unwrap();
    Up::start(&file, &[])
}

fn curl(ca: impl AsRef<Path>, more: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "20", "--cacert"]).arg(ca.as_ref()).args(more);
    String::from_utf8_lossy(&curl.output().expect("curl is installed").stdout).into_owned()
}

/// Adds somebody, who sets a password over the link.
fn add_person(up: &Up, folder: &Path, issuer: &str) {
    let added: Value =
        serde_json::from_str(&up.say(&["user", "add", PERSON, "--display-name", "Ana Horvat", "--json"])).unwrap();
    let jar = folder.join("jar");
    let jar = ["--cookie", jar.to_str().unwrap(), "--cookie-jar", jar.to_str().unwrap()];
    let page = curl(up.ca(), &[&jar[..], &[added["link"].as_str().unwrap()]].concat());
    let hidden = page.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        (name, rest.split_once('"').unwrap().0)
    });
    let fields: BTreeMap<&str, &str> = hidden.chain([("password", PASSWORD), ("again", PASSWORD)]).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let more: Vec<_> = fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]).collect();
    let to = format!("{issuer}/welcome");
    let said = curl(up.ca(), &[&jar[..], &more, &["--write-out", "%{http_code}", &to]].concat());
    assert!(said.ends_with("303"), "{said} {page}");
}

/// Our fleet, another one with somebody in it, and a place for a provider that is not there yet.
struct Scene {
    folder: TempDir,
    ours: Up,
    twin: Up,
    issuer: String,
    twin_issuer: String,
    provider: u16,
}

impl Scene {
    fn start() -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(5));
        let [web, server, other_web, other_server, provider] = ports[..] else { unreachable!() };
        web_certificate(folder.path());
        let (issuer, twin_issuer) =
            (format!("https://127.0.0.1:{server}"), format!("https://127.0.0.1:{other_server}"));
        let twin = start(
            &folder.path().join("twin"),
            &fleet(
                "twin",
                other_web,
                other_server,
                &format!(
                    "  people: {{}}\n  apps:\n    ours: {{ redirect: [\"{issuer}/sign-in/with/twin/back\"], scopes: [openid, profile, email], consent: trusted, bearer: true }}\n"
                ),
            ),
        );
        std::fs::create_dir(folder.path().join("own")).unwrap();
        std::fs::write(folder.path().join("own/foreign.secret"), format!("{SECRET}\n")).unwrap();
        let ours = start(
            &folder.path().join("own"),
            &fleet(
                "own",
                web,
                server,
                &format!(
                    "  people:\n    providers:\n      \
                 foreign: {{ title: The Foreign One, issuer: \"https://127.0.0.1:{provider}\", client_id: fleet, secret: foreign.secret, roots: ../ca.pem, scopes: [openid, profile, email, groups], \
                 create: yes, domains: [bank.test], claims: {{ roles: groups }}, roles: {{ tellers: teller }} }}\n      \
                 twin: {{ title: The Other Fleet, issuer: \"{twin_issuer}\", client_id: ours, roots: {}, create: anybody }}\n  apps:\n    \
                 shop: {{ redirect: [\"https://shop.own.test/back\"] }}\n",
                    twin.ca().display()
                ),
            ),
        );
        let it = Self { folder, ours, twin, issuer, twin_issuer, provider };
        wait_for("both servers to answer", Deadline::default(), || {
            let answers = |up: &Up, issuer: &str| {
                curl(up.ca(), &[&format!("{issuer}/.well-known/openid-configuration")])
                    .contains("authorization_endpoint")
            };
            (answers(&it.ours, &it.issuer) && answers(&it.twin, &it.twin_issuer)).then_some(())
        });
        add_person(&it.twin, it.folder.path(), &it.twin_issuer);
        it
    }

    /// The provider that others wrote, with a browser that goes there.
    fn provider(&self) -> Child {
        assert!(
            judges().join("installed").exists(),
            "judges are not there; run `sh xtask/judges.sh` (`make needs` does)"
        );
        let roots = self.folder.path().join("all.pem");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let all = [read(&self.ours.ca()), read(&self.twin.ca()), read(&self.folder.path().join("ca.pem"))].concat();
        std::fs::write(&roots, all).unwrap();
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/oidc-provider.mjs"))
            .envs([
                ("ISSUER", self.issuer.as_str()),
                ("TWIN", &self.twin_issuer),
                ("PERSON", PERSON),
                ("PASSWORD", PASSWORD),
            ])
            .envs([("PORT", self.provider.to_string()), ("SECRET", SECRET.to_owned())])
            .env("REDIRECT", format!("{}/sign-in/with/foreign/back", self.issuer))
            .envs([("CERT", self.folder.path().join("web.pem")), ("KEY", self.folder.path().join("web.key"))])
            .env("NODE_EXTRA_CA_CERTS", roots)
            .env("JUDGES", judges().join("node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node is installed")
    }
}

#[test]
fn people_come_from_a_certified_provider_and_from_another_fleet() {
    let scene = Scene::start();
    let page = curl(scene.ours.ca(), &[&format!("{}/sign-in", scene.issuer)]);
    assert!(page.contains("The Foreign One cannot be reached now.") && page.contains("name=\"password\""), "{page}");
    let said = scene.provider().wait_with_output().unwrap();
    let (text, why) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{text}\n{why}\n{}", scene.ours.log());

    let shown =
        |name: &str| -> Value { serde_json::from_str(&scene.ours.say(&["user", "show", name, "--json"])).unwrap() };
    let ana = shown("foreign+ana");
    assert_eq!((&ana["email"], &ana["email_verified"]), (&"ana@bank.test".into(), &true.into()), "{ana}");
    assert_eq!(ana["elsewhere"][0]["roles"], serde_json::json!(["teller"]), "{ana}");
    assert_eq!(ana["sessions"].as_array().unwrap().len(), 2, "twice, and one account: {ana}");
    let twin = shown("twin+ana@twin.test");
    assert!(twin["sessions"][0]["amr"].as_array().unwrap().contains(&"fed".into()), "{twin}");
    assert!(!scene.ours.cli(&["user", "show", "foreign+eve"]).status.success(), "her address is not verified");
    wait_for("the events", Deadline::default(), || {
        let events = scene.ours.cli(&["events", "--json", "--limit", "500"]);
        let text = String::from_utf8_lossy(&events.stdout).into_owned();
        let all = ["no verified e-mail address in one of", "\"deed\":\"signed_in\"", "from foreign", "from twin"];
        all.iter().all(|it| text.contains(it)).then_some(())
    });
    goes_away(&scene);
    assert_eq!(shown("foreign+ana")["sessions"].as_array().unwrap().len(), 2, "who is signed in stays so");
    is_tried_again_and_again(&scene);
}

/// A browser that was sent to a provider; the state that has to come back, and its cookies.
fn sent(scene: &Scene, name: &str) -> (String, PathBuf) {
    let jar = scene.folder.path().join("browser");
    let cookies = ["--cookie", jar.to_str().unwrap(), "--cookie-jar", jar.to_str().unwrap()];
    let page = curl(scene.ours.ca(), &[&cookies[..], &[&format!("{}/sign-in", scene.issuer)]].concat());
    let form = page.split("<form").find(|form| form.contains(&format!("name=\"provider\" value=\"{name}\"")));
    let form = form.unwrap_or_else(|| panic!("no button for {name}: {page}"));
    let hidden = form.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        format!("{name}={}", rest.split_once('"').unwrap().0)
    });
    let fields: Vec<String> = hidden.collect();
    let fields: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]).collect();
    let origin = format!("origin: {}", scene.issuer);
    let to = format!("{}/sign-in/with", scene.issuer);
    let more = ["-H", &origin, "--output", "/dev/null", "--write-out", "%{redirect_url}", &to];
    let said = curl(scene.ours.ca(), &[&cookies[..], &fields, &more].concat());
    let state = said.split("&state=").nth(1).and_then(|rest| rest.split('&').next());
    (state.unwrap_or_else(|| panic!("not sent: {said}")).to_owned(), jar)
}

/// What the page says to whoever comes back with `answer`.
fn comes_back(scene: &Scene, (name, issuer): (&str, &str), answer: &str) -> String {
    let (state, jar) = sent(scene, name);
    let to = format!("{}/sign-in/with/{name}/back?state={state}&iss={issuer}&{answer}", scene.issuer);
    curl(scene.ours.ca(), &["--cookie", jar.to_str().unwrap(), "--cookie-jar", jar.to_str().unwrap(), &to])
}

/// The provider that others wrote has gone; somebody notices, and from then on the others are offered.
fn goes_away(scene: &Scene) {
    let own = format!("https://127.0.0.1:{}", scene.provider);
    let page = comes_back(scene, ("foreign", &own), "code=x");
    assert!(page.contains("cannot be asked now. Sign in another way"), "{page}");
    let page = wait_for("the page to say who is away", Deadline::default(), || {
        let page = curl(scene.ours.ca(), &[&format!("{}/sign-in", scene.issuer)]);
        page.contains("The Foreign One cannot be reached now.").then_some(page)
    });
    assert!(!page.contains("Continue with The Foreign One"), "{page}");
    assert!(page.contains("Continue with The Other Fleet") && page.contains("name=\"password\""), "{page}");
    let status = scene.ours.say(&["status"]);
    assert!(status.contains("PROVIDER foreign is away since "), "{status}");
    assert!(!status.contains("PROVIDER twin"), "{status}");
    let status: Value = serde_json::from_str(&scene.ours.say(&["status", "--json"])).unwrap();
    assert_eq!(status["providers"]["foreign"]["has_keys"], true, "what is known of it is kept: {status}");
}

/// Many who come from one provider are refused: that is an event of its own, once, and the others go on.
fn is_tried_again_and_again(scene: &Scene) {
    for n in 0..21 {
        let page = comes_back(scene, ("twin", &scene.twin_issuer), "error=access_denied");
        assert!(page.contains("did not sign you in"), "{n}: {page}");
    }
    let events = || -> Vec<Value> {
        let said = scene.ours.cli(&["events", "--deny", "--json", "--limit", "500"]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let all = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        all.filter(|it: &Value| it.to_string().contains("many_refused")).collect()
    };
    let told = wait_for("the event", Deadline::default(), || Some(events()).filter(|told| !told.is_empty()));
    assert_eq!((told.len(), &told[0]["severity"]), (1, &"High".into()), "{told:?}");
    assert!(told[0].to_string().contains("twin: 20 sign-ins refused within 60 s"), "{told:?}");
}
