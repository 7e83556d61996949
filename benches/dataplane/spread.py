#!/usr/bin/env python3
"""How evenly the threads of a guard share few connections: a pair of guards with several threads each, and clients that ask as
fast as they are answered. Printed is which part of the CPU time of all serving threads the busiest one had: 1 / threads where it is
even, 1 where one did everything.

Python standard library only; control, node and guards are the real ones, the load is that of `race.py`.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import flat
import racers
from racers import Failed, loopback


def thread_ticks(pid):
    """Ticks of user and system time of each serving thread."""
    ticks = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith("worker-"):
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            ticks[name] = int(fields[11]) + int(fields[12])
    return ticks


def share(before, after):
    spent = [after[name] - before[name] for name in after]
    return max(spent) / max(1, sum(spent))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--connections", type=int, nargs="+", default=[2, 4, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--race", type=pathlib.Path, default=racers.REPOSITORY / "target/release/examples/race")
    parser.add_argument("--scratch", type=pathlib.Path)
    options = parser.parse_args()
    http, bulk = racers.free_port(), racers.free_port()
    upstream = subprocess.Popen([options.race, "upstream", "--http", loopback(http), "--bulk", loopback(bulk)])
    print(f"{options.threads} threads in each guard, {options.rounds} rounds of {options.seconds} s: median (smallest-largest)")
    print("| connections | busiest thread of the outbound guard | of the inbound guard | requests/s |")
    print("| --- | --- | --- | --- |")
    try:
        for connections in options.connections:
            rows = []
            for _ in range(options.rounds):
                fleet = flat.Fleet(options, 2, http, options.threads)
                try:
                    guards = fleet.start()
                    before = {name: thread_ticks(child.pid) for name, child in guards.items()}
                    asked = subprocess.run(
                        [options.race, "closed", "--to", loopback(fleet.out), "--connections", str(connections), "--seconds", str(options.seconds)],
                        capture_output=True, text=True, check=True,
                    )
                    after = {name: thread_ticks(child.pid) for name, child in guards.items()}
                    answered = json.loads(asked.stdout)
                    rows.append((share(before["client"], after["client"]), share(before["upstream"], after["upstream"]), answered))
                finally:
                    fleet.stop()
            rate = [row[2]["per_second"] for row in rows]
            cells = [sorted(row[at] for row in rows) for at in (0, 1)]
            shown = [f"{cell[len(cell) // 2]:.2f} ({cell[0]:.2f}-{cell[-1]:.2f})" for cell in cells]
            print(f"| {connections} | {shown[0]} | {shown[1]} | {sorted(rate)[len(rate) // 2]:,.0f} |", flush=True)
    finally:
        upstream.terminate()


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"spread: {failure}")
