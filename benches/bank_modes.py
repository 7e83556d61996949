#!/usr/bin/env python3
"""What the guards cost: the example bank in modes off, mtls and full, one after the other, in rounds.

Run by `make bench-bank`; Python standard library only. Every run has a fresh data folder. Two series:

closed  as many payments as the bank can do, from a fixed number of workers: throughput, CPU per transaction
open    payments at a fixed rate, 70 % of what `full` sustains at a fixed rate: latency, from when each was due

The second rate is looked for: a closed loop shares each flush of the disk among all its workers, payments that come one
by one do not, so that the peak of the first series cannot be sustained in the second.

CPU is user and system time of every process below `bartizan up`, from /proc, before and after; the load client is not
counted, though it runs on the same cores. Figures of one run compare with each other only.
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
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
BANK = REPOSITORY / "examples/bank"
MODES = ("off", "mtls", "full")
# As in examples/bank/fleet.yaml.
GATEWAY = "https://127.0.0.1:8443"
DIRECT = {"users": 7101, "accounts": 7102, "payment": 7103, "transactions": 7104}
# Guarded calls on the way of a payment: gateway to payment, payment to accounts, payment to transactions.
HOPS = 3
SHARE_OF_FULL = 0.7
# A rate is sustained while waiting does not build up: shares of the closed loop's peak to try, and the bound.
SHARES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
SUSTAINED_P99_MS = 50
READY_WITHIN_S = 60
STOP_WITHIN_S = 30
IDLE_S = 3  # before memory at idle is read
SAMPLE_S = 0.5  # between two looks at memory under load
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Something that makes the figures worthless."""


# --- processes, by /proc -----------------------------------------------------------------------------------------


def tree(root):
    """Ids of a process and everything below it."""
    children = collections.defaultdict(list)
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = read(entry / "stat")
            if stat:
                children[int(stat.rpartition(")")[2].split()[1])].append(int(entry.name))
    found, rest = [], [root]
    while rest:
        pid = rest.pop()
        found.append(pid)
        rest += children[pid]
    return found


def read(path):
    try:
        return path.read_text(errors="replace")
    except OSError:  # the process has ended
        return ""


def arguments_of(pid):
    return [part for part in read(pathlib.Path(f"/proc/{pid}/cmdline")).split("\0") if part]


def kind_of(pid):
    """`guard`, `control` (with node and the supervisor), or `program`."""
    name = pathlib.Path((arguments_of(pid) or ["?"])[0]).name
    return {"bartizan-proxy": "guard", "bartizan": "control"}.get(name, "program")


def cpu_s(root):
    """CPU seconds spent so far, by kind of process."""
    spent = collections.Counter()
    for pid in tree(root):
        fields = read(pathlib.Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        if fields:
            spent[kind_of(pid)] += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return spent


def guards_rss_mb(root):
    """Resident megabytes of each guard, by the service that it guards."""
    resident = {}
    for pid in tree(root):
        arguments = arguments_of(pid)
        if kind_of(pid) == "guard" and "--service" in arguments[:-1]:
            name = arguments[arguments.index("--service") + 1]
            for line in read(pathlib.Path(f"/proc/{pid}/status")).splitlines():
                if line.startswith("VmRSS:"):
                    resident[name] = int(line.split()[1]) / 1024
    return resident


# --- one fleet ---------------------------------------------------------------------------------------------------


class Fleet:
    """`bartizan up` in one mode, with a data folder that is thrown away."""

    def __init__(self, options, mode):
        self.options, self.mode = options, mode
        self.data = pathlib.Path(tempfile.mkdtemp(prefix=f"bank-{mode}-", dir=options.scratch))
        self.lines = collections.deque(maxlen=200)
        self.ready = threading.Event()

    def __enter__(self):
        began = time.monotonic()
        command = [self.options.bartizan, "up", BANK / "fleet.yaml", "--mode", self.mode, "--data", self.data, "--no-table"]
        search = os.pathsep.join([str(self.options.bank.parent), os.environ.get("PATH", "")])
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            text=True, errors="replace", env={**os.environ, "PATH": search},
        )
        threading.Thread(target=self.read_lines, daemon=True).start()
        while not self.ready.wait(0.05):
            late = time.monotonic() - began > READY_WITHIN_S
            if late or self.process.poll() is not None:
                self.__exit__()
                raise Failed(f"mode {self.mode}: not ready; it said:\n" + "".join(self.lines))
        self.ready_s = time.monotonic() - began
        return self

    def read_lines(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if line.strip().lower().startswith("ready"):
                self.ready.set()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def load(self, *arguments):
        """Runs `bank load`; gives its report with CPU seconds by kind and the largest memory of each guard."""
        before, resident = cpu_s(self.process.pid), {}
        command = [self.options.bank, "load", "--json", *self.places(), *arguments]
        load = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        answer = {}
        reader = threading.Thread(target=lambda: answer.update(zip(("out", "err"), load.communicate())))
        reader.start()
        while reader.is_alive():
            reader.join(SAMPLE_S)
            for name, mb in guards_rss_mb(self.process.pid).items():
                resident[name] = max(mb, resident.get(name, 0))
        if load.returncode != 0:
            raise Failed(f"mode {self.mode}: `bank load` ended with {load.returncode}: {answer['out']}{answer['err']}")
        report = json.loads(answer["out"])
        # `bank load` ends with all payments settled; notifications may still be going out, and cost CPU too.
        report["cpu_s"] = self.quiet_cpu(before)
        report["rss_mb"] = resident
        return report

    def quiet_cpu(self, before):
        """CPU spent since `before`, once the fleet is quiet again."""
        last = cpu_s(self.process.pid)
        for _ in range(20):
            time.sleep(SAMPLE_S)
            now = cpu_s(self.process.pid)
            if sum((now - last).values()) < 0.05 * SAMPLE_S:
                return now - before
            last = now
        return last - before

    def places(self):
        if self.mode == "off":
            return [part for name, port in DIRECT.items() for part in (f"--{name}-url", f"http://127.0.0.1:{port}")]
        return ["--url", GATEWAY, "--ca", self.data / "roots.pem"]


# --- the two series ----------------------------------------------------------------------------------------------


def run(options, mode, number, *load):
    with Fleet(options, mode) as fleet:
        time.sleep(IDLE_S)
        idle = guards_rss_mb(fleet.process.pid)
        fleet.load("--count", 500, "--concurrency", 8)  # connections, certificates and caches are warm after this
        report = fleet.load("--duration", options.duration, "--seed", number, *load)
    report.update(mode=mode, round=number, idle_mb=idle, ready_s=fleet.ready_s)
    report["cpu_ms"] = {kind: 1000 * spent / max(report["done"], 1) for kind, spent in report["cpu_s"].items()}
    return report


def series(options, name, *load):
    reports = []
    for number in range(1, options.rounds + 1):
        # A B C A B C: a machine that grows slower or faster does so for all modes.
        for mode in options.modes:
            report = run(options, mode, number, *load)
            latency = report["latency_us"]
            print(
                f"{name} round {number} {mode:5} {report['per_second']:7.0f}/s  cpu {sum(report['cpu_ms'].values()):.3f} ms/tx  "
                f"p50 {latency['p50'] / 1000:.2f} ms  p99 {latency['p99'] / 1000:.2f} ms  errors {report['errors'] or 'none'}",
                flush=True,
            )
            reports.append(report)
    return reports


def sustained(options, mode, peak):
    """The first rate below `peak` at which no queue builds up."""
    for share in SHARES:
        report = run(options, mode, 1, "--rate", f"{share * peak:.0f}", "--concurrency", 64)
        p99 = report["latency_us"]["p99"] / 1000
        print(f"search {mode} at {share * peak:.0f}/s  p99 {p99:.1f} ms", flush=True)
        if p99 < SUSTAINED_P99_MS:
            return share * peak
    raise Failed(f"mode {mode} sustains not even {SHARES[-1] * peak:.0f} payments per second")


# --- the table ---------------------------------------------------------------------------------------------------


def medians(reports, mode, value):
    return statistics.median(value(report) for report in reports if report["mode"] == mode)


def cell(reports, mode, value, digits=2):
    """Median and range over the rounds."""
    values = [value(report) for report in reports if report["mode"] == mode]
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def table(head, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]) + "\n"


def latency(percentile):
    return lambda report: report["latency_us"][percentile] / 1000


def cpu(kind):
    return lambda report: report["cpu_ms"].get(kind, 0.0)


def total_cpu(report):
    return sum(report["cpu_ms"].values())


def tell_closed(options, closed):
    rows = [
        [mode, cell(closed, mode, lambda r: r["per_second"], 0), cell(closed, mode, total_cpu, 3),
         *(f"{medians(closed, mode, cpu(kind)):.3f}" for kind in ("program", "guard", "control")),
         cell(closed, mode, latency("p50")), cell(closed, mode, latency("p99"))]
        for mode in options.modes
    ]
    head = ["mode", "transactions/s", "CPU ms/transaction", "of it programs", "guards", "control", "p50 ms", "p99 ms"]
    return f"## Closed loop, {options.concurrency} workers\n\n{table(head, rows)}"


def tell_open(options, opened, rate):
    rows = [
        [mode, f"{sum(r['done'] for r in opened if r['mode'] == mode)} of {asked(opened, mode)}",
         *(cell(opened, mode, latency(p)) for p in ("p50", "p90", "p99")), cell(opened, mode, total_cpu, 3)]
        for mode in options.modes
    ]
    text = f"## Open loop, {rate:.0f} payments/s (70 % of what the slowest mode sustains, unless given)\n\n"
    text += table(["mode", "done", "p50 ms", "p90 ms", "p99 ms", "CPU ms/transaction"], rows)
    if "off" in options.modes and len(options.modes) > 1:
        text += f"\nAdded to `off` (difference of medians), in all and for each of the {HOPS} guarded calls of a payment:\n\n"
        rows = []
        for mode in options.modes:
            if mode != "off":
                added = [medians(opened, mode, latency(p)) - medians(opened, "off", latency(p)) for p in ("p50", "p99")]
                rows.append([mode, *(f"{ms:.2f}" for ms in added), *(f"{ms / HOPS:.2f}" for ms in added)])
        text += table(["mode", "p50 ms", "p99 ms", "p50 ms per hop", "p99 ms per hop"], rows)
    return text


def asked(reports, mode):
    return sum(r["done"] + r["declined"] + r["refused"] + r["unresolved"] for r in reports if r["mode"] == mode)


def tell_memory(options, closed, opened):
    names = sorted({name for report in closed for name in report["idle_mb"]})
    rows = []
    for name in names:
        row = [name]
        for mode in options.modes:
            if mode != "off":
                of = [r for r in closed + opened if r["mode"] == mode]
                row.append(f"{max(r['idle_mb'].get(name, 0) for r in of):.1f}")
                row.append(f"{max(r['rss_mb'].get(name, 0) for r in of):.1f}")
        rows.append(row)
    head = ["guard of"] + [f"{mode}, {when}" for mode in options.modes if mode != "off" for when in ("idle", "load")]
    return f"## Resident memory of each guard, MB, largest of all rounds\n\n{table(head, rows)}" if rows else ""


def tell_ready(options, reports):
    ready = ", ".join(f"{mode} {cell(reports, mode, lambda r: r['ready_s'])}" for mode in options.modes)
    return f"Seconds from `bartizan up` to ready: {ready}.\n"


def tell_machine(options):
    models = [line.partition(":")[2].strip() for line in read(pathlib.Path("/proc/cpuinfo")).splitlines() if line.startswith("model name")]
    memory = read(pathlib.Path("/proc/meminfo")).split()[1:2]
    return "\n".join([
        f"- date: {datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %z}",
        f"- machine: {models[0] if models else platform.machine()}, {os.cpu_count()} cores, "
        f"{int(memory[0]) // 2**20 if memory else '?'} GiB, {platform.system()} {platform.release()}",
        f"- command: `make bench-bank` ({shlex.join(['benches/bank_modes.py', *sys.argv[1:]])})",
        f"- {options.rounds} rounds of {options.duration} s for each mode, interleaved, fresh data each time; median (smallest-largest)",
        "- CPU: user and system time of every process below `bartizan up`; the load client runs beside it and is not counted",
        "- `off` has no gateway: the client speaks plain HTTP to the services",
    ]) + "\n"


def main():
    release = REPOSITORY / "target/release"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bartizan", type=pathlib.Path, default=release / "bartizan")
    parser.add_argument("--bank", type=pathlib.Path, default=release / "bank")
    parser.add_argument("--modes", type=lambda text: text.split(","), default=list(MODES), help="such as off,full")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=8, help="seconds of each run")
    parser.add_argument("--concurrency", type=int, default=32, help="workers of the closed loop")
    parser.add_argument("--rate", type=float, help="of the open loop, instead of 70 %% of what full sustains")
    parser.add_argument("--scratch", type=pathlib.Path, help="where data folders are made; its disk is part of the figures")
    parser.add_argument("--results", type=pathlib.Path, default=REPOSITORY / "benches/results")
    options = parser.parse_args()
    options.bank, options.bartizan = options.bank.resolve(), options.bartizan.resolve()
    unknown = set(options.modes) - set(MODES)
    if unknown or options.rounds < 1:
        parser.error(f"unknown modes: {', '.join(unknown)}" if unknown else "give at least one round")
    missing = [str(path) for path in (options.bartizan, options.bank) if not path.is_file()]
    if missing:
        sys.exit(f"{' and '.join(missing)} not built; run `make bench-bank`")

    try:
        closed = series(options, "closed", "--concurrency", options.concurrency)
        slowest = "full" if "full" in options.modes else options.modes[-1]
        rate = options.rate
        if rate is None:
            rate = SHARE_OF_FULL * sustained(options, slowest, medians(closed, slowest, lambda report: report["per_second"]))
        opened = series(options, "open", "--rate", f"{rate:.0f}", "--concurrency", 64)
    except Failed as failed:
        sys.exit(f"bank_modes: {failed}")

    errors = {f"{r['mode']}: {error}": count for r in closed + opened for error, count in r["errors"].items()}
    text = "\n".join(part for part in [
        "# The bank in each mode\n",
        tell_machine(options),
        tell_closed(options, closed),
        tell_open(options, opened, rate),
        tell_memory(options, closed, opened),
        tell_ready(options, closed + opened),
        f"Attempts without a useful answer: {errors or 'none'}. The money was right after every run.\n",
    ] if part)
    options.results.mkdir(parents=True, exist_ok=True)
    file = options.results / f"bank-modes-{datetime.date.today()}.md"
    file.write_text(text)
    print(f"\n{text}\nwritten to {file}")


if __name__ == "__main__":
    main()
