#!/usr/bin/env python3
"""Whether a guard's memory grows with the fleet: one guard of `client`, which calls one service, in fleets of 10 to 10,000.

Run by `make race-flat`; Python standard library only. Control and node are the real ones, with a fleet file and a plan of N
services, each of which runs already (`at:`) and calls two others; one guard alone is started, and gets from control what it
would get beside N - 1 others. Resident memory is read once it enforces the newest epoch of everything and its peak is over,
and again after some requests.
"""

import argparse
import http.client
import http.server
import json
import hashlib
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import procs
import racers
from racers import Failed, loopback

READY_WITHIN_S = 120
SETTLE_S = 13  # a guard gives back pages of its own program ten seconds after its start
REQUESTS = 200


class OverUnix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def call(path, method, url, body=None):
    connection = OverUnix(path)
    connection.request(method, url, json.dumps(body) if body is not None else None, {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise Failed(f"{url}: {answer.status} {text}")
    return json.loads(text)


def eventually(what, look, within=READY_WITHIN_S):
    began = time.monotonic()
    while time.monotonic() - began < within:
        try:
            found = look()
        except (OSError, Failed, http.client.HTTPException):
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise Failed(f"not within {within} s: {what}")


def place(net, number, port):
    return f"127.{net}.{number // 250}.{number % 250 + 1}:{port}"


class Program(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Fleet:
    def __init__(self, options, services, program=None, workers=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"flat-{services}-", dir=options.scratch))
        self.data = self.folder / "data"
        self.data.mkdir()
        self.bartizan, self.children = racers.Ours.bartizan(), []
        self.workers, self.program = (["--workers", workers] if workers else []), None
        if program is None:
            self.program = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Program)
            threading.Thread(target=self.program.serve_forever, daemon=True).start()
            program = self.program.server_port
        self.out, control = racers.free_port(), racers.free_port()
        names = [f"s{n}" for n in range(services - 2)]
        fleet = {"client": {"at": place(10, 9000, 7000), "protocol": "http", "owner": "x", "calls": ["upstream"]},
                 "upstream": {"at": loopback(program), "protocol": "http", "owner": "x"}}
        outbound = {"client": {"upstream": loopback(self.out)}}
        for number, name in enumerate(names):
            calls = sorted({names[(number + step) % len(names)] for step in (1, 7)} - {name})
            fleet[name] = {"at": place(10, number, 7100), "protocol": "http", "owner": "x", "calls": calls}
            outbound[name] = {callee: place(30, number, 7200 + at) for at, callee in enumerate(calls)}
        mesh = {name: place(20, number, 7300) for number, name in enumerate(names)}
        mesh |= {"client": loopback(racers.free_port()), "upstream": loopback(racers.free_port())}
        (self.folder / "fleet.yaml").write_text(json.dumps({"fleet": "flat", "trust_domain": "flat.test", "services": fleet}))
        plan = {"mode": "full", "control": loopback(control), "mesh": mesh, "outbound": outbound}
        (self.folder / "plan.json").write_text(json.dumps(plan))
        self.control = loopback(control)

    def spawn(self, name, command, line=None):
        log = (self.folder / f"{name}.log").open("w")
        # Kept open: a part stops once whoever started it is gone.
        small_pages = {**os.environ, "MIMALLOC_ALLOW_THP": "0"}  # as `bartizan up` starts guards
        child = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=small_pages
        )
        if line is not None:
            child.stdin.write(line.encode() + b"\n")
            child.stdin.flush()
        self.children.append(child)
        return child

    def start(self):
        data, socket_of = self.data, self.data / "control.sock"
        began = time.monotonic()
        self.spawn("control", [self.bartizan, "control", "--fleet", self.folder / "fleet.yaml", "--plan", self.folder / "plan.json", "--data", data])
        eventually("control", lambda: call(socket_of, "GET", "/v1/status"))
        self.control_s = time.monotonic() - began
        token = eventually("a token", lambda: call(socket_of, "POST", "/v1/node-tokens", {})["token"])
        proxy = self.bartizan.with_name("bartizan-proxy").resolve()
        self.spawn("node", [
            self.bartizan, "node", "--name", "local", "--control", self.control, "--trust-bundle", data / "roots.pem", "--trust-domain", "flat.test",
            "--socket", data / "node.sock", "--proxy-binary", proxy,
        ], token)
        guards = {}
        for service in ("upstream", "client"):
            ticket = secrets.token_urlsafe(32)
            expect = {"service": service, "ticket_sha256": hashlib.sha256(ticket.encode()).hexdigest(), "uid": os.getuid()}
            eventually("the node", lambda: call(data / "node.sock", "POST", "/v1/expect", expect) == {})
            (self.folder / service).mkdir(mode=0o700)
            guards[service] = self.spawn(service, [
                proxy, "--service", service, "--trust-domain", "flat.test", "--control", self.control, "--node-socket", data / "node.sock",
                "--trust-bundle", data / "roots.pem", "--state-dir", self.folder / service, *self.workers,
            ], ticket)

        def newest():
            status = call(socket_of, "GET", "/v1/status")
            shown = {it["service"]: it for it in status["proxies"] if it["attached"]}
            return all(shown.get(name, {}).get("held") == status["epochs"] for name in guards)

        eventually("the guards to enforce everything", newest)
        return guards

    def request(self):
        for _ in range(REQUESTS):
            with urllib.request.urlopen(f"http://{loopback(self.out)}/", timeout=10) as answer:
                if answer.read() != b"ok":
                    raise Failed("a wrong answer")

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self.program:
            self.program.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


def measure(options, services):
    fleet = Fleet(options, services)
    try:
        guards = fleet.start()
        time.sleep(SETTLE_S)
        row = {"services": services, "control_s": fleet.control_s}
        row |= {f"{name}_idle_mb": procs.rss_mb(child.pid) for name, child in guards.items()}
        fleet.request()
        row |= {f"{name}_mb": procs.rss_mb(child.pid) for name, child in guards.items()}
        row["peak_mb"] = procs.kb(guards["client"].pid, "VmHWM:") / 1024
        row["control_mb"] = procs.rss_mb(fleet.children[0].pid)
        return row
    except Failed:
        for log in fleet.folder.glob("*.log"):
            print(f"--- {log.name}\n{procs.read(log)[-2000:]}", file=sys.stderr)
        raise
    finally:
        fleet.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", type=int, nargs="+", default=[10, 100, 1000, 10000])
    parser.add_argument("--scratch", type=pathlib.Path)
    options = parser.parse_args()
    print("| services | guard of client, idle | after requests | its peak | guard of upstream | control | control ready after |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for services in options.services:
        row = measure(options, services)
        print(
            f"| {services:,} | {row['client_idle_mb']:.1f} MB | {row['client_mb']:.1f} MB | {row['peak_mb']:.1f} MB | {row['upstream_mb']:.1f} MB "
            f"| {row['control_mb']:.0f} MB | {row['control_s']:.1f} s |", flush=True,
        )


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"flat: {failure}")
