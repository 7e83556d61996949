"""Who takes part. Each racer is a pair: an outbound end that takes plain bytes and an inbound end, mutual TLS between them.

All of them: TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, P-256 certificates under an issuing CA, one serving thread in each
process, connections kept alive on every leg, no access log on disk.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import procs
from certificates import NAME

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
JUDGES = REPOSITORY / "target/judges"
READY_WITHIN_S = 60
STOP_WITHIN_S = 20
KEPT = 9500  # connections that a racer has to bear; each takes two descriptors of usually 20,000


class Failed(Exception):
    """Something that makes the figures worthless."""


_given = set()


def free_port():
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        # Not one from which the kernel takes ports for connections that are opened: somebody might have it by then.
        port = 10000 + port % 20000
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def loopback(port):
    return f"127.0.0.1:{port}"


def wait_for(port, process, log):
    began = time.monotonic()
    while time.monotonic() - began < READY_WITHIN_S:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise Failed(f"nothing listens on port {port}; the process said:\n{procs.read(log)[-3000:]}")


class Racer:
    """A racer that is started. `ports`: outbound (HTTP), mesh (mutual TLS), bulk (TCP outbound), gateway (TLS), where it has them."""

    name = ""
    does = ""  # what it does to a request, for the table's reader

    def __init__(self, ground):
        self.ground = ground
        self.folder = ground.folder / self.name
        self.folder.mkdir()
        self.ports = {}
        self.running = []
        self.gateway_ca = (ground.certificates / "root.pem", NAME)

    @classmethod
    def missing(cls):
        """What it lacks on this machine, if anything."""
        return None

    def version(self):
        return ""

    def spawn(self, role, command, **more):
        log = self.folder / f"{role}.log"
        with log.open("w") as out:
            process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **more)
        self.running.append((role, process, log))
        return process, log

    def ends(self, way):
        """Ids of the processes that carry traffic on a way (`pair`, `gateway`, `bulk`), by end."""
        outer = "gateway" if way == "gateway" else "outbound"
        return {role: procs.tree(process.pid) for role, process, _ in self.running if role in (outer, "inbound")}

    def way_to(self, port):
        """How the load clients get to one of its ports."""
        return ["--to", loopback(port)]

    def identity(self):
        """Certificate and key of a client that the inbound end lets in."""
        return self.ground.certificates / "caller.pem", self.ground.certificates / "caller.key"

    def beside(self):
        """Ids of processes that belong to it and carry no traffic."""
        return []

    def stop(self):
        for _, process, _ in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGINT if self.name.startswith("ours") else signal.SIGTERM)
                try:
                    process.wait(STOP_WITHIN_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class Ours(Racer):
    name = "ours"
    does = "identity, policy (100 rules), strict HTTP, ledger, metrics, an event for each decision"

    @classmethod
    def missing(cls):
        return next((f"{path}" for path in (cls.bartizan(), cls.bartizan().with_name("bartizan-proxy")) if not path.exists()), None)

    @staticmethod
    def bartizan():
        return pathlib.Path(os.environ.get("BARTIZAN", REPOSITORY / "target/release/bartizan"))

    def version(self):
        return subprocess.run([self.bartizan(), "--version"], capture_output=True, text=True).stdout.strip()

    def start(self):
        ground, ports = self.ground, self.ports
        for name in ("outbound", "mesh", "bulk", "gateway"):
            ports[name] = free_port()
        via = lambda to, port: {"to": to, "via": loopback(port)}  # noqa: E731
        fleet = {
            "fleet": "race",
            "trust_domain": NAME,
            "policies": "policies",
            "tls": {"groups": ["X25519"]},
            "services": {
                "client": {"at": loopback(ground.upstream["second"]), "protocol": "http", "owner": "race",
                           "calls": [via("upstream", ports["outbound"]), via("bytes", ports["bulk"])]},
                "upstream": {"at": loopback(ground.upstream["http"]), "protocol": "http", "owner": "race", "mesh": loopback(ports["mesh"])},
                "bytes": {"at": loopback(ground.upstream["bulk"]), "protocol": "tcp", "owner": "race"},
            },
            "workloads": {"caller": {"selectors": {"path": str(self.bartizan().resolve())}, "calls": ["upstream"]}},
            "gateway": {"listen": loopback(ports["gateway"]), "routes": [{"path": "/items/**", "to": "upstream"}]},
        }
        (self.folder / "policies").mkdir()
        (self.folder / "policies/race.cedar").write_text(policies())
        self.change(fleet)
        (self.folder / "fleet.yaml").write_text(json.dumps(fleet, indent=1))
        self.data = self.folder / "data"
        command = [self.bartizan(), "up", self.folder / "fleet.yaml", "--data", self.data, "--no-table"]
        process, log = self.spawn("up", command)
        began = time.monotonic()
        while not re.search(r"^\s*ready", procs.read(log), re.M):
            if process.poll() is not None or time.monotonic() - began > READY_WITHIN_S:
                raise Failed(f"ours is not ready: {procs.read(log)[-3000:]}")
            time.sleep(0.1)
        self.gateway_ca = (self.data / "roots.pem", "127.0.0.1")

    def change(self, fleet):
        """What a variant has besides."""

    def identity(self):
        """The identity of a workload, fetched from the node, for handshakes with the inbound end."""
        folder = self.folder / "svid"
        if not folder.exists():
            folder.mkdir()
            command = [self.bartizan(), "svid", "fetch", "--out", folder, "--data", self.data]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            if done.returncode != 0:
                raise Failed(f"no identity for the handshakes: {done.stderr}")
        return folder / "svid.0.pem", folder / "svid.0.key"

    def guards(self):
        found = {}
        for pid in procs.tree(self.running[0][1].pid):
            arguments = procs.arguments(pid)
            if arguments and pathlib.Path(arguments[0]).name == "bartizan-proxy":
                found[arguments[arguments.index("--service") + 1]] = [pid]
        return found

    def ends(self, way):
        guards = self.guards()
        outer, inner = {"pair": ("client", "upstream"), "gateway": ("gateway", "upstream"), "bulk": ("client", "bytes")}[way]
        return {"outbound": guards[outer], "inbound": guards[inner]}

    def beside(self):
        """Control and node: they take in the events. `bartizan up` itself as well."""
        guards = {pid for pids in self.guards().values() for pid in pids}
        return [pid for pid in procs.tree(self.running[0][1].pid) if pid not in guards]


def token_of(folder):
    """An access token for a day, its issuer's name and audience, and the file with the issuer's public key."""
    bartizan, issuer, audience = Ours.bartizan(), "https://login.race.test", "https://api.race.test"
    done = subprocess.run(list(map(str, [bartizan, "token", "keygen", "--out", folder / "login"])), capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"no key for tokens: {done.stderr}")
    said = ["--issuer", issuer, "--audience", audience, "--subject", "alice", "--scope", "items:read", "--claim", "roles=customer", "--seconds", 86400]
    done = subprocess.run(list(map(str, [bartizan, "token", "mint", "--key", folder / "login.key", *said])), capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"no token: {done.stderr}")
    return done.stdout.strip(), issuer, audience, folder / "login.jwks"


class OursBefore(Ours):
    name = "ours-before"
    does = "ours of another build (BARTIZAN_BEFORE)"

    @staticmethod
    def bartizan():
        return pathlib.Path(os.environ.get("BARTIZAN_BEFORE", "BARTIZAN_BEFORE, which names the other build's bartizan,"))


LIMIT = 1_000_000  # requests a second and user: counted, and never reached


class OursWithUsers(Ours):
    name = "ours-users"
    does = "ours, and at the gateway: access token, scope, policy on the user, rate limit; a transaction token for each request"

    def change(self, fleet):
        self.token, issuer, audience, _ = token_of(self.folder)
        fleet["users"] = {"audience": audience, "issuers": [{"issuer": issuer, "keys": "login.jwks"}]}
        limit = {"per": ["user"], "rate": f"{LIMIT}/s"}
        fleet["gateway"]["routes"] = [{"path": "/items/**", "to": "upstream", "auth": "user", "scopes": ["items:read"], "limits": [limit]}]
        (self.folder / "policies/users.cedar").write_text(
            'forbid (principal == Workload::"gateway", action, resource in Service::"upstream")\n'
            'unless { context has user && context.user.roles.contains("customer") };\n'
        )

    def start(self):
        super().start()
        self.ports = {"gateway_users": self.ports["gateway"]}


def policies():
    """100 rules: 25 on the raced service that look at method and path, none of which fits; 75 on other services."""
    text = [
        f'@id("upstream-{n}")\nforbid (principal, action == Action::"read", resource in Service::"upstream")\n'
        f'when {{ context.path like "/admin/{n}/*" && context.method == "GET" }};\n'
        for n in range(25)
    ]
    text += [
        f'@id("client-{n}")\nforbid (principal == Workload::"upstream", action == Action::"write", resource in Service::"client")\n'
        f'when {{ context.path like "/accounts/{n}/*" }};\n'
        for n in range(75)
    ]
    return "\n".join(text)


class Relay(Racer):
    name = "relay"
    does = "copies bytes"

    def start(self):
        cert, end = self.ground.certificates, {}
        for kind, to in (("", self.ground.upstream["http"]), ("bulk-", self.ground.upstream["bulk"])):
            mesh, out = free_port(), free_port()
            shown = lambda name: ["--cert", cert / f"{name}.pem", "--key", cert / f"{name}.key", "--ca", cert / "root.pem"]  # noqa: E731
            race = self.ground.race
            end[mesh] = self.spawn(f"{kind}inbound", [race, "relay", "--end", "server", "--listen", loopback(mesh), "--to", loopback(to), *shown("inbound")])
            end[out] = self.spawn(f"{kind}outbound", [race, "relay", "--end", "client", "--listen", loopback(out), "--to", loopback(mesh), "--name", NAME, *shown("outbound")])
            self.ports |= {"bulk": out} if kind else {"outbound": out, "mesh": mesh}
        for port, (process, log) in end.items():
            wait_for(port, process, log)

    def ends(self, way):
        kind = "bulk-" if way == "bulk" else ""
        return {role: [process.pid] for role, process, _ in self.running if role in (f"{kind}outbound", f"{kind}inbound")}


class Envoy(Racer):
    name = "envoy"
    does = "routes HTTP, counts; no policy, no access log"

    @classmethod
    def executable(cls):
        files = [p for p in JUDGES.glob("lib/python*/site-packages/**/envoy*") if p.is_file() and p.stat().st_size > 1e6]
        return files[0].resolve() if files else None

    @classmethod
    def missing(cls):
        return None if cls.executable() else "Envoy in target/judges (xtask/judges.sh)"

    def version(self):
        said = subprocess.run([self.executable(), "--version"], capture_output=True, text=True).stdout
        return "Envoy " + (re.search(r"/(\d+\.\d+\.\d+)", said) or ["", "?"])[1]

    def start(self):
        up, ports = self.ground.upstream, self.ports
        for name in ("outbound", "mesh", "mesh_h2", "outbound_h2", "bulk", "bulk_mesh", "gateway"):
            ports[name] = free_port()
        outbound = self.config(
            [
                listener(ports["outbound"], http("upstream")),
                listener(ports["outbound_h2"], http("upstream_h2")),
                listener(ports["bulk"], tcp("bytes")),
            ],
            [
                cluster("upstream", ports["mesh"], self.tls("Upstream", "outbound", ["http/1.1"])),
                cluster("upstream_h2", ports["mesh_h2"], self.tls("Upstream", "outbound", ["h2"]), h2=True),
                cluster("bytes", ports["bulk_mesh"], self.tls("Upstream", "outbound", [])),
            ],
        )
        inbound = self.config(
            [
                listener(ports["mesh"], http("program"), self.tls("Downstream", "inbound", ["http/1.1"])),
                listener(ports["mesh_h2"], http("program"), self.tls("Downstream", "inbound", ["h2"])),
                listener(ports["bulk_mesh"], tcp("bytes"), self.tls("Downstream", "inbound", [])),
            ],
            [cluster("program", up["http"]), cluster("bytes", up["bulk"])],
        )
        gateway = self.config(
            [listener(ports["gateway"], http("upstream", self.gateway_filters()), self.tls("Downstream", "inbound", ["http/1.1"], mutual=False))],
            [cluster("upstream", ports["mesh"], self.tls("Upstream", "outbound", ["http/1.1"]))],
        )
        for role, config in (("inbound", inbound), ("outbound", outbound), ("gateway", gateway)):
            file = self.folder / f"{role}.json"
            file.write_text(json.dumps(config))
            command = [self.executable(), "--concurrency", 1, "--use-dynamic-base-id", "--log-level", "warning", "-c", file]
            process, log = self.spawn(role, command)
            for listening in config["static_resources"]["listeners"]:
                wait_for(listening["address"]["socket_address"]["port_value"], process, log)

    def gateway_filters(self):
        """What the gateway does before it routes."""
        return []

    @staticmethod
    def config(listeners, clusters):
        return {"static_resources": {"listeners": listeners, "clusters": clusters}}

    def tls(self, direction, shown, alpn, mutual=True):
        cert = self.ground.certificates
        common = {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3", "ecdh_curves": ["X25519"]},
            "tls_certificates": [{"certificate_chain": {"filename": str(cert / f"{shown}.pem")}, "private_key": {"filename": str(cert / f"{shown}.key")}}],
            "alpn_protocols": alpn,
        }
        if mutual:
            peer = "inbound" if direction == "Upstream" else None
            san = [{"san_type": "URI", "matcher": {"exact": f"spiffe://{NAME}/svc/{peer}"} if peer else {"prefix": f"spiffe://{NAME}/"}}]
            common["validation_context"] = {"trusted_ca": {"filename": str(cert / "root.pem")}, "match_typed_subject_alt_names": san}
        context = {"@type": f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{direction}TlsContext", "common_tls_context": common}
        if direction == "Downstream":
            context |= {"require_client_certificate": mutual, "disable_stateless_session_resumption": True, "disable_stateful_session_resumption": True}
        else:
            context["max_session_keys"] = 0
        return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def listener(port, filters, tls=None):
    chain = {"filters": filters} | ({"transport_socket": tls} if tls else {})
    return {"name": f"l{port}", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}, "filter_chains": [chain]}


class EnvoyWithUsers(Envoy):
    name = "envoy-users"
    does = "Envoy, and at the gateway: jwt_authn with its cache, rbac on a claim, local_ratelimit"

    def start(self):
        super().start()
        self.ports = {"gateway_users": self.ports["gateway"]}

    def gateway_filters(self):
        self.token, issuer, audience, jwks = token_of(self.folder)
        kind = "type.googleapis.com/envoy.extensions.filters.http"
        provider = {
            "issuer": issuer, "audiences": [audience], "forward": False, "payload_in_metadata": "user",
            "local_jwks": {"inline_string": jwks.read_text()}, "jwt_cache_config": {"jwt_cache_size": 1000},
        }
        claim = {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "user"}, {"key": "roles"}], "value": {"string_match": {"exact": "customer"}}}
        bucket = {"max_tokens": LIMIT, "tokens_per_fill": LIMIT, "fill_interval": "1s"}
        always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
        return [
            {"name": "envoy.filters.http.jwt_authn", "typed_config": {
                "@type": f"{kind}.jwt_authn.v3.JwtAuthentication", "providers": {"login": provider},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "login"}}]}},
            {"name": "envoy.filters.http.rbac", "typed_config": {"@type": f"{kind}.rbac.v3.RBAC", "rules": {"action": "ALLOW", "policies": {
                "customers": {"permissions": [{"url_path": {"path": {"prefix": "/items/"}}}], "principals": [{"metadata": claim}]}}}}},
            {"name": "envoy.filters.http.local_ratelimit", "typed_config": {
                "@type": f"{kind}.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "users", "token_bucket": bucket,
                "filter_enabled": always, "filter_enforced": always}},
        ]


def http(to, before=()):
    filters = "type.googleapis.com/envoy.extensions.filters"
    return [{"name": "http", "typed_config": {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": to,
        "http_filters": [*before, {"name": "router", "typed_config": {"@type": f"{filters}.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": to}}]}]},
    }}]


def tcp(to):
    kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    return [{"name": "tcp", "typed_config": {"@type": kind, "stat_prefix": to, "cluster": to}}]


def cluster(name, port, tls=None, h2=False):
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    it = {
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"max_connections": KEPT, "max_pending_requests": KEPT, "max_requests": KEPT}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
    }
    if tls:
        it["transport_socket"] = tls
    if h2:
        kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        explicit = {"@type": f"type.googleapis.com/{kind}", "explicit_http_config": {"http2_protocol_options": {}}}
        it["typed_extension_protocol_options"] = {kind: explicit}
    return it


class Nginx(Racer):
    name = "nginx"
    does = "proxies HTTP; no policy, no access log"

    @classmethod
    def missing(cls):
        return None if shutil.which("nginx", path=SBIN) else "nginx (apt-get install nginx)"

    def version(self):
        said = subprocess.run([shutil.which("nginx", path=SBIN), "-v"], capture_output=True, text=True).stderr
        return said.strip().replace("nginx version: ", "")

    def start(self):
        for name in ("outbound", "mesh", "gateway"):
            self.ports[name] = free_port()
        cert, ports = self.ground.certificates, self.ports
        to_mesh = f"""
            location / {{
                proxy_pass https://mesh; proxy_http_version 1.1; proxy_set_header Connection "";
                proxy_ssl_certificate {cert}/outbound.pem; proxy_ssl_certificate_key {cert}/outbound.key;
                proxy_ssl_trusted_certificate {cert}/root.pem; proxy_ssl_verify on; proxy_ssl_verify_depth 3; proxy_ssl_name {NAME};
                proxy_ssl_protocols TLSv1.3; proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; proxy_ssl_session_reuse off;
            }}"""
        shown = f"""
            ssl_certificate {cert}/inbound.pem; ssl_certificate_key {cert}/inbound.key; ssl_protocols TLSv1.3;
            ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_ecdh_curve X25519; ssl_session_tickets off; ssl_session_cache off;"""
        mesh = f"upstream mesh {{ server 127.0.0.1:{ports['mesh']}; keepalive 256; keepalive_requests 1000000000; }}"
        servers = {
            "inbound": f"""upstream program {{ server 127.0.0.1:{self.ground.upstream['http']}; keepalive 256; keepalive_requests 1000000000; }}
                server {{ listen 127.0.0.1:{ports['mesh']} ssl; {shown}
                    ssl_client_certificate {cert}/root.pem; ssl_verify_client on; ssl_verify_depth 3;
                    location / {{ proxy_pass http://program; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""",
            "outbound": f"{mesh} server {{ listen 127.0.0.1:{ports['outbound']}; {to_mesh} }}",
            "gateway": f"{mesh} server {{ listen 127.0.0.1:{ports['gateway']} ssl; {shown} {to_mesh} }}",
        }
        for role, server in servers.items():
            file = self.folder / f"{role}.conf"
            file.write_text(f"""
                worker_processes 1; daemon off; pid {self.folder}/{role}.pid; error_log {self.folder}/{role}.error warn;
                worker_rlimit_nofile {2 * KEPT + 500}; user root;
                events {{ worker_connections {2 * KEPT + 500}; }}
                http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; {server} }}""")
            process, log = self.spawn(role, [shutil.which("nginx", path=SBIN), "-p", self.folder, "-e", self.folder / f"{role}.error", "-c", file])
            wait_for(self.ports[{"inbound": "mesh"}.get(role, role)], process, log)


class Haproxy(Racer):
    name = "haproxy"
    does = "proxies HTTP; no policy, no log"

    @classmethod
    def missing(cls):
        return None if shutil.which("haproxy", path=SBIN) else "haproxy (apt-get install haproxy)"

    def version(self):
        said = subprocess.run([shutil.which("haproxy", path=SBIN), "-v"], capture_output=True, text=True).stdout
        return "HAProxy " + said.split()[2]

    def start(self):
        for name in ("outbound", "mesh", "bulk", "bulk_mesh", "gateway"):
            self.ports[name] = free_port()
        cert, ports, up = self.ground.certificates, self.ports, self.ground.upstream
        dial = f"ssl verify required verifyhost {NAME} ca-file {cert}/root.pem crt {cert}/outbound.both ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 no-ssl-reuse"
        shown = f"ssl crt {cert}/inbound.both ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 curves X25519 no-tls-tickets"
        verify = f"verify required ca-file {cert}/root.pem"
        parts = {
            "inbound": f"""
listen mesh
    bind 127.0.0.1:{ports['mesh']} {shown} {verify}
    server program 127.0.0.1:{up['http']} pool-max-conn 256
listen bulk
    mode tcp
    bind 127.0.0.1:{ports['bulk_mesh']} {shown} {verify}
    server bytes 127.0.0.1:{up['bulk']}
""",
            "outbound": f"""
listen outbound
    bind 127.0.0.1:{ports['outbound']}
    server mesh 127.0.0.1:{ports['mesh']} {dial} pool-max-conn 256
listen bulk
    mode tcp
    bind 127.0.0.1:{ports['bulk']}
    server mesh 127.0.0.1:{ports['bulk_mesh']} {dial}
""",
            "gateway": f"""
listen gateway
    bind 127.0.0.1:{ports['gateway']} {shown}
    server mesh 127.0.0.1:{ports['mesh']} {dial} pool-max-conn 256
""",
        }
        for role, part in parts.items():
            file = self.folder / f"{role}.cfg"
            file.write_text(f"""global
    nbthread 1
    maxconn {KEPT}
    tune.ssl.cachesize 0
defaults
    mode http
    http-reuse always
    maxconn {KEPT}
    timeout connect 5s
    timeout client 600s
    timeout server 600s
{part}""")
            process, log = self.spawn(role, [shutil.which("haproxy", path=SBIN), "-db", "-f", file])
            wait_for(self.ports[{"inbound": "mesh"}.get(role, role)], process, log)


class Ztunnel(Racer):
    """Both ends are one process, as on a node where caller and callee are; its own certificates, as its tests have them."""

    name = "ztunnel"
    does = "copies bytes (layer 4) through HTTP/2 CONNECT streams over mutual TLS, counts; both ends in one process of two threads; no access log"
    door, address = "127.0.0.1:15080", "127.10.0.1"

    @staticmethod
    def executable():
        return pathlib.Path(os.environ.get("ZTUNNEL", "/nonexistent"))

    @classmethod
    def missing(cls):
        return None if cls.executable().is_file() else "a ztunnel built with its feature `testing`, at $ZTUNNEL"

    def version(self):
        said = subprocess.run([self.executable(), "version"], capture_output=True, text=True).stdout
        return "ztunnel " + (re.search(r'Version: *"?([^",\s]+)', said, re.I) or ["", "?"])[1]

    def start(self):
        up = self.ground.upstream
        self.ports = {"outbound": 80, "bulk": 81}
        workload = {"uid": "race//v1/Pod/default/local", "name": "local", "namespace": "default", "serviceAccount": "default",
                    "workloadIps": ["127.0.0.1"], "protocol": "HBONE", "node": "local", "network": "",
                    "services": {"default/upstream.test": {"80": up["http"], "81": up["bulk"]}}}
        service = {"name": "upstream", "namespace": "default", "hostname": "upstream.test", "vips": [f"/{self.address}"],
                   "ports": {"80": up["http"], "81": up["bulk"]}, "subjectAltNames": ["spiffe://cluster.local/ns/default/sa/default"]}
        local = self.folder / "local.yaml"  # whose keys may be numbers, as it wants ports
        local.write_text(re.sub(r'"(\d+)":', r"\1:", json.dumps({"workloads": [workload], "services": [service]})))
        more = {"FAKE_CA": "true", "PROXY_MODE": "dedicated", "PROXY_WORKLOAD_INFO": "default/local/default", "XDS_ADDRESS": "", "LOCAL_XDS_PATH": str(local), "NODE_NAME": "local", "UNSTABLE_ENABLE_SOCKS5": "true",
                "ZTUNNEL_WORKER_THREADS": "2", "RUST_LOG": "error", "IPV6_ENABLED": "false"}
        process, log = self.spawn("outbound", [self.executable()], env=os.environ | more)
        wait_for(15080, process, log)
        wait_for(15008, process, log)

    def way_to(self, port):
        return ["--to", f"{self.address}:{port}", "--socks", self.door]

    def ends(self, way):
        return {"outbound": [self.running[0][1].pid], "inbound": []}


SBIN = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
ALL = {racer.name: racer for racer in (Ours, OursBefore, Relay, Envoy, Nginx, Haproxy, Ztunnel, OursWithUsers, EnvoyWithUsers)}
