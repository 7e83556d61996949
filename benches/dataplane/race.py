#!/usr/bin/env python3
"""What a pair of guards costs beside others: a byte relay over the same TLS, Envoy, nginx, HAProxy.

Run by `make race`; Python standard library only. All racers are started once; in each round every racer runs each case,
one after the other (A B A B), so that a machine that grows slower does so for all. Medians over the rounds.

CPU is user and system time of the processes that carry traffic (both ends of a pair, all threads), before and after.
Load client and upstream are the same two programs for all; they run on the same cores and are not counted. Every answer
is checked for status, length and content, and errors are shown. Figures of one run compare with each other only.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import certificates
import procs
import racers
from racers import Failed, loopback

REPOSITORY = racers.REPOSITORY
LOAD_WITHIN_S = 120
QUIET_S = 0.4  # after a load: what was under way (events, for one) has been worked off
HANDSHAKES = 400
HOLD = (0, 1000, 9000)


class Case:
    """One way of loading a racer: the load client's command and arguments, the port, and the way (which processes count)."""

    def __init__(self, command, *arguments, port="outbound", way="pair", unit="request", note=""):
        self.command, self.arguments, self.port, self.way, self.unit, self.note = command, arguments, port, way, unit, note

    def port_of(self, racer):
        # A racer that tells HTTP/2 from HTTP/1.1 by itself has one port for both.
        return racer.ports.get(self.port) or (racer.ports.get("outbound") if self.port == "outbound_h2" and racer.name.startswith("ours") else None)


CASES = {
    "pair-h1-1": Case("closed", "--connections", 1, note="HTTP/1.1, closed loop, one connection"),
    "pair-h1-32": Case("closed", "--connections", 32, note="HTTP/1.1, closed loop, 32 connections: peak throughput"),
    "pair-h1-32-post": Case("closed", "--connections", 32, "--post", note="the same, each request with a body of 1 KiB"),
    "pair-open-1000": Case("open", "--connections", 16, "--rate", 1000, note="HTTP/1.1, open loop, 1,000 requests/s on 16 connections"),
    "pair-h2-2x16": Case("h2", "--connections", 2, "--streams", 16, port="outbound_h2", note="HTTP/2 from the client and between the ends, HTTP/1.1 to the upstream, 2 connections of 16 streams"),
    "gateway-h1-32": Case("closed", "--connections", 32, port="gateway", way="gateway", note="gateway (TLS without client certificates), then mutual TLS to the inbound end, HTTP/1.1, 32 connections"),
    "gateway-users-h1-32": Case("closed", "--connections", 32, port="gateway_users", way="gateway", note="the same with users: an access token (ES256, verified once and remembered), a rule on users, and a rate limit for each user at the gateway; for ours besides a transaction token for each request, made at the gateway and checked inbound"),
    "handshakes": Case("handshakes", "--count", HANDSHAKES, port="mesh", unit="handshake", note="full mutual handshake with one request each, one after the other; CPU of the inbound end"),
    "bulk": Case("bulk", "--connections", 2, port="bulk", way="bulk", unit="MB", note="TCP, as many bytes as two connections carry"),
}
QUICK = ("pair-h1-32",)


class Ground:
    """What all racers share: a folder, certificates, and the upstream."""

    def __init__(self, options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="race-", dir=options.scratch))
        self.race = options.race
        self.certificates = self.folder / "certificates"
        self.certificates.mkdir()
        certificates.make(self.certificates)
        self.upstream = {name: racers.free_port() for name in ("http", "second", "bulk")}
        up = self.upstream
        command = [self.race, "upstream", "--http", f"{loopback(up['http'])},{loopback(up['second'])}", "--bulk", loopback(up["bulk"])]
        self.log = self.folder / "upstream.log"
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        racers.wait_for(up["bulk"], self.process, self.log)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def command_of(options, racer, case, seconds):
    port = case.port_of(racer)
    if not port:
        return None
    command = [options.race, case.command, *racer.way_to(port), *case.arguments]
    if case.command == "handshakes":
        cert, key = racer.identity()
        command += ["--cert", cert, "--key", key]
    else:
        command += ["--seconds", seconds]
    if case.way == "gateway":
        ca, name = racer.gateway_ca
        command += ["--ca", ca, "--name", name]
    if case.port == "gateway_users":
        command += ["--header", f"authorization: Bearer {racer.token}"]
    return list(map(str, command))


def load(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_WITHIN_S)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def run(options, racer, name):
    """One measured load after a short one; `None` where the racer has no such door."""
    case = CASES[name]
    command = command_of(options, racer, case, options.seconds)
    if command is None:
        return None
    if case.command == "handshakes":
        load([part if part != str(HANDSHAKES) else "20" for part in command])
    else:
        load(command_of(options, racer, case, options.warm))
    time.sleep(QUIET_S)
    ends, beside = racer.ends(case.way), racer.beside()
    before = {end: procs.cpu_us(pids) for end, pids in ends.items()}
    beside_before = procs.cpu_us(beside)
    report = load(command)
    time.sleep(QUIET_S)
    spent = {end: procs.cpu_us(pids) - before[end] for end, pids in ends.items()}
    if case.command == "handshakes":
        spent = {"inbound": spent["inbound"]}
    operations = report["done"] / (1e6 if case.unit == "MB" else 1)
    if operations <= 0:
        raise Failed(f"{racer.name} {name}: nothing was done: {report}")
    report["cpu_us"] = sum(spent.values()) / operations
    report["ends_us"] = {end: us / operations for end, us in spent.items()}
    report["beside_us"] = (procs.cpu_us(beside) - beside_before) / operations
    report["rss_mb"] = {end: sum(map(procs.rss_mb, pids)) for end, pids in ends.items()}
    return report


def memory(options, racer):
    """Resident megabytes of both ends while connections are held."""
    rows, command = {}, [options.race, "hold", *racer.way_to(racer.ports["outbound"]), "--connections"]
    for count in HOLD:
        process, held = None, {"held": 0, "errors": 0}
        if count:
            process = subprocess.Popen(list(map(str, [*command, count])), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            line = process.stdout.readline()
            if not line:
                raise Failed(f"{racer.name}: {shlex.join(map(str, [*command, count]))} ended")
            held = json.loads(line)
        time.sleep(1)
        rows[count] = {end: sum(map(procs.rss_mb, pids)) for end, pids in racer.ends("pair").items()} | held
        if process:
            process.communicate()
        time.sleep(1)
    return rows


# --- the tables --------------------------------------------------------------------------------------------------


def table(head, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]) + "\n"


def median(reports, value):
    return statistics.median(value(report) for report in reports)


def cell(reports, value, digits=1):
    """Median and range over the rounds."""
    values = [value(report) for report in reports]
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def errors(reports):
    all_of_them = collections.Counter()
    for report in reports:
        all_of_them.update(report.get("errors", {}))
    return ", ".join(f"{what} {count}" for what, count in all_of_them.items()) or "none"


def tell_case(name, results):
    """`results`: racer's name to reports. Ratios are to the relay."""
    case = CASES[name]
    relay = results.get("relay")
    rows = []
    for racer, reports in results.items():
        speed, cpu = (lambda r: r["per_second"] / (1e6 if case.unit == "MB" else 1)), (lambda r: r["cpu_us"])
        ratio = lambda value: f"{median(reports, value) / median(relay, value):.2f}" if relay else "-"  # noqa: E731
        row = [racer, cell(reports, cpu, 1), ratio(cpu), " + ".join(f"{median(reports, lambda r, end=end: r['ends_us'][end]):.1f}" for end in reports[0]["ends_us"])]
        row += [f"{median(reports, lambda r: r['beside_us']):.1f}"]
        row += [cell(reports, speed, 0), ratio(speed)]
        if "us" in reports[0]:
            row += [cell(reports, lambda r, p=p: r["us"][p] / 1000, 3) for p in ("p50", "p99")]
        rows.append([*row, errors(reports)])
    head = ["racer", f"CPU us/{case.unit}", "to relay", "outbound + inbound", "control, node", f"{case.unit}s/s", "to relay"]
    if len(rows) and len(rows[0]) > len(head) + 1:
        head += ["p50 ms", "p99 ms"]
    return f"## {name}\n\n{case.note}.\n\n{table([*head, 'errors'], rows)}"


def tell_memory(results):
    rows = []
    for racer, by_count in results.items():
        row = [racer]
        for count in HOLD:
            it = by_count[count]
            row.append(f"{it['outbound']:.1f} + {it['inbound']:.1f}" + (f" ({it['errors']} refused)" if it["errors"] else ""))
        rows.append(row)
    head = ["racer", *(f"{count:,} connections" if count else "after the cases, idle" for count in HOLD)]
    return f"## memory\n\nResident MB, outbound + inbound, each connection with one request made and then silent.\n\n{table(head, rows)}"


def tell_machine(options, field):
    models = [line.partition(":")[2].strip() for line in procs.read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    memory_kb = procs.read("/proc/meminfo").split()[1:2]
    revision = subprocess.run(["git", "-C", REPOSITORY, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    lines = [
        f"- date: {datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %z}, revision {revision}",
        f"- machine: {models[0] if models else platform.machine()}, {os.cpu_count()} cores, {int(memory_kb[0]) // 2**20 if memory_kb else '?'} GiB, {platform.system()} {platform.release()}",
        f"- command: `{shlex.join(['benches/dataplane/race.py', *sys.argv[1:]])}`",
        f"- {options.rounds} rounds of {options.seconds} s for each racer, interleaved; median (smallest-largest)",
        "- TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, P-256; GET with an answer of 1 KiB unless said otherwise; one serving thread in each process",
        *(f"- {racer.name} ({racer.version() or 'of this repository'}): {racer.does}" for racer in field),
    ]
    return "\n".join(lines) + "\n"


def parse():
    release = REPOSITORY / "target/release"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="cases: " + ", ".join([*CASES, "memory"]) + "\nracers: " + ", ".join(racers.ALL))
    parser.add_argument("--only", help="racers, by comma [default: all that are installed]")
    parser.add_argument("--case", help="cases, by comma [default: all]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--warm", type=float, default=0.7, help="seconds of load before each measured one")
    parser.add_argument("--quick", action="store_true", help="ours, relay and envoy on pair-h1-32, 3 rounds of 3 seconds; no file is written")
    parser.add_argument("--race", type=pathlib.Path, default=release / "examples/race")
    parser.add_argument("--scratch", type=pathlib.Path, help="where to put data folders [default: the system's]")
    parser.add_argument("--out", type=pathlib.Path, help="file for the tables [default: benches/results/dataplane-DATE.md]")
    parser.add_argument("--no-file", action="store_true", help="print only")
    parser.add_argument("--keep", action="store_true", help="leave configurations and logs where they are")
    options = parser.parse_args()
    if options.quick:
        options.only, options.case = options.only or "ours,relay,envoy", options.case or ",".join(QUICK)
        options.rounds, options.seconds, options.no_file = 3, 3.0, True
    options.cases = options.case.split(",") if options.case else [*CASES, "memory"]
    # Those that ask for users have that one door alone.
    with_users = "gateway-users-h1-32" in options.cases
    options.racers = options.only.split(",") if options.only else [it for it in racers.ALL if with_users or not it.endswith("-users")]
    unknown = [it for it in options.cases if it not in CASES and it != "memory"] + [it for it in options.racers if it not in racers.ALL]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    if not options.race.exists():
        parser.error(f"{options.race} is not built: `make race` builds it")
    return options


def take_part(options, ground, field):
    """Adds to the field whoever runs, one by one: those that are there are stopped where the next one does not come up."""
    for name in options.racers:
        missing = racers.ALL[name].missing()
        if missing and options.only:
            raise Failed(f"{name} cannot take part: {missing} is missing")
        if missing:
            print(f"{name} does not take part: {missing} is missing", flush=True)
            continue
        field.append(racers.ALL[name](ground))
        field[-1].start()


def rounds(options, field):
    results = {name: {} for name in options.cases if name in CASES}
    for number in range(1, options.rounds + 1):
        for name, by_racer in results.items():
            for racer in field:
                report = run(options, racer, name)
                if report is None:
                    continue
                by_racer.setdefault(racer.name, []).append(report)
                latency = f"  p50 {report['us']['p50'] / 1000:.3f} p99 {report['us']['p99'] / 1000:.3f} ms" if "us" in report else ""
                unit = 1e6 if CASES[name].unit == "MB" else 1
                print(f"{name:16} round {number} {racer.name:8} cpu {report['cpu_us']:8.1f} us  {report['per_second'] / unit:9.0f}/s{latency}  errors {report['errors'] or 'none'}", flush=True)
    return results


def main():
    options = parse()
    ground, field = Ground(options), []
    try:
        take_part(options, ground, field)
        results = rounds(options, field)
        parts = [tell_case(name, by_racer) for name, by_racer in results.items() if by_racer]
        if "memory" in options.cases:
            parts.append(tell_memory({racer.name: memory(options, racer) for racer in field}))
        text = "# The data plane beside others\n\n" + tell_machine(options, field) + "\n" + "\n".join(parts)
    finally:
        for racer in field:
            racer.stop()
        ground.stop()
        if options.keep:
            print(f"left: {ground.folder}")
        else:
            shutil.rmtree(ground.folder, ignore_errors=True)
    print("\n" + text)
    if not options.no_file:
        out = options.out or REPOSITORY / f"benches/results/dataplane-{datetime.date.today()}.md"
        out.write_text(text)
        print(f"written: {out}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"race: {failure}")
