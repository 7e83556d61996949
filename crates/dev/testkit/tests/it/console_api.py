"""Asks every endpoint of the console's API that its description names, and holds what is sent and answered against that description,
by a validator that others wrote and with nothing of ours: additional members and missing ones are faults.

Usage: console_api.py, with JSON on standard input: `console`, `link`, `people`, `ca`, `request`, `events`, `golden`. Fails
with everything that is not as it is described. The last line is JSON: how many endpoints were judged.
"""

import copy
import json
import re
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SAID = json.load(sys.stdin)
PASSWORD = "four words of a horse"
CONSOLE = SAID["console"]
# Each of these wants a rotation that is stuck; what they answer then is what `revert` answers, and here they say why not.
REFUSED = {"/api/v1/ca/continue": 409, "/api/v1/ca/force": 409, "/api/v1/objectives/override": 409, "/api/v1/objectives/override/end": 409}
# What a member is that no description knows.
STRANGER = "nobody_ever_described_this"
faults = []


def fault(text):
    faults.append(text)
    print("FAULT", text)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=SAID["ca"])), NoRedirect()
)


def send(method, url, headers, body=None):
    """Status, media type, headers and body."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    for _ in range(50):
        try:
            answer = OPENER.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        if answer.status != 429:
            kind = (answer.headers.get("content-type") or "").split(";")[0]
            if kind == "text/event-stream":
                return answer.status, kind, answer.headers, frames(answer)
            return answer.status, kind, answer.headers, answer.read().decode()
        time.sleep(float(answer.headers.get("retry-after") or 1))
    sys.exit(f"{method} {url}: too often, again and again")


def frames(answer):
    """The first frames of a stream, until one of each of these came."""
    wanted, text, end = {"hello", "events", "map", "alerts", "status"}, "", time.monotonic() + 60
    while time.monotonic() < end:
        text += answer.readline().decode()
        if wanted <= set(re.findall(r"^event: (\w+)$", text, re.M)) and text.endswith("\n\n"):
            return text
    sys.exit(f"the stream told no more than {text[:2000]}")


def strict(schema):
    """The same, where an object has the members that it names and no others."""
    if isinstance(schema, list):
        return [strict(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items() if key not in ("example", "examples", "default")}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made and made.get("type") == "object":
        made["unevaluatedProperties" if any(it in made for it in ("allOf", "anyOf", "oneOf")) else "additionalProperties"] = False
    return made


class Described:
    def __init__(self, document):
        self.document = document
        self.registry = Registry().with_resource(
            "urn:api", Resource(contents=strict(document), specification=DRAFT202012)
        )

    def wrong(self, pointer, value):
        """What is wrong with a value, by the schema at that place of the document."""
        at = "/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer)
        at = urllib.parse.quote(at, safe="/~")
        validator = Draft202012Validator({"$ref": f"urn:api#/{at}"}, registry=self.registry)
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def judge(described, name, pointer, value):
    for error in described.wrong(pointer, value)[:5]:
        fault(f"{name}: {error}")
    # What is described has to be wrong when it is changed, or the description says nothing.
    if isinstance(value, dict) and value:
        more = {**value, STRANGER: 1}
        if name.split()[0] != "line" and not described.wrong(pointer, more):
            fault(f"{name}: its description lets anything in beside it")
        less = [{key: it for key, it in value.items() if key != member} for member in value]
        other = [{**value, member: {STRANGER: [1.5]}} for member in value]
        if not any(described.wrong(pointer, it) for it in other):
            fault(f"{name}: its description lets anything be {list(value)}")
        # What is sent may be made of members that can all be left out; what is answered is not.
        if not name.endswith((", sent", ", example")) and not any(described.wrong(pointer, it) for it in less):
            fault(f"{name}: its description needs none of {list(value)}")


class Console:
    def __init__(self, described):
        self.described, self.judged, self.cookie, self.csrf = described, set(), None, ""

    def headers(self, method):
        headers = {}
        if self.cookie:
            headers["cookie"] = self.cookie
        if method == "post":
            headers |= {"content-type": "application/json", "origin": CONSOLE, "bartizan-csrf": self.csrf}
        return headers

    def call(self, method, path, body=None, query="", to=None, wants=None):
        """Asks, and judges what was sent and what came."""
        name = f"{method} {path}"
        operation = self.described.document["paths"].get(path, {}).get(method)
        if operation is None:
            fault(f"{name} is not described")
            return None
        at = ["paths", path, method]
        if body is not None or "requestBody" in operation:
            if "requestBody" not in operation:
                fault(f"{name}: that it takes a body is not described")
            else:
                content = [*at, "requestBody", "content", "application/json"]
                judge(self.described, f"{name}, sent", [*content, "schema"], body)
                example = operation["requestBody"]["content"]["application/json"]["example"]
                judge(self.described, f"{name}, example", [*content, "schema"], example)
        known = {it["name"] for it in operation["parameters"] if it["in"] == "query"}
        for word in urllib.parse.parse_qs(query):
            if word not in known:
                fault(f"{name}: the parameter {word} is not described")
        sent = json.dumps(body if body is not None else {}).encode() if method == "post" else None
        url = CONSOLE + (to or path) + (f"?{query}" if query else "")
        status, kind, headers, text = send(method.upper(), url, self.headers(method), sent)
        wants = wants or REFUSED.get(path, 200)
        if status != wants:
            fault(f"{name}: {status} in place of {wants}: {text[:500]}")
            return None
        answers = operation["responses"].get(str(status))
        if answers is None:
            fault(f"{name}: {status} is not described")
            return None
        if kind not in answers["content"]:
            fault(f"{name}: {kind} in place of {list(answers['content'])}")
            return None
        content = [*at, "responses", str(status), "content", kind]
        told = self.value(name, content, answers["content"][kind], kind, text)
        if status == wants and (status == 200 or path in REFUSED):
            self.judged.add((method, path))
        return told if kind != "application/x-ndjson" else (told, headers)

    def value(self, name, content, said, kind, text):
        if kind == "application/json":
            value = json.loads(text)
            judge(self.described, name, [*content, "schema"], value)
            for n, one in enumerate(value[:1] if isinstance(value, list) else []):
                judge(self.described, f"{name} [{n}]", [*content, "schema", "items"], one)
            return value
        judge(self.described, name, [*content, "schema"], text)
        if kind == "application/x-ndjson":
            lines = [json.loads(line) for line in text.splitlines()]
            for line in lines:
                judge(self.described, f"line of {name}", [*content, "x-line"], line)
            if not lines:
                fault(f"{name}: no line came")
            return lines
        if kind == "text/event-stream":
            for frame in text.strip().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in frame.splitlines() if not line.startswith(":"))
                if not fields:
                    continue
                if fields["event"] not in said["x-events"]:
                    fault(f"{name}: the event {fields['event']} is not described")
                    continue
                judge(self.described, f"{name}, {fields['event']}", [*content, "x-events", fields["event"]], json.loads(fields["data"]))
        return text

    def come(self, method, path, body):
        """Signs in; what that answers is judged."""
        sent = json.dumps(body).encode()
        status, _, headers, text = send("POST", CONSOLE + path, self.headers("post"), sent)
        if status != 200:
            sys.exit(f"{path}: {status} {text}")
        self.cookie = headers["set-cookie"].split(";")[0]
        judge(self.described, f"{method} {path}, sent", ["paths", path, method, "requestBody", "content", "application/json", "schema"], body)
        at = ["paths", path, method, "responses", "200", "content", "application/json", "schema"]
        judge(self.described, f"{method} {path}", at, json.loads(text))
        self.judged.add((method, path))
        self.csrf = json.loads(send("GET", f"{CONSOLE}/api/v1/me", self.headers("get"))[3])["csrf"]


def welcome(link):
    """Sets a password by a link, as a browser does; a form without script."""
    _, _, headers, page = send("GET", link, {})
    form = page.split('action="/welcome"')[1].split("</form>")[0]
    fields = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', form))
    fields |= {"password": PASSWORD, "again": PASSWORD}
    cookies = "; ".join(it.split(";")[0] for it in headers.get_all("set-cookie") or [])
    sent = {"origin": SAID["people"], "sec-fetch-site": "same-origin", "cookie": cookies}
    body = urllib.parse.urlencode(fields).encode()
    status, _, _, text = send("POST", f"{SAID['people']}/welcome", sent, body)
    if status != 303:
        sys.exit(f"no password was set: {status} {text}")


def stream(it):
    """What happens meanwhile: somebody reloads."""
    over = threading.Event()

    def happen():
        while not over.wait(1):
            send("POST", f"{CONSOLE}/api/v1/reload", it.headers("post"), b"{}")

    thread = threading.Thread(target=happen)
    thread.start()
    try:
        it.call("get", "/api/v1/stream")
    finally:
        over.set()
        thread.join()


def look(it):
    get = lambda path, query="", **more: it.call("get", path, query=query, **more)
    for path in ("status", "policies", "metrics", "balance", "egress", "indicators", "objectives", "map", "crl", "denied", "ca",
                 "expiry", "versions", "federation", "federation/bundle", "alerts", "me", "sessions", "users", "clients", "keys"):
        get(f"/api/v1/{path}")
    stream(it)
    for wanted in ("trace", "explain"):
        path = f"/api/v1/{wanted}/{{request}}"
        get(path, to=path.replace("{request}", SAID["request"]))
        get(path, to=path.replace("{request}", "0" * 31 + "1"), wants=404)
        get(path, to=path.replace("{request}", "none"), wants=400)
    lines, headers = get("/api/v1/events", "limit=2&deny=true") or ([], {})
    if not headers.get("bartizan-next"):
        fault(f"no cursor after {len(lines)} lines")
    for of in SAID["events"]:
        get("/api/v1/events", f"class={of}&limit=50")
    get("/api/v1/events", "limit=many", wants=400)
    get("/api/v1/inventory", "unseen_days=7")
    get("/api/v1/group", wants=404)  # this control is alone
    get("/api/v1/reports/weekly")
    get("/api/v1/reports/weekly", "week=current")
    get("/api/v1/reports/weekly", "week=soon", wants=400)
    get("/api/v1/reports/weekly", "week=1999-W01", wants=404)
    get("/api/v1/objectives/advice", "indicator=M1&place=fleet")
    get("/api/v1/objectives/advice", "indicator=M99", wants=404)
    get("/api/v1/changes", "limit=5&since_ms=0")
    get("/api/v1/reach", "service=accounts")
    get("/api/v1/reach", "service=nobody", wants=404)
    get("/api/v1/series", "indicator=M3&place=fleet&seconds=3600")
    get("/api/v1/series", "indicator=M99", wants=400)
    get("/api/v1/ca/issued", "limit=20")
    for query in ("sum by (kind) (bartizan_epoch)", "1", '"text"', "bartizan_epoch[1m]"):
        asked = urllib.parse.urlencode({"query": query})
        until(lambda: get("/api/v1/promql/query", asked)["data"]["result"], f"an answer to {query}")
    get("/api/v1/promql/query", "query=up{", wants=400)
    get("/api/v1/promql/query", urllib.parse.urlencode({"query": 'label_join(bartizan_epoch, "a-b", "")'}), wants=422)
    over = {"query": "bartizan_epoch", "start": int(time.time()) - 60, "end": int(time.time()), "step": "15s"}
    get("/api/v1/promql/query_range", urllib.parse.urlencode(over))
    get("/api/v1/promql/query_range", urllib.parse.urlencode(over | {"step": "0"}), wants=400)
    get("/api/v1/promql/labels")
    get("/api/v1/promql/label/{name}/values", to="/api/v1/promql/label/kind/values")
    get("/api/v1/promql/series", urllib.parse.urlencode({"match[]": "bartizan_epoch"}))
    get("/api/v1/promql/series", wants=400)


def act(it):
    post = lambda path, body=None, **more: it.call("post", path, body, **more)
    post("/api/v1/reload")
    post("/api/v1/node-tokens")
    post("/api/v1/revoke", {"subject": "node:nobody", "reason": "to see what comes back"})
    it.call("get", "/api/v1/denied")
    post("/api/v1/restore", {"subject": "node:nobody"})
    post("/api/v1/revoke", {"subject": "nobody", "reason": "x"}, wants=400)
    post("/api/v1/tokens/revoke", {"subject": "ana"})
    post("/api/v1/tokens/inspect", {"token": "none.at.all"})
    post("/api/v1/keys/add", {"name": "billing", "scopes": ["read"], "expires_s": 3600})
    post("/api/v1/keys/add", {"name": "billing"}, wants=422)
    it.call("get", "/api/v1/keys")
    post("/api/v1/keys/revoke", {"name": "billing"})
    post("/api/v1/federation/refresh")
    added = post("/api/v1/clients/add", {
        "title": "Shop", "redirect": ["https://shop.test/back"], "signed_out": [], "scopes": [], "grants": [], "require_pushed": False,
    })
    if added:
        client = {"client_id": added["client_id"]}
        it.call("get", "/api/v1/clients/show", query=urllib.parse.urlencode(client))
        it.call("get", "/api/v1/clients")
        post("/api/v1/clients/rotate", client)
        post("/api/v1/clients/remove", client)
        post("/api/v1/clients/remove", client, wants=404)
    alerts = until(lambda: (it.call("get", "/api/v1/alerts") or {}).get("alerts"), "an alert")
    post("/api/v1/alerts/acknowledge", {"id": alerts[0]["id"], "note": "seen"})
    post("/api/v1/alerts/acknowledge", {"id": "a0"}, wants=404)
    silence = post("/api/v1/alerts/silence", {"services": ["accounts"], "for_s": 60, "why": "a test"})
    it.call("get", "/api/v1/alerts")
    post("/api/v1/alerts/silence/end", {"id": silence["id"]})
    post("/api/v1/alerts/rehearse")
    case = {"name": "case-17", "reason": "a court asks for it", "scope": {"from": 1790000000000, "service": "accounts"}}
    post("/api/v1/holds/hold", case)
    post("/api/v1/holds/hold", case, wants=409)
    post("/api/v1/holds/hold", case | {"name": "case-18", "reason": ""}, wants=400)
    post("/api/v1/holds/hold", {"name": "case-18", "reason": "x", "scope": {"service": "nobody"}}, wants=404)
    it.call("get", "/api/v1/holds")
    post("/api/v1/holds/release", {"name": "case-17", "reason": "the case is closed"})
    post("/api/v1/holds/release", {"name": "case-17", "reason": "the case is closed"}, wants=404)
    it.call("get", "/api/v1/alerts/on-call", query="at_ms=1796162400000")
    it.call("get", "/api/v1/alerts/on-call", query="at_ms=soon", wants=400)
    post("/api/v1/objectives/override", {"why": "", "for_s": 60}, wants=400)
    # Nothing locks here.
    post("/api/v1/objectives/override", {"why": "a test", "for_s": 60})
    post("/api/v1/objectives/override/end")
    post("/api/v1/links", {"role": "viewer", "name": "the wall", "minutes": 5})


def people(it):
    post = lambda path, body=None, **more: it.call("post", path, body, **more)
    name = {"name": "ben"}
    link = post("/api/v1/users/add", {"name": "ben", "display_name": "Ben", "roles": ["bartizan:viewer"]})
    post("/api/v1/users/add", {"name": "ben"}, wants=409)
    post("/api/v1/users/roles", {"name": "ben", "add": ["teller"], "remove": []})
    welcome(link["link"])
    it.call("get", "/api/v1/users/show", query="name=ben")
    it.call("get", "/api/v1/users/show", query="name=nobody", wants=404)
    it.call("get", "/api/v1/users", query="after=a")
    other = Console(it.described)
    other.call("post", "/sign-in/password", {"name": "ben", "password": "another"}, wants=401)
    other.come("post", "/sign-in/password", {"name": "ben", "password": PASSWORD})
    other.call("get", "/api/v1/me")
    other.call("post", "/api/v1/reload", wants=403)
    other.call("post", "/sign-in/out")
    other.call("get", "/api/v1/me", wants=401)
    it.judged |= other.judged
    for path in ("disable", "enable", "sign-out"):
        post(f"/api/v1/users/{path}", name)
    post("/api/v1/users/reset", {"name": "ben", "factors": True})
    post("/api/v1/users/remove", name)
    post("/api/v1/users/remove", name, wants=404)


def authorities(it):
    post = lambda path, body=None, **more: it.call("post", path, body, **more)
    status = lambda: it.call("get", "/api/v1/ca") or {}
    post("/api/v1/ca/revert", wants=409)
    post("/api/v1/ca/rotate", {"what": "issuing", "canary": "nobody"}, wants=400)
    post("/api/v1/ca/rotate", {"what": "issuing", "soak_ms": 600_000})
    until(lambda: status().get("rotation"), "a rotation")
    post("/api/v1/ca/continue")
    post("/api/v1/ca/revert")
    until(lambda: status()["rotation"]["phase"] == "reverted", "the way back")
    post("/api/v1/ca/force")
    post("/api/v1/ca/distrust")


def until(look, what):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    sys.exit(f"{what} did not come within two minutes")


def main():
    status, _, _, text = send("GET", f"{CONSOLE}/api/v1/openapi.json", {})
    if status != 401:
        fault(f"the description is for whoever is signed in: {status}")
    golden = json.load(open(SAID["golden"]))
    described = Described(golden)
    it = Console(described)
    it.call("get", "/sign-in/state")
    it.call("post", "/sign-in/link", {"token": "none"}, wants=401)
    it.come("post", "/sign-in/link", {"token": SAID["link"].split("#")[1]})
    if it.call("get", "/api/v1/openapi.json") != golden:
        fault("what is served is not `openapi.json`")
    look(it)
    act(it)
    people(it)
    authorities(it)
    look(it)
    it.call("post", "/api/v1/sessions/end", {"name": "the wall"})
    it.call("post", "/api/v1/sessions/end", {}, wants=400)
    everything = {(method, path) for path, item in golden["paths"].items() for method in item}
    everything.discard(("get", "/api/v1/group"))  # what a group says is judged where there is one, in group.rs
    for method, path in sorted(everything - it.judged):
        fault(f"{method} {path} was not judged")
    # A description that says nothing, in the place of any of them, is a fault.
    empty = copy.deepcopy(golden)
    empty["paths"]["/api/v1/me"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {}
    before = len(faults)
    Console(Described(empty)).value(
        "me with an empty schema", ["paths", "/api/v1/me", "get", "responses", "200", "content", "application/json"], {}, "application/json",
        json.dumps({"name": "x"}),
    )
    if len(faults) == before:
        sys.exit("an empty schema is taken for a description")
    del faults[before:]
    print(json.dumps({"judged": len(it.judged), "described": len(everything), "faults": len(faults)}))
    sys.exit(1 if faults else 0)


main()
